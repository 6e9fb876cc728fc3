"""From findings to events: what a violation's consequence does, and how soft breaches add up; docs/rules.md, 2."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from monitoring.engine.events import Event, EventKind
from monitoring.engine.rules.findings import Finding
from monitoring.engine.rules.judge import breach_event, breach_key, judge, key, latch
from monitoring.engine.rules.loss import risk_equity
from monitoring.engine.ruleset.model import OtherRule, SoftBreaches
from monitoring.engine.snapshot import Account, Breach
from monitoring.engine.snapshot.memory import soft_breaches, want_closed

_GRAVE = frozenset({"fail", "pause"})
_SOFT_KEPT = 256  # dates of soft breaches remembered, or as many as a limit needs


def judge_losses(account: Account, at: datetime) -> list[Event]:
    """Evaluate the loss rules; a pause of theirs is a soft breach as well."""
    events = judge(account, at)
    if events and events[0].event is EventKind.BREACHED and events[0].consequence == "pause":
        events += _count_soft_breach(account, at)
    return events


def conclude(account: Account, findings: list[Finding]) -> list[Event]:
    """Return the events of what one message, or one instant, showed; a `fail` ends the work."""
    state = account.state
    events: list[Event] = []
    grave: list[Finding] = []
    for finding in sorted(findings, key=lambda found: found.rule.index):
        if state.breach is not None:
            return events
        if finding.warning:
            events.append(_told(account, finding, EventKind.WARNED))
        elif finding.rule.consequence in _GRAVE:
            grave.append(finding)
        else:
            events += _violated(account, finding)
    if grave and state.breach is None:
        events += _breached(account, grave)
    return events


def breaks(account: Account, findings: list[Finding]) -> bool:
    """Whether what was found breaches a rule, be it by the number of soft breaches that it makes."""
    told = [finding.rule.consequence for finding in findings if not finding.warning]
    if not _GRAVE.isdisjoint(told):
        return True
    state, more = account.state, told.count("flag")
    return any(
        isinstance(rule, SoftBreaches)
        and (more or not memory.open)
        and not (rule.consequence == "pause" and state.paused_until is not None)
        and soft_breaches(state, rule) + more > rule.allowed
        for rule, memory in zip(account.rule_set.others, state.others, strict=True)
    )


def _violated(account: Account, finding: Finding) -> list[Event]:
    state, consequence = account.state, finding.rule.consequence
    event = _told(account, finding, EventKind.VIOLATED)
    finding.memory.key = event.key
    if consequence == "close":
        for position in finding.positions:
            if position in account.positions:
                want_closed(state, position, event.key, account.rule_set.identities[finding.rule.index])
    return [event, *(_count_soft_breach(account, finding.at) if consequence == "flag" else ())]


def _told(account: Account, finding: Finding, kind: EventKind) -> Event:
    rule, rule_set = finding.rule, account.rule_set
    return Event(
        key=key(account, rule.index, kind.value, finding.last),
        at=finding.at,
        account=account.id,
        event=kind,
        rule=rule.rule,
        rule_set_version=rule_set.version,
        digits=rule_set.digits,
        reason=finding.reason,
        consequence=rule.consequence,
        positions=finding.positions,
        revision=finding.revision,
    )


def _breached(account: Account, grave: list[Finding]) -> list[Event]:
    """The gravest consequence applies; of its rules the first in the document has the breach. No pause while paused."""
    if account.state.paused_until is not None:
        grave = [finding for finding in grave if finding.rule.consequence == "fail"]
    if not grave:
        return []
    first = next((finding for finding in grave if finding.rule.consequence == "fail"), grave[0])
    others = {finding.rule.index: finding.rule.rule for finding in grave}
    del others[first.rule.index]
    event = _stand(account, first.rule, first.at, first.reason, tuple(others.values()))
    told = [replace(event, positions=first.positions, revision=first.revision)]
    return told + (_count_soft_breach(account, first.at) if first.rule.consequence == "pause" else [])


def _stand(account: Account, rule: OtherRule, at: datetime, reason: str, also: tuple[str, ...] = ()) -> Event:
    """Latch a breach of a rule that has no floor."""
    state, rule_set = account.flush(), account.rule_set
    facts = Breach(
        key=breach_key(account, rule.index, rule.consequence),
        at=at,
        account=account.id,
        rule=rule.rule,
        index=rule.index,
        of=rule_set.identities[rule.index],
        consequence=rule.consequence,
        operator="",
        floor=None,
        measured=None,
        room=None,
        used=None,
        balance=state.balance,
        equity=risk_equity(account, state),
        also=also,
        reason=reason,
        rule_set_version=rule_set.version,
        digits=rule_set.digits,
    )
    latch(account, facts)
    return breach_event(facts)


def _count_soft_breach(account: Account, at: datetime) -> list[Event]:
    """Count one more; the one after those allowed is a breach of its own, at the same instant."""
    state = account.state
    assert state.day is not None
    state.soft_breaches.append(state.day)
    counting = [
        (rule, memory)
        for rule, memory in zip(account.rule_set.others, state.others, strict=True)
        if isinstance(rule, SoftBreaches)
    ]
    del state.soft_breaches[: -max([_SOFT_KEPT, *(rule.allowed + 1 for rule, _ in counting)])]
    for _, memory in counting:
        memory.open = False  # it is judged by this one
    return judge_soft_breaches(account, at)


def judge_soft_breaches(account: Account, at: datetime) -> list[Event]:
    """Judge how many soft breaches there are, once: other rules may allow fewer than there were already."""
    state = account.state
    events = []
    for rule, memory in zip(account.rule_set.others, state.others, strict=True):
        if not isinstance(rule, SoftBreaches):
            continue
        count = soft_breaches(state, rule)
        told, memory.open = memory.open, count > rule.allowed
        asleep = state.breach is not None or (rule.consequence == "pause" and state.paused_until is not None)
        if memory.open and not told and not asleep:
            events.append(_stand(account, rule, at, _soft_words(rule, count)))
    return events


def _soft_words(rule: SoftBreaches, count: int) -> str:
    window = "" if rule.window_days is None else f" within {rule.window_days} trading-day dates"
    return f"soft breach number {count}{window}: {rule.allowed} are allowed"

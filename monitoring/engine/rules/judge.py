"""From levels to events: breaches latch, warnings are episodes; `rules.md`, section 5."""

from __future__ import annotations

from datetime import datetime

from monitoring.engine.events import Event, EventKind
from monitoring.engine.rules.loss import Level, levels, reason, risk_equity
from monitoring.engine.snapshot import Account, Breach
from monitoring.engine.trading_day import day_start


def judge(account: Account, at: datetime) -> list[Event]:
    """Evaluate every loss rule by the settled state; latch what changed and return its events."""
    state = account.state
    if state.review or state.verdict_held or state.stale or state.breach is not None:
        return []
    paused = state.paused_until is not None
    current = levels(account)
    crossed = [level for level in current if level.crossed and not (paused and level.rule.consequence == "pause")]
    if crossed:
        return [_breach(account, crossed, at)]
    if paused:
        return []
    return [event for level in current if (event := _episode(account, level, at)) is not None]


def key(account: Account, rule: int | str, kind: str, last: object) -> str:
    """Return the key of an event: the same however often it is derived again.

    Where the rules were changed, the challenge's part says how often: a rule's place may mean another one since.
    """
    state = account.state
    challenge = f"{state.challenge}~{state.generation}" if state.generation else state.challenge
    return f"{account.id}:{challenge}:{rule}:{kind}:{last}"


def _breach(account: Account, crossed: list[Level], at: datetime) -> Event:
    """The gravest consequence applies; of its rules the higher floor has the breach, the first at equal floors."""
    state = account.state
    consequence = "fail" if any(level.rule.consequence == "fail" for level in crossed) else "pause"
    gravest = [level for level in crossed if level.rule.consequence == consequence]
    level = max(gravest, key=lambda candidate: candidate.floor)
    rule = level.rule
    facts = Breach(
        key=breach_key(account, rule.index, consequence),
        at=at,
        account=account.id,
        rule=rule.rule,
        index=rule.index,
        of=account.rule_set.identities[rule.index],
        consequence=consequence,
        operator=rule.operator,
        floor=level.floor,
        measured=level.measured,
        room=level.measured - level.floor,
        used=level.used,
        balance=state.balance,
        equity=risk_equity(account, state),
        also=tuple(other.rule.rule for other in crossed if other is not level),
        reason=reason(account, level),
        rule_set_version=account.rule_set.version,
        digits=account.rule_set.digits,
    )
    latch(account, facts)
    return breach_event(facts)


def breach_key(account: Account, rule: int, consequence: str) -> str:
    """Return the key of a breach: a `fail` happens once, a `pause` once a day.

    A day whose reset was moved while it ran may end on its own date; the next one then has that date too.
    """
    state = account.state
    last = str(state.day)
    if state.day is not None and state.day_started_at != day_start(state.day, account.rule_set.reset):
        last += ".cut"
    return key(account, rule, "breached", "fail" if consequence == "fail" else last)


def latch(account: Account, facts: Breach) -> None:
    """Let a breach stand: for good, or until the next reset; the warning episodes end silently."""
    state = account.state
    if facts.consequence == "fail":
        state.breach = facts
    else:
        state.pause = facts
        state.paused_until = state.next_reset
    state.lowest_equity = facts.equity
    account.disturb()  # from now on every new low is noted
    for memory in state.rules:
        memory.step = 0


def breach_event(facts: Breach) -> Event:
    """Return the event of a breach from its stored facts."""
    return Event(
        key=facts.key,
        at=facts.at,
        account=facts.account,
        event=EventKind.BREACHED,
        rule=facts.rule,
        rule_set_version=facts.rule_set_version,
        digits=facts.digits,
        floor=facts.floor,
        measured=facts.measured,
        room=facts.room,
        used=facts.used,
        operator=facts.operator or None,
        reason=facts.reason,
        consequence=facts.consequence,
        also=facts.also,
    )


def _episode(account: Account, level: Level, at: datetime) -> Event | None:
    memory, rule_set = level.memory, account.rule_set
    reached = level.steps(rule_set.warn_at)
    if reached > memory.step:
        kind = EventKind.STEPPED_UP if memory.step else EventKind.WARNED
        memory.episode += not memory.step
        memory.step = reached
        number = f"{memory.episode}.{reached}" if kind is EventKind.STEPPED_UP else f"{memory.episode}"
    elif memory.step and not level.reaches(rule_set.clear_below):
        kind, number = EventKind.CLEARED, f"{memory.episode}"
        memory.step = 0
    else:
        return None
    return Event(
        key=key(account, level.rule.index, kind.value, number),
        at=at,
        account=account.id,
        event=kind,
        rule=level.rule.rule,
        rule_set_version=rule_set.version,
        digits=rule_set.digits,
        floor=level.floor,
        measured=level.measured,
        room=level.measured - level.floor,
        used=level.used,
        operator=level.rule.operator,
        reason=reason(account, level),
        consequence=level.rule.consequence,
        step=memory.step,
    )


def notice(account: Account, kind: EventKind, at: datetime, last: object, text: str = "") -> Event:
    """Return an event that belongs to no rule: resumed, stale, fresh, refused."""
    return Event(
        key=key(account, "-", kind.value, last),
        at=at,
        account=account.id,
        event=kind,
        rule=None,
        rule_set_version=account.rule_set.version,
        digits=account.rule_set.digits,
        reason=text,
    )

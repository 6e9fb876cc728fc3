"""The rules of section 6 at work: after a message, at an instant that time brings, and once the data is good again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from monitoring.engine.events import Event
from monitoring.engine.rules import objectives
from monitoring.engine.rules.conduct import (
    judge_deadlines,
    judge_deals,
    judge_stops,
    judge_symbols,
    next_call,
)
from monitoring.engine.rules.exposure import judge_exposure
from monitoring.engine.rules.findings import Finding
from monitoring.engine.rules.freshness import may_judge, may_judge_at
from monitoring.engine.rules.verdicts import breaks, conclude, judge_soft_breaches
from monitoring.engine.snapshot import Account, Deal

WAITING_KEPT = 64  # deals kept while nothing may be judged


def settle(
    account: Account,
    at: datetime,
    deals: Sequence[Deal] = (),
    *,
    moved: bool = False,
    updated: bool = False,
    breached: bool = False,
) -> list[Event]:
    """Judge what a message brought: its deals, positions that `moved`, figures that were `updated`.

    `breached`: a loss rule did so by the same message. What may not be judged now waits for the next good message.
    """
    state = account.state
    if not account.rule_set.others:
        return []
    if not may_judge(account):
        if moved or deals:
            _wait(account, deals)
            reschedule(account, at)
        return []
    late = at if state.pending else None
    seen = {deal.position for deal in deals}
    if state.pending:
        deals = [*state.waiting, *deals]
        state.pending, state.waiting = False, []
        moved = True
    findings: list[Finding] = []
    refused: list[Event] = []
    if moved:
        findings += judge_deadlines(account, at) + judge_stops(account, at, late, seen) + judge_exposure(account, at)
        findings += objectives.idle(account, at)
        for told in (judge_symbols(account, at), judge_deals(account, deals, at)):
            refused += told.refused
            findings += told.findings
    events: list[Event] = []
    if updated:
        breached = breached or (moved and breaks(account, findings))
        reached, found = objectives.on_update(account, at, breached=breached)
        events += [reached] if reached is not None else []
        findings += found
    if moved:
        findings += _objectives_due(account, at)  # a target that was reached just now is there in time
    events += refused + conclude(account, findings)
    if moved:
        events += judge_soft_breaches(account, at)
        reschedule(account, at)
    return events


def fire(account: Account, instant: datetime) -> list[Event]:
    """Judge what is due at an instant; a stop that was due then is still in time."""
    events: list[Event] = []
    if may_judge_at(account, instant):
        findings = judge_deadlines(account, instant) + judge_stops(account, instant)
        events = conclude(account, findings + objectives.on_due(account, instant))
    elif account.state.breach is None:
        account.state.pending = True
    reschedule(account, instant)
    return events


def at_reset(account: Account, instant: datetime) -> list[Event]:
    """Judge what a reset demands, after the loss rules."""
    if not account.rule_set.others:
        return []
    if may_judge_at(account, instant):
        return conclude(account, objectives.after_reset(account, instant))
    account.state.pending = account.state.breach is None
    return []


def catch_up(account: Account, at: datetime) -> list[Event]:
    """Judge what waited, if it may be judged now."""
    return settle(account, at) if account.state.pending else []


def reschedule(account: Account, after: datetime) -> None:
    """Set when time alone acts next; everything up to `after` has been done, or waits for better data."""
    state = account.state
    state.due = None
    if state.breach is None and account.rule_set.others:
        calls = (next_call(account, after), objectives.due(account, after))
        state.due = min((call for call in calls if call is not None), default=None)
    account.set_alarm()


def _objectives_due(account: Account, at: datetime) -> list[Finding]:
    due = objectives.due(account)
    return objectives.on_due(account, at) if due is not None and due <= at else []


def _wait(account: Account, deals: Sequence[Deal]) -> None:
    """A person who holds the account sees its deals; what came while the data was bad is judged when it is good."""
    state = account.state
    if state.breach is not None:
        return
    state.pending = True
    if not (state.review or state.verdict_held):
        state.waiting = [*state.waiting, *deals][-WAITING_KEPT:]

"""Other rules for a running account: a move, an override and its end are the same operation; docs/rules.md, 6."""

from __future__ import annotations

from datetime import datetime

from monitoring.engine.events import Event, EventKind
from monitoring.engine.rules.band import settle_band
from monitoring.engine.rules.conduct import await_stops, judge_symbols
from monitoring.engine.rules.freshness import may_judge_at
from monitoring.engine.rules.loss import risk_equity
from monitoring.engine.rules.others import reschedule, settle
from monitoring.engine.rules.timers import advance
from monitoring.engine.rules.verdicts import judge_losses
from monitoring.engine.ruleset import RuleSet
from monitoring.engine.ruleset.model import StopLossRequired
from monitoring.engine.snapshot import Account, Snapshot, adapt


def change_rules(snapshot: Snapshot, account_id: str, rule_set: RuleSet, at: datetime) -> list[Event]:
    """Judge an account by another rule set from `at` on; returns what the last known state comes to under it.

    KeyError for an account that is not watched. Where the limits are the same, only their version changes.
    """
    account = snapshot.accounts[account_id]
    events = advance(account, at) if account.state.next_reset is not None else []
    state = account.flush()
    account.touch()
    if state.rule_set_digest == rule_set.digest:
        account.judge_by(rule_set)
        state.rule_set_version = rule_set.version
        return events
    known = {memory.of for memory in state.others}
    adapt(state, rule_set, risk_equity(account, state), at)
    account.judge_by(rule_set)
    _look_for_stops(account, known)
    events += _judge_anew(account, at)
    if account.state.pending:
        reschedule(account, at)
    settle_band(account)
    return events


def _look_for_stops(account: Account, known: set[str]) -> None:
    for rule, memory in zip(account.rule_set.others, account.state.others, strict=True):
        if isinstance(rule, StopLossRequired) and memory.of not in known:
            await_stops(account, rule, memory)


def _judge_anew(account: Account, at: datetime) -> list[Event]:
    """What the new rules make of what is known; stale data waits for the first fresh message."""
    if account.figures is None or not may_judge_at(account, at):
        return []
    losses = judge_losses(account, at)
    breached = bool(losses) and losses[0].event is EventKind.BREACHED
    if account.state.breach is not None:
        return losses
    return losses + settle(account, at, updated=True, breached=breached, told=judge_symbols(account, at))

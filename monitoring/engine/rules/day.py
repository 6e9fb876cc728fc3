"""Trading days of an account: each reset takes effect at its own instant, before anything later is applied."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from monitoring.engine.events import Event, EventKind
from monitoring.engine.rules import objectives
from monitoring.engine.rules.judge import key, notice
from monitoring.engine.rules.loss import risk_equity
from monitoring.engine.rules.others import at_reset
from monitoring.engine.rules.verdicts import judge_losses
from monitoring.engine.snapshot import Account
from monitoring.engine.trading_day import day_of, day_start, next_reset


def begin(account: Account, at: datetime) -> None:
    """Let the first frame set the trading day; where the book does not say when the challenge began, it began now."""
    state, reset = account.state, account.rule_set.reset
    state.day = day_of(at, reset)
    state.day_started_at = day_start(state.day, reset)
    state.next_reset = next_reset(at, reset)
    if state.created_at is None:
        state.created_at = at
    state.idle_from = max(at, state.created_at)  # whether anything was opened before nobody here knows
    state.pending = bool(account.rule_set.others)  # what time demanded of the challenge before


def take_reset(account: Account, instant: datetime) -> list[Event]:
    """Start the next trading day at its own instant, and judge what that brings about."""
    state, reset = account.state, account.rule_set.reset
    paused = state.paused_until is not None
    objectives.day_ends(account, instant)
    _start_values(account)
    state.day = day_of(instant, reset)
    state.day_started_at = instant
    state.next_reset = next_reset(instant, reset)
    state.day_open = False
    events = [_day_started(account, instant)]
    if paused:
        state.paused_until = None
        if state.breach is None:
            state.lowest_equity = None
            state.pending = bool(account.rule_set.others)  # rules that pause slept: what they missed comes next
            events.append(notice(account, EventKind.RESUMED, instant, state.day, "the pause ended with the day"))
    if state.updated_at is not None and instant - state.updated_at <= timedelta(seconds=account.rule_set.fresh_for):
        events += judge_losses(account, instant)
    return events + at_reset(account, instant)


def _start_values(account: Account) -> None:
    """Day-start values, end-of-day marks, peak: from the last update before the reset."""
    state = account.state
    if state.figures is None:
        state.day_start_balance += state.day_moves
        state.day_start_equity += state.day_moves
    else:
        state.day_start_balance = state.balance
        state.day_start_equity = risk_equity(account, state)
    state.day_start_ts = state.updated_at
    state.day_moves = 0
    state.peak = state.day_start_equity
    for memory in state.rules:
        memory.high_before = memory.high
    _end_of_day_marks(account)


def _end_of_day_marks(account: Account) -> None:
    state = account.state
    if state.figures is None:
        return
    ends = {
        "balance_eod": state.day_start_balance,
        "equity_eod": state.day_start_equity,
        "higher_eod": max(state.day_start_balance, state.day_start_equity),
    }
    for rule, memory in zip(account.rule_set.loss_rules, state.rules, strict=True):
        if rule.high_water in ends:
            memory.high = max(memory.high_before, ends[rule.high_water])


def amend_start(account: Account) -> None:
    """Take an update that arrives after the reset it precedes as what it is: the last one of the old day."""
    state = account.state
    state.day_start_balance = state.balance - state.day_moves
    state.day_start_equity = risk_equity(account, state) - state.day_moves
    state.day_start_ts = state.updated_at
    state.peak = risk_equity(account, state)
    _end_of_day_marks(account)
    objectives.amend_last_day(account)


def _day_started(account: Account, instant: datetime) -> Event:
    state, rule_set = account.state, account.rule_set
    return Event(
        key=key(account, "-", EventKind.DAY_STARTED.value, state.day),
        at=instant,
        account=account.id,
        event=EventKind.DAY_STARTED,
        rule=None,
        rule_set_version=rule_set.version,
        digits=rule_set.digits,
        reason=_start_words(account, instant),
        day=state.day,
        day_start_balance=state.day_start_balance,
        day_start_equity=state.day_start_equity,
    )


def _start_words(account: Account, instant: datetime) -> str:
    state = account.state
    if state.day_start_ts is None:
        return "no figures have arrived yet"
    age = (instant - state.day_start_ts).total_seconds()
    taken = state.day_start_ts.astimezone(UTC)
    return f"values of the update of {taken:%Y-%m-%dT%H:%M:%S}Z, {age:.0f} s before the reset"

"""Whether an account's data may be judged by: `rules.md`, section 3, "No verdict from stale data"."""

from __future__ import annotations

from datetime import datetime

from monitoring.engine.events import Event, EventKind
from monitoring.engine.rules.judge import notice
from monitoring.engine.snapshot import Account
from monitoring.engine.trading_day import day_of

UNREPORTED = frozenset({"disconnected", "connecting", "error", "auth_failed"})


def staleness(account: Account, now: datetime) -> str:
    """Say why the account's data is stale at `now`; empty when it is fresh."""
    figures, updated = account.figures, account.updated_at
    if figures is None or updated is None:
        return "no figures have arrived yet"
    pending = account.last is not account.settled
    status = figures.status if pending else account.state.status
    if status in UNREPORTED:
        why = account.state.status_reason
        return f"the account is reported {status}" + (f" ({why})" if why else "")
    seen = account.link_state.seen
    alive_at = updated if seen is None or updated > seen else seen
    if now - alive_at > account.stale_after:
        return f"nothing has arrived from the server for {_seconds(now, alive_at)}"
    count = figures.open_positions if pending else None
    holding = account.state.open_positions if count is None else count
    if holding and now - updated >= account.stale_after and market_open(account, now, updated):
        return f"positions are open and the last update is {_seconds(now, updated)} old"
    return ""


def doubtful(account: Account, now: datetime) -> str:
    """Say why an account's figures cannot be trusted at `now`; empty when they can."""
    state = account.state
    if state.doubt:
        return f"the last frame was refused: {state.doubt}"
    if state.verdict_held:
        return f"verdicts wait: {state.verdict_held}"
    if state.stale:
        return staleness(account, now) or "no fresh update has arrived since the data went stale"
    return staleness(account, now)


def may_judge(account: Account) -> bool:
    """Whether the rules of section 6 may be judged: not while stale, in doubt, held or in review, nor after a fail."""
    state = account.state
    return not (state.stale or state.doubt or state.review or state.verdict_held or state.breach is not None)


def may_judge_at(account: Account, instant: datetime) -> bool:
    """Whether they may at an instant that has passed: what was known then may have been stale already."""
    return may_judge(account) and not staleness(account, instant)


def market_open(account: Account, now: datetime, updated: datetime) -> bool:
    """Whether its market counts as open: a day of the trading week, or one on which the account has updated."""
    rule_set = account.rule_set
    day = day_of(now, rule_set.reset)
    return day.weekday() in rule_set.trading_week or day_of(updated, rule_set.reset) == day


def settle_freshness(account: Account, at: datetime, now: datetime) -> list[Event]:
    """Set `stale` by what is known at `now` and return the event of a change, dated `at`."""
    state = account.state
    if account.figures is None:
        return []
    why = staleness(account, now)
    if bool(why) == state.stale:
        return []
    state = account.flush()
    state.stale = bool(why)
    if why:
        state.stale_count += 1
        account.disturb()
    account.touch()
    kind = EventKind.STALE if why else EventKind.FRESH
    return [notice(account, kind, at, state.stale_count, why or "the data is fresh again")]


def _seconds(now: datetime, then: datetime) -> str:
    return f"{(now - then).total_seconds():.0f} s"

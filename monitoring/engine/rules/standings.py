"""Where every rule of section 6 stands now, for pages: state, value and limit in words, share, reason, next instant.

A look at the settled state: nothing is judged here and nothing changes. What was judged and latched stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from monitoring.engine.events import Standing, StandingState
from monitoring.engine.money import grouped
from monitoring.engine.rules import trading_standings as trading
from monitoring.engine.rules.freshness import doubtful
from monitoring.engine.rules.progress import (
    best_day,
    clock_text,
    consistency_text,
    day_at,
    days_counted,
    days_text,
    goal_amount,
    idle_until,
    last_date,
    pairs,
    passable,
    targets,
)
from monitoring.engine.rules.trading_standings import View
from monitoring.engine.ruleset import model
from monitoring.engine.ruleset.model import Consistency, Inactivity, MinTradingDays, OtherRule, ProfitTarget, TimeLimit
from monitoring.engine.snapshot import Account
from monitoring.engine.snapshot.state import OtherMemory
from monitoring.engine.trading_day import day_start

_DAY = timedelta(days=1)


def standings(account: Account, now: datetime) -> tuple[Standing, ...]:
    """Return where each rule of section 6 stands at `now`; `unknown` wherever the data cannot be trusted."""
    state = account.flush()
    seen, doubt = trading.view(account, now), doubtful(account, now)
    found = [_ANSWERS[type(rule)](seen, rule, memory) for rule, memory in pairs(account)]
    if doubt:
        found = [_doubted(standing, doubt) for standing in found]
    latch = state.breach if state.breach is not None else state.pause if state.paused_until is not None else None
    if latch is not None:
        found = [
            replace(standing, state=StandingState.VIOLATED, reason=latch.reason, due=None)
            if standing.index == latch.index
            else standing
            for standing in found
        ]
    return tuple(found)


def standings_key(account: Account) -> tuple[object, ...]:
    """Return what standings rest on, time apart: while it is equal, and within the same minute, so are they.

    It does not settle pending figures: an update that moves equity alone leaves it as it is.
    """
    state, figures = account.state, account.figures
    return (
        account.rule_set,
        account.owner.market,
        None if figures is None else (figures.balance, figures.status),
        state.day,
        state.moved,
        state.last_day and state.last_day.profit,
        state.stale,
        state.doubt,
        state.status,
        state.verdict_held,
        state.breach,
        state.paused_until,
        state.target_reached_at,
        state.idle_from,
        state.first_open_at,
        len(state.soft_breaches),
        [(memory.count, memory.open, len(memory.told)) for memory in state.others],
        state.today and (state.today.opened, state.today.opened_and_closed),
        list(account.positions.values()),
    )


def _doubted(standing: Standing, doubt: str) -> Standing:
    """A target that was reached stays reached, whatever has become of the data."""
    if standing.rule == "profit_target" and standing.state is StandingState.MET:
        return standing
    return replace(standing, state=StandingState.UNKNOWN, reason=f"{doubt}; {standing.reason}")


def _target(seen: View, rule: ProfitTarget, memory: OtherMemory) -> Standing:
    account, digits = seen.account, seen.account.rule_set.digits
    state, profit, amount = account.state, account.profit, goal_amount(account, rule)
    profit = profit if state.figures is not None else 0
    at = state.target_reached_at
    value, limit = grouped(profit, digits), grouped(amount, digits)
    if at is not None:
        reason = f"the target {limit} was reached at {clock_text(at)}; closed profit is {value}"
    elif profit >= amount:
        reason = f"closed profit {value} has reached the target {limit}; the account must be flat for it to count"
    else:
        reason = f"closed profit {value} of the target {limit}: {grouped(amount - profit, digits)} to go"
    return Standing(
        rule=rule.rule,
        index=rule.index,
        state=StandingState.MET if at is not None else StandingState.PENDING,
        value=value,
        limit=limit,
        reason=reason,
        share=max(Decimal(0), Decimal(profit) / amount) if amount > 0 else None,
    )


def _days(seen: View, rule: MinTradingDays, memory: OtherMemory) -> Standing:
    days = days_counted(seen.account, rule, memory)
    met = days >= rule.days
    return Standing(
        rule=rule.rule,
        index=rule.index,
        state=StandingState.MET if met else StandingState.PENDING,
        value=days_text(days, "trading"),
        limit=days_text(rule.days, "trading"),
        reason=f"{days} of at least {days_text(rule.days, 'trading')} counted"
        + ("" if met else f", {rule.days - days} to go"),
        share=Decimal(days) / rule.days,
    )


def _time_limit(seen: View, rule: TimeLimit, memory: OtherMemory) -> Standing:
    account, limit = seen.account, days_text(rule.days, rule.unit)
    last, day = last_date(account, rule), account.state.day
    if last is None or day is None:
        reason = f"the time limit of {limit} starts with the first trade"
        return _timed(rule, StandingState.PENDING, 0, reason, None)
    anchor = account.state.first_open_at if rule.start == "first_trade" else account.state.created_at
    assert anchor is not None  # else there is no last day
    first = day_at(account, anchor)
    passed = _days_passed(first, min(day, last), rule.unit, account.rule_set.trading_week)
    if day > last:
        there, lacking = passable(account, seen.now)
        state = StandingState.MET if there else StandingState.VIOLATED
        return _timed(rule, state, passed, f"the time limit of {limit} ended with {last}: {lacking}", None)
    end = day_start(last + _DAY, account.rule_set.reset)
    reason = f"day {passed} of {limit}; the last day is {last} and ends at {clock_text(end)}"
    return _timed(rule, StandingState.OK, passed, reason, end)


def _timed(rule: TimeLimit, state: StandingState, passed: int, reason: str, due: datetime | None) -> Standing:
    value, limit = days_text(passed, rule.unit), days_text(rule.days, rule.unit)
    share = Decimal(passed) / rule.days
    return Standing(rule.rule, rule.index, state, value, limit, reason, rule.consequence, share, due)


@lru_cache(maxsize=4096)
def _days_passed(first: date, day: date, unit: str, week: frozenset[int]) -> int:
    """How many days of a time limit have begun by `day`, itself included."""
    span = max(0, (day - first).days + 1)
    if unit == "calendar":
        return span
    return sum((first.weekday() + offset) % 7 in week for offset in range(span))


def _consistency(seen: View, rule: Consistency, memory: OtherMemory) -> Standing:
    account, share = seen.account, rule.best_day_share
    found = best_day(account, rule)
    limit = f"{100 * share.numerator / share.denominator:g}%"
    reason = consistency_text(account, rule, found)
    if found.total <= 0:
        return Standing(rule.rule, rule.index, StandingState.PENDING, "not evaluated", limit, reason, rule.consequence)
    part = Decimal(found.best) / found.total
    if found.above(share):
        needed = -(-found.best * share.denominator // share.numerator)
        reason += f"; a total of {grouped(needed, account.rule_set.digits)} would be enough"
    return Standing(
        rule=rule.rule,
        index=rule.index,
        state=_consistency_state(account, above=found.above(share), told=memory.open),
        value=f"{100 * part:.2f}%",
        limit=limit,
        reason=reason,
        consequence=rule.consequence,
        share=part * share.denominator / share.numerator,
    )


def _consistency_state(account: Account, *, above: bool, told: bool) -> StandingState:
    """Above the limit matters once the target is reached; without a target, once a reset has judged it."""
    if not above:
        return StandingState.OK
    matters = account.state.target_reached_at is not None if targets(account) else told
    return StandingState.VIOLATED if matters else StandingState.PENDING


def _inactivity(seen: View, rule: Inactivity, memory: OtherMemory) -> Standing:
    state = seen.account.state
    until, since = idle_until(seen.account, rule), state.idle_from or state.created_at
    idle = max(0, (seen.now - since).days) if since is not None else 0
    last = f"at {clock_text(state.last_open_at)}" if state.last_open_at is not None else "never"
    reason = f"the last position was opened {last}"
    if memory.open:
        reason += f", more than {days_text(rule.days, 'calendar')} ago"
    elif until is not None:
        reason += f"; the next must be before {clock_text(until)}"
    return Standing(
        rule=rule.rule,
        index=rule.index,
        state=StandingState.VIOLATED if memory.open else StandingState.OK,
        value=days_text(idle, "calendar"),
        limit=days_text(rule.days, "calendar"),
        reason=reason,
        consequence=rule.consequence,
        share=Decimal(idle) / rule.days,
        due=None if memory.open else until,
    )


_ANSWERS: dict[type[OtherRule], Callable[[View, Any, OtherMemory], Standing]] = {
    ProfitTarget: _target,
    MinTradingDays: _days,
    TimeLimit: _time_limit,
    Consistency: _consistency,
    Inactivity: _inactivity,
    model.MaxLotsPerPosition: trading.largest_position,
    model.MaxLotsTotal: trading.total_lots,
    model.MaxPositions: trading.position_count,
    model.Symbols: trading.symbols,
    model.TradingHours: trading.hours,
    model.FlatBy: trading.flat_by,
    model.NewsWindow: trading.news,
    model.StopLossRequired: trading.stops,
    model.SoftBreaches: trading.soft_breaches,
}

"""How far an account is with its objectives: the arithmetic that verdicts and pages share, and its words.

Closed profit is B - A - S, so a day's profit is what the sum has grown by since the days before it were folded: sums
of days need no deals to be paired, and balance operations never count.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from monitoring.engine.market import last_day
from monitoring.engine.money import grouped
from monitoring.engine.ruleset.model import (
    Consistency,
    Inactivity,
    MinTradingDays,
    OtherRule,
    ProfitTarget,
    Step,
    TimeLimit,
)
from monitoring.engine.snapshot import Account
from monitoring.engine.snapshot.state import DayFacts, OtherMemory
from monitoring.engine.trading_day import day_of

_TOTALS = {"net": "the net total", "positive": "the total of the winning days", "absolute": "the absolute total"}


class Best(NamedTuple):
    """The best day beside the total, minor units; a total that is not above 0 is not evaluated."""

    best: int
    total: int

    def above(self, share: Step) -> bool:
        """Whether the best day's share is above the limit, compared exactly."""
        return self.total > 0 and self.best * share.denominator > share.numerator * self.total


def pairs(account: Account) -> Iterator[tuple[OtherRule, OtherMemory]]:
    """Return the rules of section 6, each with what it remembers of this account."""
    return zip(account.rule_set.others, account.state.others, strict=True)


def targets(account: Account) -> list[ProfitTarget]:
    """Return the profit targets; where there are several, all of them must be reached."""
    return [rule for rule in account.rule_set.others if isinstance(rule, ProfitTarget)]


def goal_amount(account: Account, rule: ProfitTarget) -> int:
    """Return the profit that is asked for, in minor units, half up."""
    return -rule.amount.floor_under(0, account.state.initial_balance)


def day_profit(account: Account) -> int:
    """Return the closed profit of the running day so far, in minor units."""
    state = account.flush()
    if state.figures is None:
        return 0
    return state.balance - state.moved - state.initial_balance - state.totals.net - last_profit(account)


def last_profit(account: Account) -> int:
    """Return the closed profit of the day before the running one, 0 on the first day; in minor units.

    A state of an earlier release knows no days: all that was made before the running day counts as made on one.
    """
    state = account.state
    if state.last_day is not None or state.day_start_ts is None:
        return state.last_day.profit if state.last_day is not None else 0
    return state.day_start_balance - (state.moved - state.day_moves) - state.initial_balance


def best_day(account: Account, rule: Consistency, *, running: bool = True) -> Best:
    """Return the best day and the total that its share is of, with or without the running day."""
    totals, profits = account.state.totals, [last_profit(account)]
    if running:
        profits.append(day_profit(account))
    best = max(totals.best, *profits, 0)
    if rule.of == "net":
        return Best(best, totals.net + sum(profits))
    if rule.of == "positive":
        return Best(best, totals.positive + sum(profit for profit in profits if profit > 0))
    return Best(best, totals.absolute + sum(map(abs, profits)))


def days_counted(account: Account, rule: MinTradingDays, memory: OtherMemory) -> int:
    """Return how many days count so far, the running one along while its condition holds."""
    state, dates = account.state, set()
    before, today = state.last_day, state.today
    if before is not None and counts(account, rule, before, before.profit):
        dates.add(before.day)
    if state.day is not None:
        if today is None:
            today = DayFacts(day=state.day)
        if counts(account, rule, today, day_profit(account)):
            dates.add(today.day)
    # A date comes twice where the reset was moved to a later hour of the running day.
    return memory.count + sum(str(day) not in memory.told for day in dates)


def counts(account: Account, rule: MinTradingDays, facts: DayFacts, profit: int) -> bool:
    """Whether a day counts by the rule's own definition."""
    if facts.day.weekday() not in account.rule_set.trading_week:
        return False
    if rule.threshold is None:
        return facts.opened if rule.counts == "opened" else facts.opened_and_closed
    moved = abs(profit) if rule.counts == "moved_day" else profit
    return moved * rule.threshold.denominator >= rule.threshold.numerator * account.state.initial_balance


def last_date(account: Account, rule: TimeLimit) -> date | None:
    """Return the last trading day of the phase, None while it does not run."""
    state = account.state
    anchor = state.first_open_at if rule.start == "first_trade" else state.created_at
    if anchor is None:
        return None
    return last_day(day_at(account, anchor), rule.days, rule.unit, account.rule_set.trading_week)


def idle_until(account: Account, rule: Inactivity) -> datetime | None:
    """Return the instant at which the account has been idle too long, None before its challenge began."""
    state = account.state
    since = state.idle_from if state.idle_from is not None else state.created_at
    return None if since is None else _days_later(since, rule.days, account.rule_set.reset.zone)


@lru_cache(maxsize=4096)
def _days_later(since: datetime, days: int, zone: str) -> datetime:
    """Return the same wall time so many calendar days later, in UTC."""
    local = since.astimezone(ZoneInfo(zone))
    return (local + timedelta(days=days)).replace(fold=0).astimezone(UTC)


def day_at(account: Account, at: datetime) -> date:
    """Return the trading day that an instant belongs to; what bears a later time than the running day is of today."""
    state = account.state
    if state.day is not None and state.day_started_at is not None and at >= state.day_started_at:
        return state.day
    return day_of(at, account.rule_set.reset)


def consistency_text(account: Account, rule: Consistency, found: Best) -> str:
    """Say how the best day stands to the total, numbers included."""
    digits, share = account.rule_set.digits, rule.best_day_share
    best, total = grouped(found.best, digits), grouped(found.total, digits)
    if found.total <= 0:
        return f"not evaluated while {_TOTALS[rule.of]} {total} is not above 0"
    relation = "above" if found.above(share) else "within"
    part, limit = 100 * found.best / found.total, 100 * share.numerator / share.denominator
    return f"the best day {best} is {part:.2f}% of {_TOTALS[rule.of]} {total}, {relation} the limit of {limit:g}%"


def days_text(days: int, unit: str) -> str:
    """Return "1 trading day" or "30 calendar days"."""
    return f"{days} {unit} day" + ("" if days == 1 else "s")


@lru_cache(maxsize=4096)
def clock_text(instant: datetime) -> str:
    """Return "2026-06-10T09:00:00Z"."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"


def _lacking(account: Account) -> Iterator[str]:
    if targets(account) and account.state.target_reached_at is None:
        yield "the profit target is not reached"
    for rule, memory in pairs(account):
        if isinstance(rule, MinTradingDays) and (days := days_counted(account, rule, memory)) < rule.days:
            yield f"{days} of {days_text(rule.days, 'trading')} counted"
        elif isinstance(rule, Consistency) and (found := best_day(account, rule)).above(rule.best_day_share):
            yield consistency_text(account, rule, found)


def passable(account: Account, now: datetime) -> tuple[bool, str]:
    """Say whether everything that a pass needs is there at `now`, and what is lacking or that nothing is."""
    state = account.flush()
    if state.breach is not None:
        return False, f"the challenge failed: {state.breach.reason}"
    if not any(isinstance(rule, ProfitTarget | MinTradingDays) for rule in account.rule_set.others):
        return False, "the rules ask for no target and no days, so that nothing can be passed"
    lacking = list(_lacking(account))
    return not lacking, "; ".join(lacking) or "everything that a pass needs is there"

"""Sums of days, held against days in a dictionary that is told of every single deal."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.engine.rules.progress import best_day, days_counted, pairs
from monitoring.engine.ruleset.model import Consistency, MinTradingDays
from tests.monitoring.engine.trade import desk_of, open_position, operate


class Naive:
    """Closed profit, summed where it is made."""

    def __init__(self) -> None:
        self.profits: dict[date, int] = {}
        self.opened: set[date] = set()

    def total(self, of: str) -> int:
        values = list(self.profits.values())
        if of == "positive":
            return sum(value for value in values if value > 0)
        return sum(map(abs, values)) if of == "absolute" else sum(values)

    def days(self, counts: str) -> int:
        least = Fraction(3, 1000) * 10000000
        found = self.opened
        if counts == "profit_day":
            found = {day for day, profit in self.profits.items() if profit >= least}
        if counts == "moved_day":
            found = {day for day, profit in self.profits.items() if abs(profit) >= least}
        return len([day for day in found if day.weekday() < 5])


moves = st.lists(
    st.tuples(
        st.sampled_from(("trade", "trade", "open", "deposit", "payout", "day", "days")), st.integers(-90000, 90000)
    ),
    max_size=40,
)


@given(moves, st.sampled_from(("net", "positive", "absolute")), st.sampled_from(("profit_day", "moved_day", "opened")))
@settings(deadline=None, max_examples=200)
def test_sums_of_days_are_what_was_made_on_them(sequence: list[tuple[str, int]], of: str, counts: str) -> None:
    consistency: dict[str, Any] = {"rule": "consistency", "best_day_share": "0.5", "of": of}
    days = {"rule": "min_trading_days", "days": 2, "counts": counts}
    desk = desk_of(consistency, days if counts == "opened" else days | {"threshold": "0.003"})
    naive, held = Naive(), 10000000
    desk.update(100000)
    for number, (kind, cents) in enumerate(sequence):
        if kind in {"deposit", "payout"}:
            operate(desk, kind, cents / 100)
            held += cents
        elif kind == "open":
            open_position(desk, f"p{number}")
            naive.opened.add(desk.now.date())
        elif kind == "trade":
            held += cents
            naive.profits[desk.now.date()] = naive.profits.get(desk.now.date(), 0) + cents
        else:
            desk.now += timedelta(days=1 if kind == "day" else 3)
        desk.update(held / 100, balance=held / 100, open_positions=len(desk.account.positions))
        rules = {type(rule): (rule, memory) for rule, memory in pairs(desk.account)}
        best, counting = rules[Consistency][0], rules[MinTradingDays]
        assert isinstance(best, Consistency)
        assert isinstance(counting[0], MinTradingDays)
        assert best_day(desk.account, best) == (max([0, *naive.profits.values()]), naive.total(of))
        assert days_counted(desk.account, counting[0], counting[1]) == naive.days(counts)

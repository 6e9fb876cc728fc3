"""What is known of one server's markets, in the shape in which the rules ask for it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

from monitoring.engine.market import Deadline, base_name, by_day, flat_by_deadline
from monitoring.engine.messages import Market, NewsEvent
from monitoring.engine.ruleset.model import FlatBy


class Almanac:
    """News by time, holidays by date, base names of symbols; made anew with each `Market` message."""

    __slots__ = ("_deadlines", "_holidays", "_instants", "_news", "market")

    def __init__(self, market: Market) -> None:
        self.market = market
        self._news = sorted(market.news, key=lambda event: event.at)
        self._instants = [event.at for event in self._news]
        self._holidays = by_day(market.holidays)
        self._deadlines: dict[tuple[object, ...], tuple[datetime, Deadline | None]] = {}

    @property
    def revision(self) -> str:
        """Name of this state of the calendar."""
        return self.market.revision

    def base_name(self, raw: str, known: frozenset[str]) -> str | None:
        """Return a symbol's base name, None for one that cannot be normalised; `known`: names of a rule's own lists."""
        return base_name(raw, self.market.symbols, known)

    def news_between(self, first: datetime, last: datetime) -> Sequence[NewsEvent]:
        """Return the announcements from `first` to `last`, ends included, in the order of time."""
        return self._news[bisect_left(self._instants, first) : bisect_right(self._instants, last)]

    def deadline(self, rule: FlatBy, week: frozenset[int], at: datetime) -> Deadline | None:
        """Return the deadline that runs at an instant, else the next one; worked out once for all accounts."""
        return self._found("", rule, week, at)

    def next_call(self, rule: FlatBy, week: frozenset[int], after: datetime) -> datetime | None:
        """Return the first warning or deadline after an instant."""
        deadline = self.deadline(rule, week, after)
        if deadline is not None and deadline.at <= after:
            deadline = self._found("following", rule, week, deadline.until)
        if deadline is None:
            return None
        warning = deadline.at - timedelta(minutes=rule.warn_minutes)
        return warning if warning > after else deadline.at

    def _found(self, use: str, rule: FlatBy, week: frozenset[int], at: datetime) -> Deadline | None:
        key = (use, rule.day, rule.time, rule.zone, week)
        known = self._deadlines.get(key)
        if known is not None:
            since, deadline = known
            if since <= at and (deadline is None or at < deadline.until):
                return deadline
        deadline = flat_by_deadline(rule.day, rule.time, rule.zone, week, self._holidays, at)
        self._deadlines[key] = (at, deadline)
        return deadline

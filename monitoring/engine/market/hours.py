"""Local time: weekly windows, weekly deadlines with holidays, the last day of a period."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from monitoring.engine.messages import Holiday

_DAY = timedelta(days=1)
_LONGEST_SHIFT = 366  # days; a market that is closed for longer has no deadline


class HasHours(Protocol):
    """A weekly window of local time: `ruleset.Window`."""

    @property
    def days(self) -> frozenset[int]: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


class Deadline(NamedTuple):
    """When an account must be flat (UTC), and the local midnight until which it must stay so."""

    at: datetime
    until: datetime
    day: date  # local date of the deadline, moved before holidays


def inside(windows: Iterable[HasHours], zone: str, instant: datetime) -> bool:
    """Whether an instant lies in one of the weekly windows by the local clock: start included, end not."""
    local = instant.astimezone(ZoneInfo(zone))
    second = local.hour * 3600 + local.minute * 60 + local.second
    today, yesterday = local.weekday(), (local.weekday() - 1) % 7
    for window in windows:
        overnight = window.end <= window.start
        if today in window.days and window.start <= second and (overnight or second < window.end):
            return True
        if overnight and yesterday in window.days and second < window.end:
            return True
    return False


def last_day(first: date, days: int, unit: str, week: frozenset[int]) -> date:
    """Return the `days`-th date from `first` on, itself counted; unit `trading` counts dates of the week only."""
    if unit == "calendar":
        return first + (days - 1) * _DAY
    weeks, rest = divmod(days - 1, len(week))
    day = first + weeks * 7 * _DAY
    while True:
        if day.weekday() in week:
            if rest == 0:
                return day
            rest -= 1
        day += _DAY


def by_day(holidays: Iterable[Holiday]) -> dict[date, Holiday]:
    """Return holidays by date, as `flat_by_deadline` wants them; of several on one date the longest closing holds."""
    found: dict[date, Holiday] = {}
    for holiday in holidays:
        known = found.get(holiday.day)
        if known is None or _closing(holiday) < _closing(known):
            found[holiday.day] = holiday
    return found


def _closing(holiday: Holiday) -> datetime:
    if holiday.closes is None:
        return datetime.min.replace(tzinfo=UTC)
    closes = time.fromisoformat(holiday.closes)
    return datetime.combine(holiday.day, closes, ZoneInfo(holiday.zone)).astimezone(UTC)


def flat_by_deadline(
    weekday: int, wall: time, zone: str, week: frozenset[int], holidays: Mapping[date, Holiday], after: datetime
) -> Deadline | None:
    """Return the weekly deadline that runs at an instant (at <= after < until), else the next one.

    A date without a market moves the deadline to the last day before that has one and lies in the trading week; where
    the market closes early (on that day too), the closing time is the deadline. None: no market for a year.
    """
    local = after.astimezone(ZoneInfo(zone)).date()
    nominal = local - 7 * _DAY
    nominal += ((weekday - nominal.weekday()) % 7) * _DAY
    for _ in range(_LONGEST_SHIFT // 7):
        found = _deadline(nominal, wall, zone, week, holidays)
        if found is not None and found.until > after:
            return found
        nominal += 7 * _DAY
    return None


def _deadline(
    nominal: date, wall: time, zone: str, week: frozenset[int], holidays: Mapping[date, Holiday]
) -> Deadline | None:
    day = nominal
    for _ in range(_LONGEST_SHIFT):
        holiday = holidays.get(day)
        if (holiday is None or holiday.closes is not None) and (day == nominal or day.weekday() in week):
            at = local_instant(day, wall, zone)
            if holiday is not None:
                at = min(at, _closing(holiday))
            return Deadline(at, local_instant(day + _DAY, time(), zone), day)
        day -= _DAY
    return None


def local_instant(day: date, wall: time, zone: str) -> datetime:
    """Return a local wall time of a date in UTC; one that exists twice or not at all is read with fold=0."""
    return datetime.combine(day, wall, ZoneInfo(zone)).astimezone(UTC)

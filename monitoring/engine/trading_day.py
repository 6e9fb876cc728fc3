"""Trading days: each starts at a local wall time, turned into UTC for that date alone, never by adding 24 hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Reset:
    """When a trading day starts: local `time` in the IANA `zone`."""

    time: time
    zone: str


@lru_cache(maxsize=4096)
def day_start(day: date, reset: Reset) -> datetime:
    """Return r(day) in UTC; a local time that exists twice or not at all is read with fold=0."""
    return datetime.combine(day, reset.time, ZoneInfo(reset.zone)).astimezone(UTC)


def day_of(instant: datetime, reset: Reset) -> date:
    """Return the trading day that an aware instant belongs to: r(day) <= instant < r(day + 1)."""
    day = instant.astimezone(ZoneInfo(reset.zone)).date()
    if instant < day_start(day, reset):
        return day - _DAY
    return day + _DAY if instant >= day_start(day + _DAY, reset) else day


def next_reset(after: datetime, reset: Reset) -> datetime:
    """Return the first reset strictly later than `after`, in UTC."""
    day = day_of(after, reset) + _DAY
    while (start := day_start(day, reset)) <= after:
        day += _DAY
    return start

"""Time zones as rule sets name them: which exist, which are fixed offsets, which wall times a season's change skips."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

TODAY = date(2026, 1, 1)  # where the caller gives none: seasons change by the same law each year
_NO_PLACES = frozenset({"Factory", "localtime", "posixrules"})  # what they mean depends on the machine
_HINTS = {
    "EST": "America/New_York", "MST": "America/Denver", "HST": "Pacific/Honolulu", "GMT": "Europe/London",
    "GMT0": "Europe/London", "GMT+0": "Europe/London", "GMT-0": "Europe/London", "Greenwich": "Europe/London",
}  # fmt: skip
_YEARS = 2
_DAY = timedelta(days=1)


class Change(NamedTuple):
    """Clocks are set at an instant: from local `before` to local `after` (naive)."""

    before: datetime
    after: datetime


class Oddity(NamedTuple):
    """A local time that a date does not have, or has twice; `read` is the instant that it is read as (UTC)."""

    day: date
    change: Change
    read: datetime


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(available_timezones()) - _NO_PLACES


def exists(name: str) -> bool:
    """Whether an IANA zone has this name."""
    return name in _names()


def suggestion(name: str) -> str:
    """Return "did you mean Europe/Prague?" for a name that is nearly one; empty otherwise."""
    if len(name) > 60:
        return ""
    lower = {known.casefold(): known for known in _names()}
    city = name.strip().replace(" ", "_").casefold()
    if places := [known for known in sorted(_names()) if known.casefold().endswith(f"/{city}")]:
        return f"did you mean {places[0]}?"
    near = get_close_matches(city, lower, 1, 0.75)
    return f"did you mean {lower[near[0]]}?" if near else ""


def fixed_offset(name: str) -> str:
    """Say what is wrong with a zone that no place follows through the year; empty for all others."""
    if name in _HINTS:
        return f"{name} is a fixed offset and does not follow daylight saving time; a city's zone ({_HINTS[name]}) does"
    if not name.startswith("Etc/GMT"):
        return ""
    offset = ZoneInfo(name).utcoffset(datetime(2026, 1, 1)) or timedelta()
    hours = int(offset.total_seconds()) // 3600
    return (
        f"{name} is a fixed offset, UTC{hours:+d} (the sign in its name is turned round), and does not follow "
        "daylight saving time; right only if the firm's clocks never change, else write a city's zone"
    )


@lru_cache(maxsize=256)
def changes(name: str, today: date) -> tuple[Change, ...]:
    """Return every change of clocks in a zone from two years before a date to two years after it."""
    zone = ZoneInfo(name)
    found = []
    at = datetime(today.year - _YEARS, 1, 1, tzinfo=UTC)
    end = datetime(today.year + _YEARS + 1, 1, 1, tzinfo=UTC)
    while at < end:
        later = at + _DAY
        old, new = at.astimezone(zone).utcoffset(), later.astimezone(zone).utcoffset()
        if old is not None and new is not None and old != new:
            instant = _instant(at, later, zone)
            found.append(Change(instant + old, instant + new))
        at = later
    return tuple(found)


def _instant(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The instant (naive UTC) at which the offset changes between two others, to the second."""
    old = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == old else (low, middle)
    return high.replace(tzinfo=None)


def skipped(wall: time, name: str, today: date, weekdays: frozenset[int]) -> Oddity | None:
    """Return the date on which a zone has no such wall time: the next one, else the last before `today`."""
    return _nearest(
        [change for change in changes(name, today) if change.after > change.before], wall, name, today, weekdays
    )


def doubled(wall: time, name: str, today: date, weekdays: frozenset[int]) -> Oddity | None:
    """Return the date on which a zone has such a wall time twice: the next one, else the last before `today`."""
    back = [Change(change.after, change.before) for change in changes(name, today) if change.after < change.before]
    return _nearest(back, wall, name, today, weekdays)


def _nearest(found: list[Change], wall: time, name: str, today: date, weekdays: frozenset[int]) -> Oddity | None:
    """The first date at or after `today`, else the newest before it, on which the wall time lies within a change."""
    zone = ZoneInfo(name)
    first, last = date(today.year - _YEARS, today.month, 1), date(today.year + _YEARS, today.month, 28)
    odd = []
    for change in found:
        for day in {change.before.date(), change.after.date()}:
            local = datetime.combine(day, wall)
            if change.before <= local < change.after and day.weekday() in weekdays and first <= day <= last:
                odd.append(Oddity(day, change, local.replace(tzinfo=zone).astimezone(UTC)))
    coming = [one for one in odd if one.day >= today]
    return min(coming, key=lambda one: one.day) if coming else max(odd, key=lambda one: one.day, default=None)

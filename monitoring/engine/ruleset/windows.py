"""Weekly windows of local time: read, and looked through for what cannot be meant."""

from __future__ import annotations

from datetime import time
from itertools import combinations

from monitoring.engine.ruleset.model import Window
from monitoring.engine.ruleset.reader import MISSING, Reader, shown
from monitoring.engine.ruleset.seasons import warn_of_edge
from monitoring.engine.trading_day import WEEKDAYS

DAY = 86_400
WEEK = 7 * DAY
_MOST_WINDOWS = 100


def read_windows(reader: Reader, zone: str) -> tuple[Window, ...]:
    """Read a rule's windows; empty ones are errors, overlaps are warned of."""
    value = reader.get("windows")
    if value is MISSING:
        return ()
    if not isinstance(value, list):
        reader.error("windows", f"must be a list, is {shown(value)}")
        return ()
    if not value or len(value) > _MOST_WINDOWS:
        reader.error("windows", f"must have from 1 to {_MOST_WINDOWS} windows, has {len(value)}")
        return ()
    windows = tuple(_window(reader, number, entry, zone) for number, entry in enumerate(value))
    for (one, first), (other, second) in combinations(enumerate(windows), 2):
        if common := overlap(first, second):
            reader.warn(
                f"windows[{other}]",
                f"overlaps windows[{one}]: both hold from {_moment(common[0])} to {_moment(common[1])}",
            )
    return windows


def spans(window: Window) -> list[tuple[int, int]]:
    """Return the stretches of a window in seconds since Monday's midnight, cut at the week's end."""
    found = []
    for day in sorted(window.days):
        length = window.end - window.start + (DAY if window.end <= window.start else 0)
        start = day * DAY + window.start
        found.append((start, min(start + length, WEEK)))
        if start + length > WEEK:
            found.append((0, start + length - WEEK))
    return found


def overlap(one: Window, other: Window) -> tuple[int, int] | None:
    """Return the first stretch that two windows share, None if they share none; one that only touches shares none."""
    for start, end in spans(one):
        for begin, finish in spans(other):
            if max(start, begin) < min(end, finish):
                return max(start, begin), min(end, finish)
    return None


def _window(reader: Reader, number: int, value: object, zone: str) -> Window:
    window = reader.inner(f"windows[{number}]", value)
    window.only({"days", "from", "to"})
    days = _days(window)
    opens = window.wall_time("from") or time()
    closes = window.wall_time("to", day_end=True)
    start, end = _seconds(opens), DAY if closes is None else _seconds(closes)
    if start == end and {"from", "to"} <= set(window.values):
        window.error("to", 'is the same as from: the window is empty; the whole day is "00:00" to "24:00"')
    warn_of_edge(window, "from", opens, zone, days, opens=True)
    if closes is not None:
        closing = frozenset((day + 1) % 7 for day in days) if end < start else days
        warn_of_edge(window, "to", closes, zone, closing, opens=False)
    return Window(days=days, start=start, end=end)


def _days(window: Reader) -> frozenset[int]:
    value = window.get("days")
    if value is MISSING:
        return frozenset()
    if not isinstance(value, list) or any(day not in WEEKDAYS for day in value):
        window.error("days", f"must be a list of {', '.join(WEEKDAYS)}, is {shown(value)}")
        return frozenset()
    if not value:
        window.error("days", "is empty: the window never holds; name at least one day")
    if len(set(value)) < len(value):
        window.warn("days", f"a day is named twice: {', '.join(value)}")
    return frozenset(WEEKDAYS.index(day) for day in value)


def _seconds(wall: time) -> int:
    return wall.hour * 3600 + wall.minute * 60 + wall.second


def _moment(second: int) -> str:
    day, rest = divmod(second, DAY)
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}"
    if rest == 0 and day:  # better known as the end of the day before
        day, clock = day - 1, "24:00"
    return f"{WEEKDAYS[day]} {clock}"

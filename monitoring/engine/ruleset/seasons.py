"""Warnings of wall times that a change of clocks skips or repeats."""

from __future__ import annotations

from datetime import UTC, time
from zoneinfo import ZoneInfo

from monitoring.engine.ruleset import zones
from monitoring.engine.ruleset.reader import Reader

EVERY_DAY = frozenset(range(7))


def warn_of_wall_time(reader: Reader, key: str, wall: time, zone: str, weekdays: frozenset[int] = EVERY_DAY) -> None:
    """Warn of an instant that a date does not have, or has twice, and say how it is read then (fold=0)."""
    if odd := zones.skipped(wall, zone, reader.problems.today, weekdays):
        reader.warn(
            key,
            f"{_text(wall)} does not exist on {odd.day} in {zone}: {_jump(odd)}; it is read as "
            f"{odd.read.astimezone(ZoneInfo(zone)):%H:%M} that day ({odd.read:%Y-%m-%d %H:%M} UTC)",
        )
    if odd := zones.doubled(wall, zone, reader.problems.today, weekdays):
        reader.warn(
            key,
            f"{_text(wall)} exists twice on {odd.day} in {zone}; the first of the two counts "
            f"({odd.read.astimezone(UTC):%Y-%m-%d %H:%M} UTC)",
        )


def warn_of_edge(reader: Reader, key: str, wall: time, zone: str, weekdays: frozenset[int], *, opens: bool) -> None:
    """Warn of a window's edge that a date does not have: the window opens or closes when the clocks are set."""
    if odd := zones.skipped(wall, zone, reader.problems.today, weekdays):
        reader.warn(
            key,
            f"{_text(wall)} does not exist on {odd.day} in {zone}: {_jump(odd)}; the window "
            f"{'opens' if opens else 'closes'} at {odd.change.after:%H:%M} that day",
        )


def _jump(odd: zones.Oddity) -> str:
    return f"clocks go from {odd.change.before:%H:%M} to {odd.change.after:%H:%M}"


def _text(wall: time) -> str:
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"

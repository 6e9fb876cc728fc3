"""Wall times that a change of clocks skips or repeats, against a search through every day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitoring.engine.ruleset import zones

ZONES = [
    "UTC", "Europe/Prague", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe", "America/Santiago",
    "Asia/Beirut", "Africa/Casablanca", "Asia/Tokyo", "Atlantic/Azores",
]  # fmt: skip
EVERY_DAY = frozenset(range(7))


def is_skipped(local: datetime, zone: ZoneInfo) -> bool:
    """The local time does not come back from UTC as it went."""
    return local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local


def is_doubled(local: datetime, zone: ZoneInfo) -> bool:
    first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    return first != second and not is_skipped(local, zone)


@given(
    st.sampled_from(ZONES),
    st.times().map(lambda wall: wall.replace(second=0, microsecond=0, fold=0)),
    st.dates(date(2024, 1, 1), date(2032, 1, 1)),
    st.sampled_from([EVERY_DAY, frozenset({4}), frozenset({6})]),
)
@example("Africa/Cairo", time(0, 30), date(2026, 11, 20), frozenset({4}))
@example("Australia/Lord_Howe", time(2, 15), date(2026, 11, 20), EVERY_DAY)
def test_the_date_is_the_next_that_a_search_finds(name: str, wall: time, today: date, weekdays: frozenset[int]) -> None:
    zone = ZoneInfo(name)
    ahead = [today + timedelta(days=days) for days in range(365 * 2 + 1)]
    for found, is_odd in (
        (zones.skipped(wall, name, today, weekdays), is_skipped),
        (zones.doubled(wall, name, today, weekdays), is_doubled),
    ):
        days = (day for day in ahead if day.weekday() in weekdays and is_odd(datetime.combine(day, wall), zone))
        first = next(days, None)
        if first is not None:
            assert found is not None
            assert found.day == first
            assert found.read == datetime.combine(first, wall, zone).astimezone(UTC)
        elif found is not None:  # in the years before, or at the very edge of those ahead
            assert found.day < today or found.day > ahead[-1]
            assert is_odd(datetime.combine(found.day, wall), zone)


@pytest.mark.parametrize(
    ("name", "known"),
    [("Europe/Prague", True), ("UTC", True), ("Etc/GMT-3", True), ("europe/prague", False), ("localtime", False),
     ("Factory", False), ("../etc/passwd", False), ("", False), ("Europe", False), ("posix/UTC", False)],
)  # fmt: skip
def test_only_zones_that_mean_the_same_everywhere_exist(name: str, known: bool) -> None:
    assert zones.exists(name) is known


@given(st.text(max_size=70))
def test_any_name_may_be_asked_for(name: str) -> None:
    assert not zones.exists(name) or zones.suggestion(name)
    assert isinstance(zones.suggestion(name), str)

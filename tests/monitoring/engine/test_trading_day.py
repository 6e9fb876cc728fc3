"""Trading days follow local wall time, through every change of the clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.engine.trading_day import Reset, day_of, day_start, next_reset

PRAGUE = Reset(time(0, 0), "Europe/Prague")
NEW_YORK = Reset(time(17, 0), "America/New_York")


def hours(day: date, reset: Reset) -> float:
    return (day_start(day + timedelta(days=1), reset) - day_start(day, reset)).total_seconds() / 3600


def test_the_days_of_a_clock_change_have_23_and_25_hours() -> None:
    assert hours(date(2026, 3, 29), PRAGUE) == 23
    assert hours(date(2026, 10, 25), PRAGUE) == 25
    assert hours(date(2026, 6, 10), PRAGUE) == 24


def test_a_new_york_close_is_at_21_utc_in_summer_and_22_in_winter() -> None:
    assert day_start(date(2026, 6, 10), NEW_YORK) == datetime(2026, 6, 10, 21, tzinfo=UTC)
    assert day_start(date(2026, 12, 10), NEW_YORK) == datetime(2026, 12, 10, 22, tzinfo=UTC)


def test_a_local_time_that_does_not_exist_or_exists_twice_is_read_with_fold_0() -> None:
    half_past_two = Reset(time(2, 30), "Europe/Prague")
    assert day_start(date(2026, 3, 29), half_past_two) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert day_start(date(2026, 10, 25), half_past_two) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


zones = ["Europe/Prague", "America/New_York", "Pacific/Apia", "Asia/Kathmandu", "UTC", "Australia/Lord_Howe", "EST"]


@given(
    st.datetimes(datetime(2005, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
    st.builds(Reset, st.times(), st.sampled_from(zones)),
)
def test_every_instant_lies_in_its_own_day(instant: datetime, reset: Reset) -> None:
    day = day_of(instant, reset)
    following = next_reset(instant, reset)
    assert day_start(day, reset) <= instant < following
    assert following == day_start(day_of(following, reset), reset)
    assert timedelta(0) < following - instant <= timedelta(hours=50)


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_the_reset_itself_belongs_to_the_new_day(offset: int) -> None:
    instant = datetime(2026, 6, 9, 22, tzinfo=UTC) + timedelta(microseconds=offset)
    assert day_of(instant, PRAGUE) == date(2026, 6, 9 if offset < 0 else 10)

"""Lots, names, announcements, local hours and deadlines."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.engine.market import (
    affects,
    base_name,
    by_day,
    flat_by_deadline,
    inside,
    last_day,
    lot_units,
    lots_text,
)
from monitoring.engine.messages import Holiday, NewsEvent
from monitoring.engine.ruleset.model import Window

WEEKDAYS = frozenset(range(5))
FRIDAY = 4


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# lots


@pytest.mark.parametrize(
    ("volume", "units"),
    [(0.1, 10_000_000), (0.07, 7_000_000), (10.0, 1_000_000_000), (0.1 + 0.2, 30_000_000), (0.00000001, 1), (0.0, 0)],
)
def test_lots_are_exact_in_hundred_millionths(volume: float, units: int) -> None:
    assert lot_units(volume) == units


@given(st.decimals(0, 10**6, places=8))
def test_a_volume_and_its_text_are_the_same_lots(lots: Decimal) -> None:
    assert lot_units(float(lots)) == lot_units(lots) == int(lots * 10**8)


@pytest.mark.parametrize("volume", [float("nan"), float("inf")])
def test_no_volume_is_no_number(volume: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        lot_units(volume)


def test_lots_are_shown_with_the_decimals_that_they_need() -> None:
    assert [lots_text(units) for units in (10**9, 12_345_678, 123_456_000_000)] == ["10.00", "0.12345678", "1,234.56"]


# names


@pytest.mark.parametrize(
    ("raw", "base"),
    [
        ("EURUSD", "EURUSD"), ("eurusd", "EURUSD"), ("EURUSDm", "EURUSD"), ("EURUSD.r", "EURUSD"),
        ("EURUSDpro", "EURUSD"), ("#EURUSD", "EURUSD"), ("EURUSD-ECN", "EURUSD"), ("EURUSD+", "EURUSD"),
        ("EURUSD!", "EURUSD"), ("_EURUSD_x", "EURUSD"), ("EURUSDc", "EURUSD"), ("XAUUSD.ecn", "XAUUSD"),
        ("XAUUSDm", "XAUUSD"), ("US30.cash", "US30"), ("GER40m", "GER40"), ("NAS100", "NAS100"),
        ("SPX500_z26", "SPX500"), ("BTCUSD", "BTCUSD"), ("DOGEUSD", "DOGEUSD"), ("BTCUSDT", "BTCUSDT"),
        ("USOIL.x", "USOIL"), ("AAPL", None), ("EUREUR", None), ("", None), (".", None), ("..EURUSD", None),
        ("FROBNICATE", None), ("eurusdx.raw", None), ("1", None),
    ],
)  # fmt: skip
def test_a_server_s_name_becomes_a_base_name(raw: str, base: str | None) -> None:
    assert base_name(raw, {}) == base


def test_the_server_s_table_comes_first_and_names_of_the_rule_count() -> None:
    assert base_name("EURUSD.r", {"EURUSD.r": "GBPUSD"}) == "GBPUSD"
    assert base_name("AAPL.nas", {}, frozenset({"AAPL"})) == "AAPL"
    assert base_name("aaplm", {}, frozenset({"AAPL"})) is None  # all of it is lower case: nothing would be left


@given(st.text(max_size=12), st.frozensets(st.text(max_size=6), max_size=3))
def test_any_name_is_normalised_or_not_and_a_base_name_is_its_own(raw: str, known: frozenset[str]) -> None:
    base = base_name(raw, {}, known)
    assert base is None or base_name(base, {}, frozenset({base})) == base


# announcements


def news(currency: str = "USD", *symbols: str) -> NewsEvent:
    return NewsEvent(id="n", at=at("2026-06-05T12:30"), currency=currency, impact="high", symbols=symbols)


@pytest.mark.parametrize(
    ("event", "base", "scope", "affected"),
    [
        (news("USD"), "USDJPY", "currency", True),
        (news("USD"), "EURGBP", "currency", False),
        (news("USD"), "US30", "currency", True),
        (news("EUR"), "GER40", "currency", True),
        (news("EUR"), "ES35", "currency", True),
        (news("USD"), "GER40", "currency", False),
        (news("USD"), "XAUUSD", "currency", True),
        (news("AUD"), "XAUDKK", "currency", False),  # the letters AUD are in it, the currency is not
        (news("USD"), "BTCUSDT", "currency", True),
        (news("USD", "EURGBP"), "EURGBP", "currency", True),
        (news("USD"), "USDJPY", "listed", False),
        (news("USD", "USDJPY"), "USDJPY", "listed", True),
        (news("USD"), "EURGBP", "all", True),
        (news("USD"), None, "currency", False),
        (news("USD", "EURGBP"), None, "listed", False),
        (news("USD"), None, "all", True),
    ],
)
def test_an_announcement_affects_by_scope(event: NewsEvent, base: str | None, scope: str, affected: bool) -> None:
    assert affects(event, base, scope) is affected


# windows


def window(days: set[int], start: int, end: int) -> Window:
    return Window(days=frozenset(days), start=start * 3600, end=end * 3600)


@pytest.mark.parametrize(
    ("instant", "is_inside"),
    [
        ("2026-06-10T07:59:59.999", False), ("2026-06-10T08:00", True), ("2026-06-10T21:59:59.999", True),
        ("2026-06-10T22:00", False), ("2026-06-13T12:00", False),
    ],
)  # fmt: skip
def test_a_window_includes_its_start_and_not_its_end(instant: str, is_inside: bool) -> None:
    assert inside([window({0, 1, 2, 3, 4}, 8, 22)], "UTC", at(instant)) is is_inside


@pytest.mark.parametrize(
    ("instant", "is_inside"),
    [
        ("2026-06-14T21:59", False), ("2026-06-14T22:00", True), ("2026-06-14T23:59:59", True),
        ("2026-06-15T05:59:59", True), ("2026-06-15T06:00", False), ("2026-06-15T22:30", False),
        ("2026-06-14T05:00", False),
    ],
)  # fmt: skip
def test_a_window_over_midnight_belongs_to_the_day_it_starts_on(instant: str, is_inside: bool) -> None:
    assert inside([window({6}, 22, 6)], "UTC", at(instant)) is is_inside  # Sunday night, over the week's end


def test_windows_are_local() -> None:
    morning = [window({4}, 8, 9)]
    assert inside(morning, "America/New_York", at("2026-03-06T13:30"))  # EST
    assert inside(morning, "America/New_York", at("2026-03-13T12:30"))  # EDT
    assert not inside(morning, "America/New_York", at("2026-03-13T13:30"))
    assert inside([window({4}, 0, 24)], "UTC", at("2026-06-12T23:59:59"))
    assert not inside([window({4}, 0, 24)], "UTC", at("2026-06-13T00:00"))


# the last day


@pytest.mark.parametrize(
    ("first", "days", "unit", "last"),
    [
        ("2026-06-10", 1, "calendar", "2026-06-10"), ("2026-06-10", 30, "calendar", "2026-07-09"),
        ("2026-06-10", 1, "trading", "2026-06-10"), ("2026-06-10", 3, "trading", "2026-06-12"),
        ("2026-06-10", 4, "trading", "2026-06-15"), ("2026-06-13", 1, "trading", "2026-06-15"),
        ("2026-06-14", 6, "trading", "2026-06-22"), ("2026-06-10", 36_525, "trading", "2166-06-10"),
    ],
)  # fmt: skip
def test_the_last_day_counts_the_first(first: str, days: int, unit: str, last: str) -> None:
    assert last_day(date.fromisoformat(first), days, unit, WEEKDAYS).isoformat() == last


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(1, 400), st.frozensets(st.integers(0, 6), min_size=1))
def test_the_last_trading_day_is_found_by_counting(first: date, days: int, week: frozenset[int]) -> None:
    day, left = first, days - (first.weekday() in week)
    while left:
        day += timedelta(days=1)
        left -= day.weekday() in week
    assert last_day(first, days, "trading", week) == day or (days == 1 and first.weekday() not in week)


# deadlines


def deadline(after: str, *holidays: Holiday, wall: str = "21:55", zone: str = "UTC", week: frozenset[int] = WEEKDAYS):  # type: ignore[no-untyped-def]
    return flat_by_deadline(FRIDAY, time.fromisoformat(wall), zone, week, by_day(holidays), at(after))


def closed(day: str, closes: str | None = None, zone: str = "UTC") -> Holiday:
    return Holiday(day=date.fromisoformat(day), closes=closes, zone=zone)


def test_the_deadline_is_each_week_until_the_midnight_after() -> None:
    found = deadline("2026-06-10T09:00")
    assert (found.at, found.until) == (at("2026-06-12T21:55"), at("2026-06-13T00:00"))
    assert deadline("2026-06-12T23:59:59").at == at("2026-06-12T21:55")
    assert deadline("2026-06-13T00:00").at == at("2026-06-19T21:55")


def test_before_a_holiday_the_last_open_day_counts() -> None:
    assert deadline("2026-12-21T00:00", closed("2026-12-25")).at == at("2026-12-24T21:55")
    two = (closed("2026-12-25"), closed("2026-12-24"))
    assert deadline("2026-12-21T00:00", *two).at == at("2026-12-23T21:55")
    whole_week = [closed(f"2026-12-{day}") for day in range(21, 26)]
    found = deadline("2026-12-14T00:00", *whole_week)
    assert found.at == at("2026-12-18T21:55")  # the week's own; the next week's is moved onto it
    assert deadline("2026-12-19T00:00", *whole_week).at == at("2027-01-01T21:55")


def test_an_early_close_is_the_deadline_on_a_moved_day_too() -> None:
    assert deadline("2026-11-23T00:00", closed("2026-11-27", "18:00")).at == at("2026-11-27T18:00")
    assert deadline("2026-11-23T00:00", closed("2026-11-27", "22:30")).at == at("2026-11-27T21:55")
    both = (closed("2026-12-25"), closed("2026-12-24", "13:00", "America/New_York"))
    assert deadline("2026-12-21T00:00", *both).at == at("2026-12-24T18:00")
    assert deadline("2026-12-21T00:00", *both, closed("2026-12-25", "12:00")).at == at(
        "2026-12-24T18:00"
    )  # the longest


def test_the_deadline_follows_the_seasons_of_its_zone() -> None:
    assert deadline("2026-03-02T00:00", wall="16:00", zone="America/New_York").at == at("2026-03-06T21:00")
    assert deadline("2026-03-09T00:00", wall="16:00", zone="America/New_York").at == at("2026-03-13T20:00")
    found = deadline("2026-04-23T00:00", wall="00:30", zone="Africa/Cairo")  # 00:30 does not exist that day
    assert found.at == at("2026-04-23T22:30")  # fold=0: 01:30 by the new time


def test_a_market_that_never_opens_has_no_deadline() -> None:
    days = (date(2025, 1, 1) + timedelta(days=number) for number in range(1200))
    assert (
        flat_by_deadline(FRIDAY, time(21), "UTC", WEEKDAYS, by_day(Holiday(day=day) for day in days), at("2026-06-10"))
        is None
    )


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),
    st.integers(0, 6),
    st.times(),
    st.sampled_from(["UTC", "Europe/Prague", "America/New_York", "Asia/Tokyo", "Africa/Cairo"]),
    st.frozensets(st.dates(date(2025, 12, 20), date(2027, 1, 10)), max_size=40),
)
def test_the_deadline_is_the_first_that_is_not_over(
    moment: datetime, weekday: int, wall: time, zone: str, shut: frozenset[date]
) -> None:
    wall, after = wall.replace(microsecond=0, second=0, fold=0), moment.replace(tzinfo=UTC)
    holidays = by_day(Holiday(day=day) for day in shut)
    found = flat_by_deadline(weekday, wall, zone, WEEKDAYS, holidays, after)
    assert found is not None
    assert found.until > after
    assert found.day not in shut
    assert found.at.astimezone(ZoneInfo(zone)).date() == found.day
    later = flat_by_deadline(weekday, wall, zone, WEEKDAYS, holidays, found.until)
    assert later is not None
    assert later.at >= found.until - timedelta(hours=1)

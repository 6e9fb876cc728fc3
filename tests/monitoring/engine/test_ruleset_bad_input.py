"""What cannot be meant is an error at its field, what is odd a warning at its field, both in plain words."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from monitoring.engine.ruleset import RuleSetError, load_document, parse_rule_set, warnings_by_path
from tests.monitoring.engine.conftest import DAILY, STATIC, document

WINDOW = {"days": ["mon"], "from": "08:00", "to": "22:00"}
TARGET = {"rule": "profit_target", "amount": {"percent": "10", "of": "initial"}}
SOFT = {"rule": "soft_breaches", "allowed": 3}
NEWS = {"rule": "news_window", "before_minutes": 2, "after_minutes": 2}
FLAT = {"rule": "flat_by", "day": "fri", "time": "21:55", "zone": "UTC"}
MIN_DAYS = {"rule": "min_trading_days", "days": 4, "counts": "profit_day", "threshold": "0.005"}
CONSISTENT = {"rule": "consistency", "best_day_share": "0.5", "of": "net"}
LIMIT = {"rule": "time_limit", "days": 30, "from": "created", "unit": "calendar"}
LOTS = {"rule": "max_lots_per_position", "lots": "10"}


def hours(*windows: Any, zone: str = "UTC", **more: Any) -> dict[str, Any]:
    return document({"rule": "trading_hours", "zone": zone, "windows": list(windows), **more})


def reset(wall: str, zone: str) -> dict[str, Any]:
    return document(reset={"time": wall, "zone": zone})


ERRORS = [
    (document(DAILY | {"amount": {"percent": "500", "of": "initial"}}), "rules[0].amount.percent", "most 100, is 500"),
    (document(TARGET | {"amount": {"percent": "5000", "of": "initial"}}), "rules[0].amount.percent", "at most 1000"),
    (document(TARGET | {"amount": {"percent": "10", "of": "reference"}}), "rules[0].amount.of", "initial"),
    (document(TARGET | {"amount": "10"}), "rules[0].amount", "must be an object, is '10'"),
    (document(TARGET | {"consequence": "fail"}), "rules[0].consequence", "unknown key 'consequence'"),
    (document(TARGET, TARGET | {"requires_flat": True}), "rules[1]", "rules[0] is one already"),
    (document(LOTS, SOFT, SOFT | {"allowed": 5}), "rules[2]", "a second soft breach counter"),
    (document(SOFT | {"consequence": "flag"}, LOTS), "rules[0].consequence", "must be one of fail, pause"),
    (document(SOFT | {"window_days": 0}, LOTS), "rules[0].window_days", "at least 1"),
    (document(SOFT | {"allowed": 1001}, LOTS), "rules[0].allowed", "at least 0 and at most 1000, is 1001"),
    (document(LOTS | {"lots": "-1"}), "rules[0].lots", "must be above zero, is -1"),
    (document(LOTS | {"lots": "0"}), "rules[0].lots", "must be above zero"),
    (document(LOTS | {"lots": "0.000000001"}), "rules[0].lots", "at most 8 decimals"),
    (document(LOTS | {"lots": "10000000"}), "rules[0].lots", "at most 1,000,000 lots"),
    (document(LOTS | {"lots": 10}), "rules[0].lots", "decimal written as a string, is 10"),
    (document(LOTS | {"lots": "1_0"}), "rules[0].lots", "decimal number"),
    (document(LOTS | {"consequence": "shout"}), "rules[0].consequence", "fail, pause, close, flag, delay"),
    (document({"rule": "max_positions", "positions": 0}), "rules[0].positions", "at least 1"),
    (document({"rule": "max_positions", "positions": True}), "rules[0].positions", "whole number"),
    (document({"rule": "max_positions", "positions": 2.5}), "rules[0].positions", "is 2.5"),
    (document(MIN_DAYS | {"threshold": None}), "rules[0].threshold", 'profit_day needs a threshold'),
    (document(MIN_DAYS | {"threshold": "5"}), "rules[0].threshold", 'for 5% write "0.05"'),
    (document(MIN_DAYS | {"threshold": "0"}), "rules[0].threshold", "above 0"),
    (document(CONSISTENT | {"best_day_share": "50"}), "rules[0].best_day_share", 'for 50% write "0.5"'),
    (document(CONSISTENT | {"of": "gross"}), "rules[0].of", "net, positive, absolute"),
    (document({"rule": "time_limit", "days": 10**6, "from": "created", "unit": "calendar"}), "rules[0].days", "36525"),
    (document({"rule": "inactivity", "days": 0}), "rules[0].days", "at least 1"),
    (document({"rule": "symbols"}), "rules[0]", "allow and deny are both empty"),
    (document({"rule": "symbols", "allow": [], "deny": []}), "rules[0]", "both empty"),
    (document({"rule": "symbols", "allow": ["EUR USD"]}), "rules[0].allow[0]", "without blanks, is 'EUR USD'"),
    (document({"rule": "symbols", "allow": [""]}), "rules[0].allow[0]", "1 to 32 characters"),
    (document({"rule": "symbols", "deny": "BTCUSD"}), "rules[0].deny", "list of words"),
    (hours(WINDOW, zone="Europe/Atlantis"), "rules[0].zone", "unknown time zone 'Europe/Atlantis'"),
    (hours(WINDOW | {"to": "08:00"}), "rules[0].windows[0].to", "the window is empty"),
    (hours(WINDOW | {"days": []}), "rules[0].windows[0].days", "never holds"),
    (hours(WINDOW | {"from": "24:00"}), "rules[0].windows[0].from", "wall time"),
    (hours(), "rules[0].windows", "from 1 to 100"),
    (hours(WINDOW, outside="fail"), "rules[0].outside", "must be one of flag, close, is 'fail'"),
    (hours(WINDOW, consequence="flag"), "rules[0].consequence", "unknown key"),
    (document(FLAT | {"day": "friday"}), "rules[0].day", "is 'friday'"),
    (document(FLAT | {"time": "9:00"}), "rules[0].time", "wall time"),
    (document(FLAT | {"time": "٠٩:٠٠"}), "rules[0].time", "wall time"),
    (document(FLAT | {"warn_minutes": -5}), "rules[0].warn_minutes", "at least 0"),
    (document(NEWS | {"scope": "world"}), "rules[0].scope", "currency, listed, all"),
    (document(NEWS | {"impact": ["huge"]}), "rules[0].impact[0]", "high, medium, low"),
    (document(NEWS | {"impact": []}), "rules[0].impact", "no announcement would count"),
    (document(NEWS | {"before_minutes": -1}), "rules[0].before_minutes", "at least 0"),
    (document(NEWS | {"exempt_if_opened_before_hours": "5"}), "rules[0].exempt_if_opened_before_hours", "whole number"),
    (document({"rule": "stop_loss_required", "within_seconds": 0}), "rules[0].within_seconds", "at least 1"),
    (document(warn_at=["80"]), "warn_at", 'for 80% write "0.8"'),
    (document(warn_at=[0.8]), "warn_at[0]", "written as a string, is 0.8"),
    (document(clear_below="0"), "clear_below", "above zero"),
    (document(initial_balance="1000000000000"), "initial_balance", "must be below"),
    (document(rules=[DAILY] * 101), "rules", "at most 100"),
    (reset("00:00", "New York"), "reset.zone", "did you mean America/New_York?"),
    (reset("00:00", "europe/prague"), "reset.zone", "did you mean Europe/Prague?"),
    (reset("00:00", "localtime"), "reset.zone", "unknown time zone"),
    (reset("24:00", "UTC"), "reset.time", "wall time"),
    (document(**{"a\nb": 1}), r"a\nb", "unknown key"),
]  # fmt: skip
WARNINGS = [
    (reset("17:00", "EST"), "reset.zone", "a city's zone (America/New_York)"),
    (reset("00:00", "Etc/GMT-3"), "reset.zone", "UTC+3"),
    (reset("00:00", "GMT"), "reset.zone", "Europe/London"),
    (document(FLAT | {"zone": "MST"}), "rules[0].zone", "fixed offset"),
    (reset("02:30", "Europe/Prague"), "reset.time", "does not exist on 2027-03-28 in Europe/Prague"),
    (reset("02:30", "America/New_York"), "reset.time", "is read as 03:30 that day (2027-03-14 07:30 UTC)"),
    (reset("01:30", "America/New_York"), "reset.time", "exists twice on 2027-11-07"),
    (document(FLAT | {"time": "00:30", "zone": "Africa/Cairo"}), "rules[0].time", "does not exist on 2027-04-30"),
    (hours(WINDOW | {"days": ["sun"], "from": "02:30"}, zone="Europe/Prague"), "rules[0].windows[0].from", "at 03:00"),
    (
        hours({"days": ["sat"], "from": "20:00", "to": "02:15"}, zone="Europe/Prague"),
        "rules[0].windows[0].to",
        "closes at 03:00",
    ),
    (hours(WINDOW, WINDOW | {"from": "21:00", "to": "23:00"}), "rules[0].windows[1]", "from mon 21:00 to mon 22:00"),
    (
        hours({"days": ["mon"], "from": "20:00", "to": "02:00"}, {"days": ["tue"], "from": "01:00", "to": "03:00"}),
        "rules[0].windows[1]",
        "overlaps windows[0]: both hold from tue 01:00 to tue 02:00",
    ),
    (
        hours({"days": ["sun"], "from": "20:00", "to": "02:00"}, {"days": ["mon"], "from": "00:00", "to": "24:00"}),
        "rules[0].windows[1]",
        "from mon 00:00 to mon 02:00",
    ),
    (hours(WINDOW | {"days": ["mon", "mon"]}), "rules[0].windows[0].days", "twice"),
    (document({"rule": "symbols", "allow": ["EURUSD"], "deny": ["eurusd"]}), "rules[0].deny", "deny wins"),
    (document({"rule": "symbols", "allow": ["EURUSD.r"]}), "rules[0].allow[0]", "no base name"),
    (document({"rule": "symbols", "allow": ["EURUSD.r"]}), "rules[0].allow[0]", "write EURUSD"),
    (document({"rule": "symbols", "allow": ["EURUSD", "EURUSD"]}), "rules[0].allow[1]", "already"),
    (document(DAILY, SOFT), "rules[1]", "counts nothing"),
    (document(CONSISTENT | {"consequence": "fail"}), "rules[0].consequence", "without a profit target"),
    (
        document(DAILY | {"amount": {"percent": "12", "of": "initial"}}, STATIC),
        "rules[0].amount",
        "12,000.00 is wider than the maximum loss of 10,000.00 (rules[1])",
    ),
    (document(DAILY | {"amount": {"fixed": "500000"}}), "rules[0].amount.fixed", "the initial balance 100,000.00"),
    (document(DAILY | {"amount": {"fixed": "0.005"}}), "rules[0].amount.fixed", "smallest unit (0.01)"),
    (document(TARGET | {"amount": {"percent": "500", "of": "initial"}}), "rules[0].amount.percent", "doubles it"),
    (document(warn_at=[]), "warn_at", "nobody is warned"),
    (document(warn_at=["0.9", "1"]), "warn_at", "the limit itself"),
    (document(warn_at=["0.1"], clear_below="0.05"), "warn_at", "from 10% of a limit on"),
    (document(LOTS | {"lots": "0.001"}), "rules[0].lots", "less than the usual smallest order"),
    (document(MIN_DAYS | {"counts": "opened"}), "rules[0].threshold", "has no effect"),
    (document({"rule": "inactivity", "days": 30, "consequence": "close"}), "rules[0].consequence", "no effect"),
    (document(FLAT | {"day": "sun"}), "rules[0].day", "sun is not in the trading week"),
    (document(NEWS | {"before_minutes": 0, "after_minutes": 0}), "rules[0].before_minutes", "the very instant"),
    (document(NEWS | {"after_minutes": 2000}), "rules[0].after_minutes", "longer than a day"),
    (document(DAILY, DAILY), "rules[1]", "is the same as rules[0]"),
    (document(*hours(WINDOW)["rules"], *hours(WINDOW, outside="close")["rules"]), "rules[1]", "inside both"),
    (document(trading_week=["mon", "mon"]), "trading_week[1]", "already"),
    (document(MIN_DAYS | {"days": 23}, LIMIT), "rules[0].days", "which has at most 22 trading days"),
    (document(MIN_DAYS | {"days": 31}, LIMIT | {"unit": "trading"}), "rules[0].days", "at most 30 trading days"),
    (document(LOTS, {"rule": "max_lots_total", "lots": "5", "count": "gross"}), "rules[0].lots", "(rules[1])"),
    (document(STATIC | {"lock": {"at": "initial"}}), "rules[0].lock", "no effect"),
    (document(STATIC | {"on_payout": "reset"}), "rules[0].on_payout", "no high-water mark"),
    (document(STATIC | {"on_payout": "lock_at_initial"}, balance_operations="ignore"), "rules[0].on_payout", "ignored"),
    (document(stale_after=3600), "stale_after", "up to 3,600 seconds old"),
    (document(rules=[]), "rules", "nothing is judged"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "path", "words"), ERRORS)
def test_what_cannot_be_meant_is_an_error_at_its_field(given: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(RuleSetError) as caught:
        parse_rule_set(given)
    assert [message for where, message in caught.value.errors if where == path and words in message], (
        caught.value.errors
    )


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (document(warn_at=[0.8]), "warn_at[0]"),
        (document(warn_at=["no", "0.9"]), "warn_at[0]"),
        (document(warn_at=None), "warn_at"),
        (document(clear_below=None), "clear_below"),
        (document(NEWS | {"before_minutes": -2, "after_minutes": 0}), "rules[0].before_minutes"),
    ],
)
def test_nothing_is_said_of_what_stands_in_for_a_wrong_value(given: dict[str, Any], path: str) -> None:
    with pytest.raises(RuleSetError) as caught:
        parse_rule_set(given)
    assert [where for where, _ in (*caught.value.errors, *caught.value.warnings)] == [path]


@pytest.mark.parametrize(("given", "path", "words"), WARNINGS)
def test_what_is_odd_is_a_warning_at_its_field(given: dict[str, Any], path: str, words: str) -> None:
    rule_set = parse_rule_set(given, today=date(2026, 11, 20))
    assert any(words in text for text in warnings_by_path(rule_set).get(path, [])), rule_set.warnings
    assert any(line.startswith(f"{path}: ") and words in line for line in rule_set.warnings)


@pytest.mark.parametrize(
    "given",
    [
        reset("00:00", "Europe/Prague"),
        reset("17:00", "America/New_York"),
        document(FLAT | {"time": "02:30", "zone": "Europe/Prague"}),  # clocks are never set on a Friday there
        hours(WINDOW, WINDOW | {"from": "22:00", "to": "23:00"}),  # the one ends as the other begins
        hours({"days": ["sun"], "from": "22:00", "to": "02:00"}, {"days": ["mon"], "from": "02:00", "to": "24:00"}),
        document(DAILY, DAILY | {"amount": {"percent": "4", "of": "initial"}, "consequence": "pause"}, SOFT),
        document(TARGET, CONSISTENT | {"consequence": "fail"}),
        document(FLAT, FLAT | {"day": "thu"}),
        document(MIN_DAYS | {"days": 22}, LIMIT),
        document(STATIC | {"on_payout": "lock_at_initial"}),
    ],
)
def test_what_is_usual_is_not_warned_of(given: dict[str, Any]) -> None:
    assert parse_rule_set(given).warnings == ()


def test_a_season_long_past_is_found_by_the_date_that_is_given() -> None:
    told = parse_rule_set(reset("02:30", "Europe/Prague"), today=date(2031, 1, 5)).warnings[0]
    assert "2031-03-30" in told


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ('{"version": 1, "version": 2}', "version", "given twice"),
        ('{"rules": [{"rule": "x", "lots": 1, "lots": 2}]}', "rules[0].lots", "given twice"),
        ('{"rules": [NaN]}', "rules[0]", "NaN"),
        ('{"initial_balance": -Infinity}', "initial_balance", "Infinity"),
        ("[1]", "", "must be a JSON object, is [1]"),
        ("", "", "not JSON"),
        ('{"a": 1,}', "", "line 1, column"),
        ("[" * 5000, "", "nested too deep"),
        ('{"a":' * 40 + "1" + "}" * 40, "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a", "nested too deep"),
        ("1" * 5000, "", "not JSON"),
        (b"\xff{}", "", "not UTF-8"),
        (" " * 1_000_001, "", "at most 1,000,000"),
    ],
)
def test_a_text_is_read_strictly(text: str | bytes, path: str, words: str) -> None:
    with pytest.raises(RuleSetError) as caught:
        load_document(text)
    assert [message for where, message in caught.value.errors if where == path and words in message], (
        caught.value.errors
    )


def test_a_good_text_is_the_document() -> None:
    assert load_document('\ufeff{"version": 3, "rules": [{"rule": "x"}]}') == {"version": 3, "rules": [{"rule": "x"}]}

"""A rule set in the upstream's own words: only what means the same, and never stricter."""

from __future__ import annotations

from typing import Any

import pytest

from monitoring.engine.ruleset import RuleSet, parse_rule_set
from monitoring.upstream.fxsocket.risk_rules import MANAGED, agrees, express, merged

NAMES = ["EURUSD", "EURUSD.r", "XAUUSD", "BTCUSD", "US30.cash", "??"]
LOSS = {
    "rule": "max_loss", "mode": "static", "amount": {"percent": "10", "of": "initial"}, "measured": "equity",
    "operator": "<=", "consequence": "fail",
}  # fmt: skip
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri"]
WEEK = [*WEEKDAYS, "sat", "sun"]


def rules(*more: dict[str, Any]) -> RuleSet:
    return parse_rule_set(
        {
            "version": 3, "currency": "USD", "initial_balance": "100000.00",
            "reset": {"time": "00:00", "zone": "UTC"}, "rules": [LOSS, *more],
        }
    )  # fmt: skip


def told(*more: dict[str, Any], table: dict[str, str] | None = None) -> dict[str, Any]:
    """What is said of these rules, without what is off."""
    wanted = express(rules(*more), table or {}, NAMES)
    assert tuple(wanted) == MANAGED
    return {name: value for name, value in wanted.items() if value is not None}


def hours(zone: str, *windows: tuple[list[str], str, str]) -> dict[str, Any]:
    return {
        "rule": "trading_hours", "zone": zone,
        "windows": [{"days": days, "from": start, "to": end} for days, start, end in windows],
    }  # fmt: skip


def test_losses_stay_with_riskdesk() -> None:
    assert told() == {}


def test_lots_and_positions_by_the_tightest_rule_of_each_kind() -> None:
    found = told(
        {"rule": "max_lots_per_position", "lots": "10"},
        {"rule": "max_lots_per_position", "lots": "0.29"},
        {"rule": "max_lots_total", "lots": "20", "count": "gross"},
        {"rule": "max_positions", "positions": 7},
    )
    assert found == {"max_lot_size": 0.29, "max_total_lots": 20.0, "max_open_positions": 7}


def test_net_lots_cannot_be_said() -> None:
    assert told({"rule": "max_lots_total", "lots": "20", "count": "net"}) == {}


def test_symbols_are_blocked_by_raw_name_and_an_unknown_name_is_not() -> None:
    assert told({"rule": "symbols", "deny": ["EURUSD"]}) == {"blocked_symbols": ["EURUSD", "EURUSD.r"]}
    assert told({"rule": "symbols", "allow": ["EURUSD", "US30"]}) == {"blocked_symbols": ["BTCUSD", "XAUUSD"]}
    assert told({"rule": "symbols", "deny": ["GOLD"]}, table={"??": "GOLD"}) == {"blocked_symbols": ["??"]}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (hours("UTC", (WEEK, "08:00", "20:00")), {"trading_hours": {"start": "08:00", "end": "20:00"}}),
        (
            hours("Etc/UTC", (WEEKDAYS, "08:00", "20:00")),
            {"trading_hours": {"start": "08:00", "end": "20:00"}, "trading_days": WEEKDAYS},
        ),
        (
            hours("UTC", (["mon"], "08:00", "24:00"), (["tue"], "08:00", "24:00")),
            {"trading_hours": {"start": "08:00", "end": "24:00"}, "trading_days": ["mon", "tue"]},
        ),
        (hours("UTC", (WEEK, "22:00", "06:00")), {"trading_hours": {"start": "22:00", "end": "06:00"}}),
        (hours("UTC", (WEEKDAYS, "00:00", "24:00")), {"trading_days": WEEKDAYS}),
        (hours("UTC", (WEEKDAYS, "22:00", "06:00")), {}),  # Saturday's first hours belong to Friday
        (hours("UTC", (["mon"], "08:00", "20:00"), (["tue"], "09:00", "20:00")), {}),
        (hours("Europe/London", (WEEK, "08:00", "20:00")), {}),
        (hours("Europe/Prague", (WEEK, "00:00", "24:00")), {}),
    ],
)
def test_hours_only_where_one_pair_of_utc_times_says_them(rule: dict[str, Any], said: dict[str, Any]) -> None:
    assert told(rule) == said


def test_what_others_made_there_stays_and_ours_goes_where_our_rules_say_nothing() -> None:
    there = {"max_daily_loss_pct": 0.04, "lock_on_breach": True, "max_lot_size": 1.0, "version": 9, "data": {}}
    wanted = express(rules({"rule": "max_positions", "positions": 3}), {}, NAMES)
    assert not agrees(there, wanted)
    body = merged(there, wanted)
    assert body == {"max_daily_loss_pct": 0.04, "lock_on_breach": True, "max_open_positions": 3}
    assert agrees({**body, "blocked_symbols": [], "max_lot_size": None}, wanted)

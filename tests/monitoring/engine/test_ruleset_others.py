"""Every rule of section 6 compiles, with the defaults of docs/rules.md where the document is silent."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest

from monitoring.engine.ruleset import OtherRule, Step, model, parse_rule_set, with_initial
from tests.monitoring.engine.conftest import DAILY, STATIC, document

LOTS = 100_000_000
TARGET = {"rule": "profit_target", "amount": {"percent": "10", "of": "initial"}}
HOURS = {"rule": "trading_hours", "zone": "UTC", "windows": [{"days": ["sun"], "from": "22:00", "to": "06:00"}]}
FLAT = {"rule": "flat_by", "day": "fri", "time": "21:55", "zone": "Europe/Prague"}


def compiled(rule: dict[str, Any]) -> OtherRule:
    (found,) = parse_rule_set(document(DAILY, rule)).others
    return found


@pytest.mark.parametrize(
    "expected",
    [
        (
            {"rule": "time_limit", "days": 30, "from": "first_trade", "unit": "trading"},
            model.TimeLimit(
                index=1, rule="time_limit", consequence="fail", days=30, start="first_trade", unit="trading"
            ),
        ),
        (
            {"rule": "max_lots_per_position", "lots": "0.5"},
            model.MaxLotsPerPosition(index=1, rule="max_lots_per_position", consequence="flag", lots=LOTS // 2),
        ),
        (
            {"rule": "max_lots_total", "lots": "30", "count": "net", "consequence": "close"},
            model.MaxLotsTotal(index=1, rule="max_lots_total", consequence="close", lots=30 * LOTS, count="net"),
        ),
        (
            {"rule": "max_positions", "positions": 20},
            model.MaxPositions(index=1, rule="max_positions", consequence="flag", positions=20),
        ),
        (
            {"rule": "symbols", "deny": ["btcusd"]},
            model.Symbols(
                index=1, rule="symbols", consequence="flag", allow=frozenset(), deny=frozenset({"BTCUSD"})
            ),
        ),
        (
            HOURS | {"outside": "close"},
            model.TradingHours(
                index=1, rule="trading_hours", consequence="close", zone="UTC",
                windows=(model.Window(days=frozenset({6}), start=79_200, end=21_600),),
            ),
        ),
        (
            FLAT,
            model.FlatBy(
                index=1, rule="flat_by", consequence="close", day=4, time=time(21, 55), zone="Europe/Prague",
                warn_minutes=0,
            ),
        ),
        (
            {"rule": "news_window", "before_minutes": 2, "after_minutes": 5},
            model.NewsWindow(
                index=1, rule="news_window", consequence="flag", before_minutes=2, after_minutes=5,
                impact=frozenset({"high"}), scope="currency", exempt_hours=None,
            ),
        ),
        (
            {"rule": "stop_loss_required", "within_seconds": 60},
            model.StopLossRequired(index=1, rule="stop_loss_required", consequence="flag", within_seconds=60),
        ),
        (
            {"rule": "consistency", "best_day_share": "0.40", "of": "positive"},
            model.Consistency(
                index=1, rule="consistency", consequence="delay", best_day_share=Step(2, 5), of="positive"
            ),
        ),
        (
            {"rule": "inactivity", "days": 30},
            model.Inactivity(index=1, rule="inactivity", consequence="fail", days=30),
        ),
        (
            {"rule": "soft_breaches", "allowed": 3, "window_days": 7},
            model.SoftBreaches(index=1, rule="soft_breaches", consequence="fail", allowed=3, window_days=7),
        ),
        (
            {"rule": "min_trading_days", "days": 4, "counts": "profit_day", "threshold": "0.005"},
            model.MinTradingDays(
                index=1, rule="min_trading_days", consequence="", days=4, counts="profit_day", threshold=Step(1, 200)
            ),
        ),
    ],
    ids=lambda pair: str(pair[0]["rule"]),
)  # fmt: skip
def test_a_rule_compiles(expected: tuple[dict[str, Any], OtherRule]) -> None:
    assert compiled(expected[0]) == expected[1]


def test_a_profit_target_is_an_exact_amount() -> None:
    target = compiled(TARGET)
    assert isinstance(target, model.ProfitTarget)
    assert target.amount.numerator * 10 == target.amount.denominator
    assert (target.consequence, target.requires_flat, target.amount.of) == ("", False, "initial")
    fixed = compiled({"rule": "profit_target", "amount": {"fixed": "5000"}, "requires_flat": True})
    assert isinstance(fixed, model.ProfitTarget)
    assert (fixed.amount.numerator, fixed.amount.denominator, fixed.requires_flat) == (500_000, 1, True)


def test_a_window_to_midnight_may_be_written_either_way() -> None:
    for end, second in (("24:00", 86_400), ("00:00", 0)):
        hours = compiled(HOURS | {"windows": [{"days": ["mon"], "from": "08:00", "to": end}]})
        assert isinstance(hours, model.TradingHours)
        assert hours.windows[0].end == second


def test_rules_keep_the_document_s_order_and_their_index() -> None:
    rule_set = parse_rule_set(document(TARGET, DAILY, FLAT, STATIC))
    assert [(rule.index, rule.rule) for rule in rule_set.others] == [(0, "profit_target"), (2, "flat_by")]
    assert [rule.rule for rule in rule_set.rules] == ["profit_target", "daily_loss", "flat_by", "max_loss"]


# identity and digest


def test_a_rule_is_known_by_kind_and_place_among_its_like() -> None:
    trailing = STATIC | {"mode": "trailing", "high_water": "equity_eod"}
    rule_set = parse_rule_set(document(DAILY, trailing, FLAT, DAILY, STATIC, FLAT | {"day": "mon"}))
    assert rule_set.identities == (
        "daily_loss#0", "max_loss:trailing:equity_eod#0", "flat_by#0", "daily_loss#1", "max_loss:static#0", "flat_by#1",
    )  # fmt: skip


def test_the_digest_tells_limits_apart_and_nothing_else() -> None:
    digest = parse_rule_set(document()).digest
    same = document(
        version=9, initial_balance="50000.00", currency="EUR", stale_after=30, warn_at=["0.8", "0.9", "0.95"]
    )
    assert parse_rule_set(same).digest == digest
    assert parse_rule_set(dict(reversed(document().items()))).digest == digest
    assert parse_rule_set(document(DAILY | {"operator": "<="}, STATIC)).digest != digest
    assert parse_rule_set(document(STATIC, DAILY)).digest != digest


def test_another_size_has_the_same_rules() -> None:
    rule_set = parse_rule_set(document(DAILY, TARGET))
    smaller = with_initial(rule_set, 5_000_000)
    assert smaller == parse_rule_set(document(DAILY, TARGET, initial_balance="50000.00"))
    assert with_initial(rule_set, rule_set.initial_balance) is rule_set
    assert rule_set.initial_balance == 10_000_000

"""What a challenge asks, in words and live cells: operators said aloud, no room shown that is not there."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from accounts.models import Challenge, Phase, Plan, RuleSet
from monitoring import objectives
from monitoring.engine.ruleset import parse_rule_set
from monitoring.objectives import Rule, Rulebook, words
from monitoring.objectives.positions import price
from tests.monitoring.book import row

EVERY_OTHER_RULE: list[tuple[dict[str, Any], str]] = [
    ({"rule": "profit_target", "amount": {"fixed": "8000.00"}}, "Make a profit of 8,000.00."),
    (
        {"rule": "profit_target", "amount": {"percent": "10", "of": "initial"}, "requires_flat": True},
        "Make a profit of 10% of the initial balance, with every position closed.",
    ),
    (
        {"rule": "min_trading_days", "days": 4, "counts": "opened"},
        "Trade on at least 4 days; a day counts when a position is opened on it.",
    ),
    (
        {"rule": "min_trading_days", "days": 4, "counts": "moved_day", "threshold": "0.5"},
        "Trade on at least 4 days; a day counts when the balance moves on it by at least 0.5.",
    ),
    (
        {"rule": "time_limit", "days": 30, "from": "first_trade", "unit": "calendar", "consequence": "fail"},
        "Reach the target within 30 calendar days of the first trade. Else the challenge fails.",
    ),
    ({"rule": "max_lots_per_position", "lots": "10"}, "No position above 10 lots."),
    (
        {"rule": "max_lots_total", "lots": "30", "count": "gross"},
        "No more than 30 lots open at once, counted gross.",
    ),
    ({"rule": "max_positions", "positions": 20}, "No more than 20 positions open at once."),
    (
        {"rule": "symbols", "allow": ["EURUSD", "GBPUSD"], "deny": ["BTCUSD"]},
        "Trade only EURUSD, GBPUSD. Do not trade BTCUSD.",
    ),
    (
        {
            "rule": "trading_hours",
            "zone": "UTC",
            "windows": [{"days": ["mon", "fri"], "from": "08:00", "to": "22:00"}],
            "outside": "flag",
        },
        "Trade only in these hours (UTC): Monday, Friday 08:00 to 22:00. What breaks it is flagged.",
    ),
    (
        {"rule": "flat_by", "day": "fri", "time": "21:55", "zone": "UTC", "consequence": "close"},
        "Close every position by Friday 21:55 (UTC). Else the positions are closed.",
    ),
    (
        {"rule": "news_window", "before_minutes": 2, "after_minutes": 3, "impact": ["high"]},
        "Do not trade from 2 minutes before to 3 minutes after news of high impact.",
    ),
    ({"rule": "stop_loss_required", "within_seconds": 60}, "Every position has a stop loss within 60 seconds."),
    (
        {"rule": "consistency", "best_day_share": "0.50", "of": "net", "consequence": "delay"},
        "The best day makes at most 50% of the net profit. Else the payout is delayed.",
    ),
    ({"rule": "inactivity", "days": 9}, "Trade at least once in 9 days."),
    ({"rule": "soft_breaches", "allowed": 3}, "Up to 3 soft breaches are forgiven."),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "said"), EVERY_OTHER_RULE, ids=lambda value: value if isinstance(value, str) else "")
def test_every_rule_has_a_sentence(rule: dict[str, object], said: str) -> None:
    assert words.sentence(rule) == said


def test_no_rule_of_the_engine_lacks_words() -> None:
    from monitoring.engine.ruleset.others import NAMES

    assert {str(rule["rule"]) for rule, _ in EVERY_OTHER_RULE} == set(NAMES)
    assert set(NAMES) | {"daily_loss", "max_loss"} == set(words.TITLES)


def book(*rules: Rule) -> Rulebook:
    rule_set = RuleSet(phase=Phase(plan=Plan(name="Two-step"), name="Phase 1"), version=1, document={})
    return Rulebook(Challenge(rule_set=rule_set), rules, size=10_000_000)


def cells(equity: int, **changes: Any) -> dict[str, str | int | float]:
    return objectives.live_cells(row("sim-1", equity, **changes), book(), "Europe/Prague")


@pytest.mark.parametrize(
    ("operator", "line", "must"),
    [
        ("<", "You may still lose 1,284.20 USD today", "Equity must not fall below 95,000.00."),
        ("<=", "You may lose less than 1,284.20 USD today", "Equity must stay above 95,000.00."),
    ],
)
def test_the_operator_decides_the_words(operator: str, line: str, must: str) -> None:
    made = row("sim-1", 9_628_420)
    readings = [msgspec.structs.replace(one, operator=operator) for one in made.readings]
    found = objectives.live_cells(msgspec.structs.replace(made, readings=readings), book(), "UTC")
    assert (found["r0_line"], found["r0_must"]) == (line, must)


@pytest.mark.parametrize(
    ("equity", "changes", "severity"),
    [
        (9_999_999, {}, 0),
        (9_750_000, {}, 1),
        (9_590_000, {"state": "warned"}, 2),
        (9_590_000, {"state": "unknown"}, 2),
        (9_549_000, {"state": "warned"}, 3),
        (9_500_000, {"state": "warned"}, 4),
        (9_400_000, {}, 4),
    ],
)
def test_each_gauge_has_its_own_severity(equity: int, changes: dict[str, str], severity: int) -> None:
    found = cells(equity, **changes)
    assert found["r0_s"] == severity
    assert 0 <= float(found["r0_w"]) <= 100


def test_stale_data_and_reviews_promise_nothing() -> None:
    for changes in ({"stale": True}, {"state": "unknown"}, {"state": "review"}, {"state": "breached"}):
        assert "You may" not in str(cells(9_700_000, **changes)["r0_line"])


def test_a_profit_target_shows_progress_and_no_verdict() -> None:
    target = Rule(2, "profit_target", "Profit target", "…", judged=False, target=1_000_000)
    found = objectives.live_cells(row("sim-1", balance=10_250_000), book(target), "UTC")
    assert (found["r2_used"], found["r2_room"], found["r2_measured"]) == ("25.0%", "7,500.00", "+2,500.00")
    assert found["r2_state"] == "Not judged yet"
    reached = objectives.live_cells(row("sim-1", balance=11_000_100), book(target), "UTC")
    assert (reached["r2_used"], reached["r2_line"]) == ("100.0%", "The balance has reached the target")
    behind = objectives.live_cells(row("sim-1", balance=9_000_000), book(target), "UTC")
    assert (behind["r2_used"], behind["r2_measured"]) == ("0.0%", "\u221210,000.00")


def test_the_reset_is_told_in_three_zones() -> None:
    made = row("sim-1", next_reset_ms=1_795_129_200_000, reset_zone="Europe/Prague")  # 2026-11-19 23:00 UTC
    found = objectives.live_cells(made, book(), "Asia/Tokyo")
    assert found["reset_rule"] == "00:00 CET"
    assert found["reset_utc"] == "2026-11-19 23:00 UTC"
    assert found["reset_own"] == "08:00 JST"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "—"), (1.08423, "1.08423"), (157.1234, "157.123"), (2412.5, "2,412.50"), (0.0, "0.00000")],
)
def test_prices_have_the_decimals_of_their_size(value: float | None, shown: str) -> None:
    assert price(value) == shown


def test_positions_come_with_the_largest_loss_first() -> None:
    made = row("sim-1")
    one = made.positions[0]
    many = [msgspec.structs.replace(one, id=str(profit), profit=float(profit)) for profit in (5, -20, 0)]
    found = objectives.positions(msgspec.structs.replace(made, positions=many, open_positions=3))
    assert [entry["id"] for entry in found["positions"]] == ["-20", "0", "5"]
    assert [entry["sign"] for entry in found["positions"]] == ["neg", "", "pos"]


def test_the_default_plans_rules_are_all_in_the_rulebook() -> None:
    from accounts.plans import two_step_document

    document = {"version": 1, "currency": "USD", "initial_balance": "100000.00", **two_step_document("10")}
    rule_set = parse_rule_set(document)
    assert [words.title(rule) for rule in document["rules"]] == ["Daily loss", "Maximum loss, static", "Profit target"]
    assert len(rule_set.loss_rules) == 2

"""Every rule has a sentence with its operator and its consequence in words."""

from __future__ import annotations

from typing import Any

import pytest

from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.ruleset.losses import NAMES
from monitoring.engine.ruleset.sentences import TITLES, title_of
from tests.monitoring.engine.conftest import DAILY, STATIC, document

TRAILING = STATIC | {"mode": "trailing", "high_water": "equity_eod", "operator": "<=", "consequence": "pause"}
SENTENCES: list[tuple[dict[str, Any], str]] = [
    (
        DAILY,
        "The challenge fails when equity falls below the balance at the start of the day "
        "less 5% of the initial balance.",
    ),
    (
        TRAILING | {"lock": {"at": "initial", "offset": "100"}, "on_payout": "reset"},
        "Trading pauses until the next trading day when equity falls to or below the highest equity at the end of a "
        "day less 10% of the initial balance, a floor that never rises above the initial balance plus 100.00. "
        "After a payout, the highest value counts anew from the balance.",
    ),
    (
        STATIC | {"lock": {"at": "initial", "offset": "-20000"}, "on_payout": "lock_at_initial"},
        "The challenge fails when equity falls below the initial balance less 10% of the initial balance, a floor that "
        "never rises above the initial balance less 20,000.00. From the first payout on, the floor is the initial "
        "balance.",
    ),
    (
        {"rule": "profit_target", "amount": {"fixed": "5000"}, "requires_flat": True},
        "The target is reached when closed profit is at or above 5,000, with no position open.",
    ),
    (
        {"rule": "min_trading_days", "days": 4, "counts": "profit_day", "threshold": "0.005"},
        "At least 4 trading days must count; a day counts when its closed profit is at or above 0.5% of the initial "
        "balance.",
    ),
    (
        {"rule": "time_limit", "days": 22, "from": "created", "unit": "trading"},
        "The challenge fails when the 22nd trading day from the start of the challenge on, that day counted, ends "
        "without a pass.",
    ),
    (
        {"rule": "max_lots_per_position", "lots": "1"},
        "A flag goes to the review queue when a position is above 1 lot; exactly 1 lot is allowed.",
    ),
    (
        {"rule": "max_lots_total", "lots": "2.5", "count": "net", "consequence": "close"},
        "Positions that violate are closed when all open positions together are above 2.50 lots (buys and sells of a "
        "symbol taken against each other); exactly 2.50 lots is allowed.",
    ),
    (
        {"rule": "max_positions", "positions": 1},
        "A flag goes to the review queue when more than 1 position is open.",
    ),
    (
        {"rule": "symbols", "allow": ["GBPUSD", "EURUSD"], "deny": ["BTCUSD"], "consequence": "fail"},
        "The challenge fails when a position is opened in a symbol other than EURUSD, GBPUSD, or in BTCUSD.",
    ),
    (
        {
            "rule": "trading_hours",
            "zone": "UTC",
            "windows": [
                {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "24:00"},
                {"days": ["sun", "fri"], "from": "22:00", "to": "06:00:30"},
            ],
        },
        "A flag goes to the review queue when a position is opened outside these hours (UTC): Monday to Friday 08:00 "
        "to 24:00; Friday, Sunday 22:00 to 06:00:30 the day after; a window's start is inside, its end is not.",
    ),
    (
        {"rule": "flat_by", "day": "fri", "time": "21:55", "zone": "UTC", "warn_minutes": 30},
        "Positions that violate are closed when a position is open at Friday 21:55 (UTC) or later that day. Before a "
        "holiday the last trading day counts, and an early close is the deadline. 30 minutes before, an account with "
        "open positions is warned.",
    ),
    (
        {
            "rule": "news_window",
            "before_minutes": 2,
            "after_minutes": 1,
            "impact": ["medium", "high"],
            "exempt_if_opened_before_hours": 5,
        },
        "A flag goes to the review queue when an affected symbol is opened or closed from 2 minutes before to 1 minute "
        "after news of high or medium impact, both ends included (affected: symbols with the announcement's currency, "
        "and those listed with it). Closing a position that was opened 5 hours or more before the news does not count.",
    ),
    (
        {"rule": "stop_loss_required", "within_seconds": 60},
        "A flag goes to the review queue when a position has no stop loss later than 60 seconds after it was opened.",
    ),
    (
        {"rule": "consistency", "best_day_share": "0.50", "of": "net"},
        "The pass or payout is delayed when the best day is more than 50% of the net profit of all days; exactly 50% "
        "is allowed. It is not evaluated while that total is not above zero.",
    ),
    (
        {"rule": "inactivity", "days": 30},
        "The challenge fails when no position has been opened for 30 calendar days.",
    ),
    (
        {"rule": "soft_breaches", "allowed": 0, "window_days": 7},
        "The challenge fails when the 1st soft breach (a flag or a pause) happens within 7 trading-day dates; none is "
        "allowed.",
    ),
]


@pytest.mark.parametrize(
    ("rule", "said"), SENTENCES, ids=lambda value: value["rule"] if isinstance(value, dict) else ""
)
def test_a_rule_is_said_in_words(rule: dict[str, Any], said: str) -> None:
    rule_set = parse_rule_set(document(rule))
    assert rule_set.sentence(rule_set.rules[0]) == said


@pytest.mark.parametrize("rule", [TRAILING | {"on_payout": "reset"}, STATIC | {"on_payout": "lock_at_initial"}])
def test_nothing_is_said_of_payouts_that_are_ignored(rule: dict[str, Any]) -> None:
    rule_set = parse_rule_set(document(rule, balance_operations="ignore"))
    assert "payout" not in rule_set.sentence(rule_set.rules[0])


def test_no_rule_lacks_words() -> None:
    assert {rule["rule"] for rule, _ in SENTENCES} == set(NAMES) == set(TITLES)


def test_two_kinds_of_maximum_loss_have_two_titles() -> None:
    assert [title_of(rule) for rule in (DAILY, STATIC, TRAILING)] == [
        "Daily loss", "Maximum loss, static", "Maximum loss, trailing",
    ]  # fmt: skip

"""Worked examples of every rule, with the plan's own numbers, as the engine judges them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from monitoring.engine.rules.examples import worked_example
from monitoring.engine.ruleset import RuleSetError, parse_rule_set, with_initial
from monitoring.engine.ruleset.losses import NAMES
from tests.monitoring.engine.conftest import DAILY, STATIC, document
from tests.monitoring.engine.test_ruleset_properties import DOCUMENTS

TRAILING = STATIC | {"mode": "trailing", "high_water": "equity_eod", "operator": "<=", "consequence": "pause"}
FLAG = "a flag goes to the review queue"
EXPECTED: list[tuple[dict[str, Any], list[str]]] = [
    (
        DAILY,
        [
            "First day: floor 95,000.00 (day-start balance 100,000.00 less 5% of 100,000.00).",
            "The next day starts with a balance of 102,000.00 and equity of 102,000.00: floor 97,000.00 "
            "(day-start balance 102,000.00 less 5% of 100,000.00).",
            "Over night: with a balance of 102,000.00, equity of 96,000.00 is allowed until the reset, and breaches at "
            "the reset with no price move.",
            "The first warning comes at 98,000.00: 80% of the limit is used.",
            "Equity at 97,000.00 is still allowed, 96,999.99 breaches: the challenge fails.",
        ],
    ),
    (
        DAILY | {"operator": "<=", "reference": "day_start_higher", "amount": {"percent": "5", "of": "reference"}},
        ["Equity at 97,850.01 is still allowed, 97,850.00 breaches: the challenge fails."],
    ),
    (
        DAILY | {"reference": "intraday_peak_equity", "measured": "lower"},
        ["When equity rises to 105,000.00, the floor rises to 100,000.00 for the rest of the day."],
    ),
    (STATIC, ["Equity at 90,000.00 is still allowed, 89,999.99 breaches: the challenge fails."]),
    (
        STATIC | {"on_payout": "lock_at_initial"},
        [
            "At the start: floor 90,000.00 (initial balance 100,000.00 less 10% of 100,000.00).",
            "After a payout of 2,000.00 from 104,000.00, the balance is 102,000.00 and the floor 100,000.00 (it was "
            "90,000.00).",
        ],
    ),
    (
        TRAILING | {"lock": {"at": "initial"}},
        [
            "When a day ends with equity of 104,000.00: floor 94,000.00 (high-water mark 104,000.00 less 10% of "
            "100,000.00).",
            "When the account falls back to 99,000.00, the floor stays 94,000.00.",
            "After a payout of 2,000.00 from 104,000.00, the balance is 102,000.00 and the floor 92,000.00 (it was "
            "94,000.00).",
            "When a day ends with equity of 122,000.00: floor 100,000.00 (high-water mark 122,000.00 less 10% of "
            "100,000.00, locked at 100,000.00).",
            "Equity at 100,000.01 is still allowed, 100,000.00 breaches: trading pauses until the next trading day.",
        ],
    ),
    (
        {"rule": "profit_target", "amount": {"percent": "10", "of": "initial"}, "requires_flat": True},
        [
            "Closed balance 109,999.99: not yet.",
            "Closed balance 110,000.00: the target is reached.",
            "The same with a position still open: not reached until it is closed.",
        ],
    ),
    (
        {"rule": "min_trading_days", "days": 4, "counts": "opened_and_closed"},
        [
            "A position opened on 2026-06-01: 0 trading days count.",
            "Held and closed on 2026-06-02: 0 trading days count.",
            "Another opened and closed on 2026-06-02: 1 trading day counts.",
        ],
    ),
    (
        {"rule": "min_trading_days", "days": 3, "counts": "profit_day", "threshold": "0.005"},
        [
            "A day with a closed profit of 499.99: 0 trading days count.",
            "A day with a closed profit of 500.00: 1 trading day counts.",
        ],
    ),
    (
        {"rule": "time_limit", "days": 30, "from": "first_trade", "unit": "calendar"},
        ["The first position is opened on 2026-06-01: the last day ends on Wednesday 2026-07-01 00:00:00 (UTC)."],
    ),
    (
        {"rule": "max_lots_per_position", "lots": "10"},
        ["A position of 10 lots: allowed.", f"A position of 10.01 lots: not allowed: {FLAG}."],
    ),
    (
        {"rule": "max_lots_total", "lots": "30", "count": "net", "consequence": "close"},
        [
            "30.01 lots of EURUSD bought: not allowed: positions that violate are closed.",
            "30 lots of EURUSD bought and 30 lots sold at the same time: allowed.",
        ],
    ),
    (
        {"rule": "max_positions", "positions": 2, "consequence": "fail"},
        ["2 positions open at once: allowed.", "One more, 3: not allowed: the challenge fails."],
    ),
    (
        {"rule": "symbols", "allow": ["EURUSD"]},
        [
            "A position in EURUSD.r (read as EURUSD): allowed.",
            f"A position in GBPUSD.r (read as GBPUSD): not allowed: {FLAG}.",
            "A position in FROBNICATE: no violation; the name is not known, so the desk is asked what it is.",
        ],
    ),
    (
        {
            "rule": "trading_hours",
            "zone": "Europe/Prague",
            "windows": [{"days": ["mon"], "from": "22:00", "to": "06:00"}],
        },
        [
            f"A position opened on Monday 2026-06-01 21:59:59 (Europe/Prague): not allowed: {FLAG}.",
            "A position opened on Monday 2026-06-01 22:00:00 (Europe/Prague): allowed.",
            "A position opened on Tuesday 2026-06-02 05:59:59 (Europe/Prague): allowed.",
            f"A position opened on Tuesday 2026-06-02 06:00:00 (Europe/Prague): not allowed: {FLAG}.",
        ],
    ),
    (
        {"rule": "flat_by", "day": "fri", "time": "10:00", "zone": "UTC", "warn_minutes": 30},
        [
            "With a position open, the warning comes on Friday 2026-06-12 09:30:00 (UTC).",
            "A position that is open on Friday 2026-06-12 10:00:00 (UTC): not allowed: positions that violate are "
            "closed.",
            "If 2026-06-12 is a holiday, the deadline is Thursday 2026-06-11 10:00:00.",
        ],
    ),
    (
        {
            "rule": "news_window",
            "before_minutes": 2,
            "after_minutes": 2,
            "exempt_if_opened_before_hours": 5,
            "consequence": "fail",
        },
        [
            "EURUSD opened at 12:27:59 UTC: allowed.",
            "EURUSD opened at 12:28:00 UTC: not allowed: the challenge fails.",
            "EURUSD opened at 12:32:00 UTC: not allowed: the challenge fails.",
            "EURUSD opened at 12:32:01 UTC: allowed.",
            "GBPJPY opened at 12:30:00 UTC: allowed.",
            "EURUSD opened at Friday 2026-06-05 07:30:00 UTC and closed at the announcement: allowed.",
            "EURUSD opened at Friday 2026-06-05 07:30:01 UTC and closed at the announcement: not allowed: the "
            "challenge fails.",
        ],
    ),
    (
        {"rule": "stop_loss_required", "within_seconds": 60},
        [
            "A stop set 60 seconds after the position was opened: allowed.",
            f"No stop when that time is over: not allowed: {FLAG}.",
        ],
    ),
    (
        {"rule": "consistency", "best_day_share": "0.50", "of": "net", "consequence": "fail"},
        [
            "The best day 2,500.00 is 50.00% of the net total 5,000.00, within the limit of 50%.",
            "Exactly 50% is within the limit; above it, when it matters: the challenge fails.",
        ],
    ),
    (
        {"rule": "inactivity", "days": 30},
        [
            "The last position was opened on Monday 2026-06-01 02:00:00 (UTC): the next must be before Wednesday "
            "2026-07-01 02:00:00.",
            "At that instant, with none opened since: the challenge fails.",
        ],
    ),
    (
        {"rule": "soft_breaches", "allowed": 3, "window_days": 7},
        [
            "The 3rd flag: allowed.",
            "The 4th flag: not allowed: the challenge fails.",
            "If the first 3 were on 2026-06-01, one more on 2026-06-08: allowed.",
        ],
    ),
    (
        {"rule": "soft_breaches", "allowed": 1, "window_days": 1},
        ["If the first was on 2026-06-01, one more on 2026-06-02: allowed."],
    ),
    (
        {"rule": "max_positions", "positions": 1000},
        ["The 1,001st position that is open at once is the first violation."],
    ),
    (
        {"rule": "profit_target", "amount": {"fixed": "0.001"}},
        ["With so small an amount the target is reached as soon as the account is judged."],
    ),
    (
        {"rule": "consistency", "best_day_share": "0.01", "of": "net"},
        ["The best day 50.00 is 1.00% of the net total 5,000.00, within the limit of 1%."],
    ),
    (
        {"rule": "news_window", "before_minutes": 0, "after_minutes": 0, "exempt_if_opened_before_hours": 0},
        ["EURUSD opened at Friday 2026-06-05 12:30:01 UTC and closed at once: allowed."],
    ),
]


@pytest.mark.parametrize(
    ("rule", "expected"), EXPECTED, ids=lambda value: value["rule"] if isinstance(value, dict) else ""
)
def test_a_rule_is_worked_out_with_the_plan_s_numbers(rule: dict[str, Any], expected: list[str]) -> None:
    lines = worked_example(parse_rule_set(document(rule)), 0).lines
    assert [line for line in lines if line in expected] == expected, lines


def test_every_rule_has_an_example() -> None:
    assert {rule["rule"] for rule, _ in EXPECTED} == set(NAMES)


def test_the_numbers_are_those_of_the_plan_and_of_this_rule_alone() -> None:
    rule_set = with_initial(parse_rule_set(document(STATIC, DAILY, currency="EUR")), 5_000_000)
    example = worked_example(rule_set, 1)
    assert example.title == "Daily loss, on an account of 50,000.00 EUR"
    assert example.lines[0] == "First day: floor 47,500.00 (day-start balance 50,000.00 less 5% of 50,000.00)."


@pytest.mark.parametrize(
    "changes",
    [
        {"initial_balance": "0.01"},
        {"stale_after": 1, "fresh_for": 1, "warn_at": []},
        {"reset": {"time": "23:59:59", "zone": "America/New_York"}, "trading_week": ["sun"]},
        {"balance_operations": "ignore", "count_credit": True, "initial_balance": "99999999999.99"},
    ],
)
def test_odd_plans_have_examples_too(changes: dict[str, Any]) -> None:
    rules = [rule for rule, _ in EXPECTED if rule["rule"] not in {"profit_target", "soft_breaches"}]
    rule_set = parse_rule_set(document(*rules, **changes))
    assert all(worked_example(rule_set, index).lines for index in range(len(rules)))


@settings(deadline=None)
@given(DOCUMENTS)
def test_whatever_rule_is_valid_has_an_example(found: dict[str, Any]) -> None:
    try:
        rule_set = parse_rule_set(found)
    except RuleSetError:
        return
    for index in range(len(found["rules"])):
        example = worked_example(rule_set, index)
        assert example.lines
        assert all(line.endswith((".", ":")) for line in example.lines)

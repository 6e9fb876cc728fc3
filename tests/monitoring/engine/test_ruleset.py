"""A rule set is validated whole: every problem is named with its path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monitoring.engine.ruleset import RuleSetError, parse_rule_set
from tests.monitoring.engine.conftest import DAILY, STATIC, document

TRAILING = STATIC | {"mode": "trailing", "high_water": "equity_intraday"}

HOURS = {"rule": "trading_hours", "zone": "UTC"}
WINDOW = {"days": ["mon"], "from": "08:00", "to": "24:00"}


def problems(given: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(RuleSetError) as caught:
        parse_rule_set(given)
    return dict(caught.value.errors)


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        (document(frobnicate=1), "frobnicate", "unknown key 'frobnicate'"),
        (document(DAILY | {"colour": "red"}), "rules[0].colour", "unknown key 'colour'"),
        (document(reset={"time": "00:00", "zone": "Europe/Atlantis"}), "reset.zone", "unknown time zone"),
        (document(reset={"time": "25:00", "zone": "UTC"}), "reset.time", "wall time"),
        (document(reset={"time": "00:00", "zone": "UTC", "dst": True}), "reset.dst", "unknown key"),
        (document({k: v for k, v in DAILY.items() if k != "operator"}), "rules[0].operator", "operator is missing"),
        (document(DAILY | {"operator": ">"}), "rules[0].operator", "must be one of <, <="),
        (document(DAILY | {"amount": {"percent": "0", "of": "initial"}}), "rules[0].amount.percent", "above 0"),
        (document(DAILY | {"amount": {"percent": "101", "of": "initial"}}), "rules[0].amount.percent", "at most 100"),
        (document(DAILY | {"amount": {"percent": 5, "of": "initial"}}), "rules[0].amount.percent", "as a string"),
        (document(DAILY | {"amount": {"percent": "5", "of": "moon"}}), "rules[0].amount.of", "must be one of"),
        (document(DAILY | {"amount": {"fixed": "-1"}}), "rules[0].amount.fixed", "above zero"),
        (document(DAILY | {"consequence": "shout"}), "rules[0].consequence", "fail, pause"),
        (document(DAILY | {"reference": "yesterday"}), "rules[0].reference", "day_start_balance"),
        (document(STATIC | {"high_water": "equity_eod"}), "rules[0].high_water", "unknown key"),
        (document(TRAILING | {"lock": {"at": "the top"}}), "rules[0].lock.at", "must be one of initial"),
        (document(TRAILING | {"on_payout": "cheer"}), "rules[0].on_payout", "lock_at_initial"),
        (document({"rule": "no_such_rule"}), "rules[0].rule", "must be one of"),
        (document({}), "rules[0].rule", "rule is missing"),
        (document(warn_at=["0.90", "0.80"]), "warn_at", "ascend"),
        (document(warn_at=["1.5"]), "warn_at", "at most 1"),
        (document(clear_below="0.80"), "clear_below", "below the first step"),
        (document(initial_balance="0"), "initial_balance", "above zero"),
        (document(initial_balance="NaN"), "initial_balance", "decimal number"),
        (document(initial_balance=100000.0), "initial_balance", "as a string"),
        (document(version=0), "version", "at least 1"),
        (document(currency="dollars"), "currency", "currency code"),
        (document(trading_week=["mon", "moonday"]), "trading_week[1]", "must be one of"),
        (document(rules="none"), "rules", "must be a list"),
        (document("daily"), "rules[0]", "must be an object"),  # type: ignore[arg-type]
        (document({"rule": "max_positions"}), "rules[0].positions", "missing"),
        (document({"rule": "max_positions", "positions": 3, "lots": "1"}), "rules[0].lots", "unknown key"),
        (document(stale_after="soon"), "stale_after", "whole number"),
        (document(stale_after=10**400), "stale_after", "at most 1000000000"),
        (document(reset={"time": "T0000", "zone": "UTC"}), "reset.time", "wall time"),
        (document({"rule": "symbols", "allow": [1]}), "rules[0].allow", "list of words"),
        (document(HOURS | {"windows": [WINDOW | {"frm": "08:00"}]}), "rules[0].windows[0].frm", "unknown key"),
        (document(HOURS | {"windows": [WINDOW | {"to": "25:00"}]}), "rules[0].windows[0].to", "wall time"),
        (document(HOURS | {"windows": [WINDOW | {"days": ["moonday"]}]}), "rules[0].windows[0].days", "list of mon"),
        (document(HOURS | {"windows": ["always"]}), "rules[0].windows[0]", "must be an object"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], path: str, words: str) -> None:
    found = problems(given)
    assert words in found[path]


def test_every_problem_is_told_at_once() -> None:
    found = problems(document(DAILY | {"operator": "="}, frobnicate=1, version="three"))
    assert set(found) == {"rules[0].operator", "frobnicate", "version"}


def test_missing_keys_are_named() -> None:
    assert {"version", "currency", "initial_balance", "reset", "rules"} <= set(problems({}))


def test_a_fixed_zone_that_looks_like_a_city_is_warned_of() -> None:
    rule_set = parse_rule_set(document(reset={"time": "17:00", "zone": "EST"}))
    assert "fixed offset" in rule_set.warnings[0]
    assert parse_rule_set(document()).warnings == ()


def test_the_documented_example_is_read_and_its_other_rules_are_kept() -> None:
    others: list[dict[str, Any]] = [
        {"rule": "profit_target", "amount": {"percent": "10", "of": "initial"}, "requires_flat": True},
        {"rule": "min_trading_days", "days": 4, "counts": "opened"},
        {"rule": "time_limit", "days": 30, "from": "first_trade", "unit": "calendar"},
        {"rule": "max_lots_per_position", "lots": "10"},
        {"rule": "max_lots_total", "lots": "30", "count": "gross"},
        {"rule": "max_positions", "positions": 20},
        {"rule": "symbols", "allow": ["EURUSD", "GBPUSD"], "deny": ["BTCUSD"]},
        {
            "rule": "trading_hours",
            "zone": "UTC",
            "windows": [{"days": ["mon"], "from": "08:00", "to": "22:00"}],
            "outside": "flag",
        },
        {"rule": "flat_by", "day": "fri", "time": "21:55", "zone": "UTC", "warn_minutes": 30, "consequence": "close"},
        {
            "rule": "news_window",
            "before_minutes": 2,
            "after_minutes": 2,
            "impact": ["high"],
            "scope": "currency",
            "exempt_if_opened_before_hours": None,
            "consequence": "flag",
        },
        {"rule": "stop_loss_required", "within_seconds": 60, "consequence": "flag"},
        {"rule": "consistency", "best_day_share": "0.50", "of": "net", "consequence": "delay"},
        {"rule": "inactivity", "days": 30, "consequence": "fail"},
        {"rule": "soft_breaches", "allowed": 3},
    ]
    rule_set = parse_rule_set(document(DAILY, STATIC, *others, stale_after=30, fresh_for=60, count_credit=False))
    assert [rule.rule for rule in rule_set.loss_rules] == ["daily_loss", "max_loss"]
    assert [rule.rule for rule in rule_set.others] == [rule["rule"] for rule in others]
    assert rule_set.initial_balance == 10_000_000


def test_sentences_say_the_operator_in_words() -> None:
    rule_set = parse_rule_set(
        document(DAILY, TRAILING | {"operator": "<=", "lock": {"at": "initial", "offset": "0.00"}})
    )
    daily, trailing = map(rule_set.sentence, rule_set.loss_rules)
    assert daily == (
        "The challenge fails when equity falls below the balance at the start of the day "
        "less 5% of the initial balance."
    )
    assert "falls to or below the highest equity so far less 10% of the initial balance" in trailing
    assert "never rises above the initial balance" in trailing


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "golden").glob("*.json")), ids=lambda p: p.stem)
def test_golden_rule_sets_are_valid(path: Path) -> None:
    assert parse_rule_set(json.loads(path.read_text())["rules"]).rules

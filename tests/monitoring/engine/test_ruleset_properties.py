"""Whatever JSON is given: it is compiled, or refused with its problems; nothing else is ever raised."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from monitoring.engine.ruleset import RuleSet, RuleSetError, load_document, parse_rule_set
from tests.monitoring.engine.conftest import DAILY, STATIC, document

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner), max_leaves=12
)
SHARES = st.sampled_from(["0.1", "0.25", "0.50", "0.5", "1", "0", "2", "-1", "x"])
LOTS = st.sampled_from(["0.01", "1", "10", "10.0", "0", "-3", "0.000000001"])
CONSEQUENCES = st.sampled_from(["fail", "pause", "close", "flag", "delay", "shout"])
DAYS = st.lists(st.sampled_from(["mon", "tue", "fri", "sun"]), max_size=3)
ZONES = st.sampled_from(["UTC", "Europe/Prague", "EST", "Africa/Cairo", "Nowhere"])
WALLS = st.sampled_from(["00:00", "02:30", "21:55", "24:00", "08:00:00", "8"])
WORDS = st.lists(st.sampled_from(["EURUSD", "eurusd", "US30", "X Y"]), max_size=3)
OPERATORS = st.sampled_from(["<", "<=", ">"])
IMPACTS = st.lists(st.sampled_from(["high", "low"]), max_size=2)
NUMBERS = st.integers(-1, 40)


def rule(name: str, required: dict[str, Any] | None = None, **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"rule": st.just(name), **(required or {})}, optional=optional)


WINDOWS = st.lists(st.fixed_dictionaries({"days": DAYS, "from": WALLS, "to": WALLS}), max_size=3)
AMOUNTS = st.sampled_from(
    [
        {"percent": "5", "of": "initial"},
        {"percent": "5.0", "of": "initial"},
        {"fixed": "200"},
        {"percent": "500", "of": "initial"},
    ]
)
RULES = st.one_of(
    st.sampled_from([DAILY, STATIC, STATIC | {"mode": "trailing", "high_water": "equity_eod"}]),
    rule(
        "daily_loss",
        {"amount": AMOUNTS, "reference": st.just("initial"), "operator": OPERATORS, "consequence": CONSEQUENCES},
    ),
    rule("profit_target", {"amount": AMOUNTS}, requires_flat=st.booleans()),
    rule("min_trading_days", {"days": NUMBERS, "counts": st.sampled_from(["opened", "moved_day"])}, threshold=SHARES),
    rule("time_limit", {"days": NUMBERS, "from": st.just("created"), "unit": st.just("trading")}),
    rule("max_lots_total", {"lots": LOTS, "count": st.sampled_from(["gross", "net"])}, consequence=CONSEQUENCES),
    rule("max_positions", {"positions": NUMBERS}, consequence=CONSEQUENCES),
    rule("symbols", None, allow=WORDS, deny=WORDS, consequence=CONSEQUENCES),
    rule("trading_hours", {"zone": ZONES, "windows": WINDOWS}, outside=CONSEQUENCES),
    rule("flat_by", {"day": st.sampled_from(["fri", "day"]), "time": WALLS, "zone": ZONES}, warn_minutes=NUMBERS),
    rule("news_window", {"before_minutes": NUMBERS, "after_minutes": NUMBERS}, impact=IMPACTS),
    rule("news_window", {"before_minutes": NUMBERS, "after_minutes": NUMBERS}, exempt_if_opened_before_hours=NUMBERS),
    rule("stop_loss_required", {"within_seconds": NUMBERS}),
    rule("consistency", {"best_day_share": SHARES, "of": st.just("net")}, consequence=CONSEQUENCES),
    rule("inactivity", {"days": NUMBERS}),
    rule("soft_breaches", {"allowed": NUMBERS}, window_days=st.none() | NUMBERS),
)  # fmt: skip
DOCUMENTS = st.builds(
    lambda rules, changes: document(*rules, **changes) | {"rules": rules},
    st.lists(RULES, max_size=5),
    st.fixed_dictionaries(
        {},
        optional={
            "version": st.integers(1, 5),
            "reset": st.fixed_dictionaries({"time": WALLS, "zone": ZONES}),
            "trading_week": DAYS,
            "warn_at": st.lists(SHARES, max_size=2),
            "stale_after": NUMBERS,
        },
    ),
)
KEYS = st.sampled_from([*document(), "trading_week", "warn_at", "clear_below", "stale_after", "count_credit"])


def outcome(found: Any) -> RuleSet | RuleSetError:
    """What becomes of a document; anything else that is raised fails the test."""
    try:
        return parse_rule_set(found, today=date(2026, 11, 20))
    except RuleSetError as error:
        return error


def judge(found: Any) -> None:
    """Compiled, with a sentence and an identity for every rule; or refused with plain problems."""
    result = outcome(found)
    if isinstance(result, RuleSetError):
        assert result.errors
        assert all(message and len(message) < 2000 for _, message in result.errors)
        str(result).encode()  # can be printed and stored
        return
    assert len(result.identities) == len(set(result.identities)) == len(found["rules"])
    assert [entry.index for entry in result.rules] == list(range(len(found["rules"])))
    assert all(result.sentence(entry).endswith((".", ")")) for entry in result.rules)
    "\n".join(result.warnings).encode()


@given(JSON)
def test_any_json_is_refused_in_words(found: Any) -> None:
    judge(found)


@given(st.dictionaries(KEYS, JSON))
def test_any_value_at_any_key_is_refused_in_words(changes: dict[str, Any]) -> None:
    judge(document() | changes)


@given(RULES, st.data())
def test_any_value_in_a_rule_is_refused_in_words(entry: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from([*entry, "x"]))
    judge(document(entry | {key: data.draw(JSON)}))


@given(DOCUMENTS)
def test_a_document_of_known_rules_is_compiled_or_refused(found: dict[str, Any]) -> None:
    judge(found)


@given(DOCUMENTS)
def test_a_document_survives_its_text(found: dict[str, Any]) -> None:
    again = load_document(json.dumps(found))
    assert again == found
    first, second, turned = outcome(found), outcome(again), outcome(dict(reversed(again.items())))
    if isinstance(first, RuleSetError):
        assert str(first) == str(second)
    else:
        assert first == second
        assert isinstance(turned, RuleSet)
        assert turned.digest == first.digest


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    with suppress(RuleSetError):
        assert isinstance(load_document(text), dict)

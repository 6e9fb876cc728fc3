"""What a challenge asks, in words and live cells: operators said aloud, no room shown that is not there."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from accounts.models import Challenge, Phase, Plan, RuleSet
from monitoring import objectives
from monitoring.engine.events import EventKind, StandingState
from monitoring.objectives import Rule, Rulebook, words
from monitoring.objectives.positions import price
from tests.monitoring.book import row, standing


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


TARGET = Rule(2, "profit_target", "Profit target", "…")
LOTS = Rule(2, "max_lots_total", "Lots in all", "…")


def standing_cells(rule: Rule, **changes: Any) -> dict[str, str | int | float]:
    return objectives.live_cells(row("sim-1", standings=[standing(rule=rule.name, **changes)]), book(rule), "UTC")


def test_a_standing_is_shown_as_the_engine_told_it() -> None:
    found = standing_cells(TARGET, due_ms=1_795_129_200_000)
    assert (found["r2_value"], found["r2_limit"], found["r2_used"]) == ("1,200.00", "10,000.00", "12.0%")
    assert (found["r2_state"], found["r2_w"], found["r2_s"]) == ("On the way", 12, 0)
    assert found["r2_line"] == "Closed profit 1,200.00 of the target 10,000.00: 8,800.00 to go."
    assert found["r2_due"] == "2026-11-19 23:00:00 UTC"
    assert standing_cells(TARGET, share_points=None)["r2_used"] == "—"


def test_instants_and_losses_are_legible() -> None:
    reason = "the account must be flat by 2026-11-23T01:00:00Z; closed profit -5.25, days 2026-11-21 to 2026-11-22"
    found = standing_cells(TARGET, value="-5.25", limit="flat by 2026-11-23T01:00:00.000Z", reason=reason)
    assert (found["r2_value"], found["r2_limit"]) == ("−5.25", "flat by 2026-11-23 01:00:00 UTC")
    said = "The account must be flat by 2026-11-23 01:00:00 UTC; closed profit −5.25, days 2026-11-21 to 2026-11-22."
    assert found["r2_line"] == said


@pytest.mark.parametrize(
    ("rule", "changes", "severity"),
    [
        (TARGET, {"state": "met", "share_points": 10_000}, 0),
        (TARGET, {"state": "pending", "share_points": 9_900}, 0),
        (LOTS, {"state": "ok", "share_points": 8_999}, 0),
        (LOTS, {"state": "ok", "share_points": 10_000}, 1),
        (LOTS, {"state": "unknown", "share_points": 20_000}, 0),
        (LOTS, {"state": "violated", "consequence": "flag"}, 3),
        (LOTS, {"state": "violated", "consequence": "fail"}, 4),
    ],
)
def test_what_is_not_kept_is_grave_and_what_is_on_the_way_is_not(
    rule: Rule, changes: dict[str, Any], severity: int
) -> None:
    assert standing_cells(rule, **changes)["r2_s"] == severity


def test_every_state_of_a_standing_has_a_word() -> None:
    assert set(words.STANDING_WORDS) == {state.value for state in StandingState}
    assert set(words.EVENT_WORDS) == {kind.value for kind in EventKind}


def test_a_row_of_other_rules_than_the_books_tells_nothing_of_them() -> None:
    assert "r2_value" not in standing_cells(TARGET, index=1)
    found = objectives.live_cells(row("sim-1", standings=[standing()]), book(LOTS), "UTC")
    assert "r2_value" not in found


def test_other_rules_are_known_by_the_row_and_other_figures_are_not() -> None:
    made = row("sim-1", standings=[standing()])
    known = objectives.rules_of(made)
    assert objectives.rules_of(row("sim-1", 9_700_000, standings=[standing(value="1,300.00")])) == known
    for changes in ({"overridden": True}, {"rule_set_version": 2}, {"standings": [standing(consequence="flag")]}):
        assert objectives.rules_of(msgspec.structs.replace(made, **changes)) != known


def test_a_card_without_a_word_of_the_monitor_claims_nothing() -> None:
    (card,) = objectives.cards(book(TARGET), None)
    assert (card.key, card.value, card.line, card.w) == ("r2", "—", "—", 0)


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

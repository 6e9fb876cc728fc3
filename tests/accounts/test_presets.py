"""Every preset has sources, a date and a warning, and the engine reads every one of its documents."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from accounts import plans, presets
from accounts.models import User
from accounts.plans import PlanError, check_document, whole_document
from accounts.presets import PRESETS, Preset
from monitoring.engine.ruleset import LossRule, parse_rule_set
from tests.accounts.book import newest

EACH = pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.slug)


@EACH
def test_the_engine_takes_every_document(preset: Preset) -> None:
    for phase in preset.phases:
        for warning in check_document(phase.document):
            assert "fixed offset" in warning, warning  # on purpose where the firm's clock never changes


@EACH
def test_a_preset_says_where_it_is_from_and_to_check_it(preset: Preset) -> None:
    assert preset.verified == date(2026, 10, 4)
    assert preset.sources
    assert all(source.startswith("https://") for source in preset.sources)
    assert "Check with the firm" in preset.warnings[0]
    assert preset.notes


@EACH
def test_a_preset_in_money_is_worked_out_for_the_account_that_it_is_made_for(preset: Preset) -> None:
    named = preset.slug.rpartition("-")[2].removesuffix("k")
    assert preset.size == (f"{named}000.00" if preset.slug.endswith("k") else "100000.00")


@EACH
def test_a_day_starts_at_the_same_time_in_all_phases(preset: Preset) -> None:
    first, *others = [{**phase.document, "rules": []} for phase in preset.phases]
    assert all(one == first for one in others)


def test_slugs_are_given_once() -> None:
    assert len({preset.slug for preset in PRESETS}) == len(PRESETS) == 21


def losses(slug: str, phase: int = 0, balance: str = "100000.00") -> list[LossRule]:
    preset = presets.find(slug)
    assert preset is not None
    document = {**whole_document(preset.phases[phase].document), "initial_balance": balance}
    return list(parse_rule_set(document).loss_rules)


@pytest.mark.parametrize(
    ("slug", "balance", "anchor", "floor"),
    [  # the appendix's own examples, in cents
        ("ftmo-2-step", "100000.00", 102_000_00, 97_000_00),  # D1
        ("the5ers-high-stakes", "100000.00", 102_000_00, 96_900_00),  # D2: 5% of the reference
        ("fundingpips-2-step-3", "100000.00", 102_000_00, 98_940_00),  # D5
        ("ftmo-2-step", "200000.00", 204_000_00, 194_000_00),  # D8
        ("alpha-pro-10", "100000.00", 100_000_00, 95_000_00),  # D9
        ("apex-eod-25k", "25000.00", 25_000_00, 24_500_00),
    ],
)
def test_the_daily_floor_is_the_one_of_the_appendix(slug: str, balance: str, anchor: int, floor: int) -> None:
    daily = losses(slug, balance=balance)[0]
    initial = int(Decimal(balance) * 100)
    assert daily.rule == "daily_loss"
    assert daily.amount.floor_under(anchor, anchor if daily.amount.of == "reference" else initial) == floor


@pytest.mark.parametrize(
    ("slug", "mode", "high_water", "lock"),
    [
        ("ftmo-2-step", "static", "", None),
        ("ftmo-1-step", "trailing", "balance_eod", None),
        ("e8-one", "trailing", "balance_closed", 0),
        ("topstep-combine-50k", "trailing", "balance_eod", 0),
        ("apex-eod-50k", "trailing", "balance_eod", None),
        ("apex-intraday-50k", "trailing", "equity_intraday", None),
    ],
)
def test_the_maximum_loss_trails_as_the_appendix_says(slug: str, mode: str, high_water: str, lock: int | None) -> None:
    loss = losses(slug)[-1]
    assert (loss.rule, loss.mode, loss.high_water, loss.lock) == ("max_loss", mode, high_water, lock)


@pytest.mark.parametrize(
    ("slug", "sentences"),
    [
        (
            "ftmo-2-step",
            [
                "The challenge fails when equity falls below the balance at the start of the day less 5% of the "
                "initial balance.",
                "The challenge fails when equity falls below the initial balance less 10% of the initial balance.",
            ],
        ),
        (
            "e8-one",
            [
                "The challenge fails when equity falls below the balance at the start of the day less 4% of the "
                "initial balance.",
                "The challenge fails when equity falls below the highest closed balance so far less 6% of the initial "
                "balance, a floor that never rises above the initial balance.",
            ],
        ),
        (
            "apex-eod-25k",
            [
                "Trading pauses until the next trading day when equity falls below the balance at the start of the "
                "day less 500.00.",
                "The challenge fails when equity falls below the highest balance at the end of a day less 1,000.00.",
            ],
        ),
    ],
)
def test_the_limits_read_as_the_firm_means_them(slug: str, sentences: list[str]) -> None:
    preset = presets.find(slug)
    assert preset is not None
    rule_set = parse_rule_set(whole_document(preset.phases[0].document))
    said = [rule_set.sentence(rule) for rule in rule_set.loss_rules]
    assert [one.partition(" After a payout")[0].partition(" A payout")[0] for one in said] == sentences


@EACH
def test_every_rule_of_a_preset_can_be_said(preset: Preset) -> None:
    for phase in preset.phases:
        rule_set = parse_rule_set(whole_document(phase.document))
        for rule in rule_set.rules:
            assert rule_set.sentence(rule).endswith(".")


def test_only_the_end_of_day_programme_of_apex_pauses() -> None:
    paused = {preset.slug for preset in PRESETS for rule in losses(preset.slug) if rule.consequence == "pause"}
    assert paused == {f"apex-eod-{size}k" for size in (25, 50, 100, 150)}


def test_an_unverified_operator_is_said() -> None:
    known = {"ftmo-2-step", "ftmo-1-step"}
    for preset in PRESETS:
        assert any("not verified" in note for note in preset.notes) is (preset.slug not in known)


def test_a_plan_from_a_preset_says_so(people: dict[str, User]) -> None:
    head = people["head_of_risk"]
    plan = plans.create_from_preset("ftmo-2-step", "our-2-step", "Our 2-Step", head)
    assert (plan.preset, plan.phases.count()) == ("ftmo-2-step", 3)
    assert "2026-10-04" in newest(plan.phases.get(slug="phase-1")).reason
    with pytest.raises(PlanError, match="no preset"):
        plans.create_from_preset("nobody", "x", "X", head)

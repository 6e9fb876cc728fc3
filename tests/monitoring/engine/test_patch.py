"""Single rules of one account set apart from its plan."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.engine.ruleset import Override, RuleSetError, apply_overrides, parse_rule_set
from tests.monitoring.engine.conftest import DAILY, STATIC, document
from tests.monitoring.engine.test_ruleset_properties import DOCUMENTS

TIGHT = {"rule": "max_positions", "positions": 5}
WIDE = {"rule": "max_positions", "positions": 50}
LOOSER = DAILY | {"amount": {"percent": "8", "of": "initial"}}


def rules(*overrides: Override, given: dict[str, Any] | None = None) -> list[Any]:
    return list(apply_overrides(given or document(), overrides)["rules"])


def test_a_rule_is_replaced_in_its_place() -> None:
    assert rules(Override("daily_loss", 0, LOOSER)) == [LOOSER, STATIC]
    without_name = {key: value for key, value in LOOSER.items() if key != "rule"}
    assert rules(Override("daily_loss", 0, without_name)) == [LOOSER, STATIC]


def test_a_rule_can_be_taken_away() -> None:
    assert rules(Override("daily_loss", 0, None)) == [STATIC]
    assert rules(Override("inactivity", 0, None)) == [DAILY, STATIC]  # it was never there


def test_a_rule_that_the_plan_does_not_have_is_added() -> None:
    assert rules(Override("max_positions", 0, TIGHT)) == [DAILY, STATIC, TIGHT]


def test_ordinals_count_the_rules_of_the_plan_whatever_else_is_taken_away() -> None:
    given = document(TIGHT, DAILY, WIDE)
    overrides = (Override("max_positions", 0, None), Override("max_positions", 1, WIDE | {"positions": 60}))
    assert rules(*overrides, given=given) == [DAILY, WIDE | {"positions": 60}]


def test_of_several_overrides_of_one_rule_the_last_holds() -> None:
    assert rules(Override("daily_loss", 0, None), Override("daily_loss", 0, LOOSER)) == [LOOSER, STATIC]
    assert rules(Override("max_positions", 0, TIGHT), Override("max_positions", 0, None)) == [DAILY, STATIC]


@pytest.mark.parametrize(
    ("override", "path", "words"),
    [
        (Override("daily_loss", 0, STATIC), "overrides[0].replacement.rule", "must be daily_loss"),
        (Override("daily_loss", 0, []), "overrides[0].replacement", "must be an object or null"),  # type: ignore[arg-type]
        (Override("daily_loss", -1, None), "overrides[0].ordinal", "0 or more, is -1"),
    ],
)
def test_an_override_that_cannot_be_meant_is_refused(override: Override, path: str, words: str) -> None:
    with pytest.raises(RuleSetError) as caught:
        rules(override)
    ((where, message),) = caught.value.errors
    assert where == path
    assert words in message


def test_an_invalid_replacement_is_refused_where_the_document_is_validated() -> None:
    changed = apply_overrides(document(), [Override("daily_loss", 0, DAILY | {"operator": ">"})])
    with pytest.raises(RuleSetError) as caught:
        parse_rule_set(changed)
    assert caught.value.errors[0][0] == "rules[0].operator"


@given(DOCUMENTS, st.lists(st.tuples(st.sampled_from([DAILY, TIGHT]), st.integers(0, 3), st.booleans()), max_size=4))
def test_the_plan_s_document_is_never_changed(
    given: dict[str, Any], chosen: list[tuple[dict[str, Any], int, bool]]
) -> None:
    before = deepcopy(given)
    overrides = [Override(rule["rule"], place, rule if kept else None) for rule, place, kept in chosen]
    changed = apply_overrides(given, overrides)
    assert given == before
    assert {key: value for key, value in changed.items() if key != "rules"} == {
        key: value for key, value in given.items() if key != "rules"
    }
    if not overrides:
        assert changed == given

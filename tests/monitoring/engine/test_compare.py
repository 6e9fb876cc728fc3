"""What a new version changes, in sentences; nothing exactly if both mean the same."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.engine.ruleset import RuleSetError, differences, parse_rule_set
from monitoring.engine.ruleset.normal import normal
from tests.monitoring.engine.conftest import DAILY, STATIC, document
from tests.monitoring.engine.test_ruleset_properties import DOCUMENTS, JSON

FLAT = {"rule": "flat_by", "day": "fri", "time": "21:55", "zone": "UTC", "warn_minutes": 30}
POSITIONS = {"rule": "max_positions", "positions": 20}


def told(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str]]:
    return [(found.path, found.words) for found in differences(old, new)]


@pytest.mark.parametrize(
    ("new", "path", "words"),
    [
        (
            document(DAILY | {"amount": {"percent": "4", "of": "initial"}}, STATIC),
            "rules[0].amount",
            "Daily loss, amount: 4% of the initial balance instead of 5% of the initial balance.",
        ),
        (
            document(DAILY | {"operator": "<="}, STATIC),
            "rules[0].operator",
            "Daily loss, breached when the measured value: falls to or below instead of falls below.",
        ),
        (
            document(DAILY, STATIC | {"lock": {"at": "initial", "offset": "100"}}),
            "rules[1].lock",
            "Maximum loss, static, lock of the floor: at the initial balance plus 100.00 instead of none.",
        ),
        (
            document(reset={"time": "17:00", "zone": "UTC"}),
            "reset",
            "Start of the trading day: 17:00 UTC instead of 00:00 UTC.",
        ),
        (document(warn_at=["0.5"]), "warn_at", "Warnings: at 50% instead of at 80%, 90%, 95%."),
        (document(trading_week=["mon"]), "trading_week", "Trading week: Monday instead of Monday to Friday."),
        (document(stale_after=1), "stale_after", "Data is stale after: 1 second instead of 30 seconds."),
        (document(DAILY), "rules[1]", "Maximum loss, static: taken out. It said: The challenge fails when equity falls "
         "below the initial balance less 10% of the initial balance."),
        (document(DAILY, STATIC, POSITIONS), "rules[2]", "Open positions: added. A flag goes to the review queue when "
         "more than 20 positions are open."),
        (document(STATIC, DAILY), "rules", "The order of the rules is now: Maximum loss, static, Daily loss."),
    ],
)  # fmt: skip
def test_a_change_is_told_in_a_sentence(new: dict[str, Any], path: str, words: str) -> None:
    assert told(document(), new) == [(path, words)]


def test_before_and_after_stand_beside_each_other() -> None:
    (found,) = differences(document(FLAT), document(FLAT | {"time": "20:00"}))
    assert (found.title, found.before, found.after) == ("Flat by", "21:55", "20:00")


def test_rules_of_one_name_are_matched_in_their_order() -> None:
    old = document(DAILY, POSITIONS, POSITIONS | {"positions": 30, "consequence": "fail"})
    new = document(POSITIONS, DAILY, POSITIONS | {"positions": 31, "consequence": "fail"})
    assert [found.path for found in differences(old, new)] == ["rules[2].positions", "rules"]


@pytest.mark.parametrize(
    "same",
    [
        document(version=9),
        document(DAILY | {"amount": {"percent": "5.00", "of": "initial"}}, STATIC | {"lock": "none"}),
        document(STATIC | {"on_payout": "shift", "lock": None}, DAILY)["rules"][::-1],
        document(trading_week=["fri", "mon", "tue", "wed", "thu"], stale_after=30, count_credit=False),
        document(reset={"time": "00:00:00", "zone": "UTC"}),
    ],
)
def test_what_means_the_same_is_no_change(same: Any) -> None:
    given = same if isinstance(same, dict) else document(*same)
    assert told(document(), given) == []


def plain(found: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in normal(found).items() if key != "version"}, sort_keys=True)


@given(DOCUMENTS, DOCUMENTS)
def test_there_is_a_difference_exactly_if_the_meaning_differs(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert not told(old, deepcopy(old))
    assert bool(told(old, new)) == (plain(old) != plain(new))
    assert bool(told(old, new)) == bool(told(new, old))


@given(st.dictionaries(st.sampled_from(["rules", "reset", "version", "x"]), JSON), DOCUMENTS)
def test_any_two_documents_can_be_compared(odd: dict[str, Any], valid: dict[str, Any]) -> None:
    assert bool(told(odd, valid)) == (plain(odd) != plain(valid))
    assert all(words and path for path, words in told(valid, odd))


@given(DOCUMENTS)
def test_the_normal_form_means_the_same(given: dict[str, Any]) -> None:
    try:
        rule_set = parse_rule_set(given)
    except RuleSetError:
        return
    again = parse_rule_set(normal(given))
    assert again.digest == rule_set.digest
    assert again.identities == rule_set.identities
    assert normal(normal(given)) == normal(given)

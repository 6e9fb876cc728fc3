"""A rule that nothing reaches comes and goes: whatever else an account is judged by tells the same."""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any

import pytest

from monitoring.engine.rules import change_rules
from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.snapshot import Snapshot
from tests.monitoring.engine.others_generate import Day, draw_day
from tests.monitoring.engine.others_names import instant
from tests.monitoring.engine.test_others_oracle import apply, told

UNREACHED = {"rule": "max_positions", "positions": 1_000_000}
LENGTH = 120


def play(day: Day, changes: Collection[int] = ()) -> list[tuple[Any, ...]]:
    """What is told of a day; before each of some frames the rule comes, or goes."""
    snapshot = Snapshot()
    snapshot.add("acc_1", parse_rule_set(day.document), created=day.created)
    there, newest, heard = False, instant(day.frames[0]["ts"]), []
    for number, frame in enumerate(day.frames):
        if number in changes:
            there = not there
            rules = [*day.document["rules"], *([UNREACHED] if there else [])]
            rule_set = parse_rule_set({**day.document, "version": number, "rules": rules})
            heard += [told(event) for event in change_rules(snapshot, "acc_1", rule_set, newest)]
        heard += [told(event) for event in apply(snapshot, frame)]
        newest = max(newest, instant(frame["ts"]))
    return heard


@pytest.mark.parametrize("part", range(4))
def test_what_an_unrelated_change_tells_of_the_other_rules(part: int) -> None:
    for seed in range(190 + part * 30, 220 + part * 30):
        day = draw_day(seed, LENGTH)
        if all(rule["rule"] != UNREACHED["rule"] for rule in day.document["rules"]):
            changes = random.Random(seed).sample(range(2, LENGTH), 3)
            assert play(day, changes) == play(day), f"seed {seed}, changes before {sorted(changes)}"

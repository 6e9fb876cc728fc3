"""What judged a challenge at an instant can be told for ever: it is what was in force then."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import challenges, moves, overrides, plans
from accounts.models import Challenge, RuleOverride, RuleSet, User
from accounts.rulebooks import document_of, likeness, rulebook, rulebook_at
from monitoring.engine.ruleset import parse_rule_set
from tests.accounts.book import AT, a_challenge, daily_of, newest, phase_of

names = count()
RULES: dict[str, list[dict[str, Any] | None]] = {
    "max_positions": [{"positions": 3}, {"positions": 5}],
    "profit_target": [None, {"amount": {"percent": "8", "of": "initial"}}],
    "max_lots_total": [{"lots": "3", "count": "net"}],
}
setting = st.tuples(
    st.just("set"),
    st.sampled_from([(name, one) for name, found in RULES.items() for one in found]),
    st.none() | st.integers(1, 5),
)
ending = st.tuples(st.just("end"), st.integers(0, 9), st.none())
moving = st.tuples(st.just("move"), st.integers(0, 2), st.none())
steps = st.lists(setting | ending | moving, min_size=1, max_size=8)


@pytest.fixture
def versions(people: dict[str, User]) -> list[RuleSet]:
    phase, head = phase_of(), people["head_of_risk"]
    return [
        newest(phase),
        *(plans.publish(phase, daily_of(newest(phase).document, percent), head, "v") for percent in "43"),
    ]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_history_says_what_was_in_force(people: dict[str, User], versions: list[RuleSet], steps: list[Any]) -> None:
    head, account = people["head_of_risk"], f"acc_{next(names)}"
    challenge = a_challenge(account)
    told: list[Any] = []
    for number, step in enumerate(steps):
        instant = AT + timedelta(minutes=number + 1)
        do(challenge, step, head, versions, number)
        told.append((instant, challenges.rule_set_document(Challenge.objects.get(pk=challenge.pk), instant)))
    later = Challenge.objects.get(pk=challenge.pk)
    assert [rulebook_at(later, instant) for instant, _ in told] == [document for _, document in told]
    assert rulebook_at(later, AT)["rules"] == document_of(later, challenge.rule_set)["rules"]
    for _, document in told:
        parse_rule_set(document)


def do(challenge: Challenge, step: Any, head: User, versions: list[RuleSet], number: int) -> None:
    """One act on the challenge, at its own minute."""
    kind, what, minutes = step
    at = AT + timedelta(minutes=number + 1)
    if kind == "set":
        rule, replacement = what
        ends = at + timedelta(minutes=minutes) if minutes else None
        overrides.set_override(challenge.account, rule, 0, replacement, head, "r", ends, at)
    elif kind == "end":
        open_ones = [one for one in RuleOverride.objects.filter(challenge=challenge) if overrides.holds(one, at)]
        if open_ones:
            overrides.end_override(open_ones[what % len(open_ones)], head, "r", at)
    else:
        moves.move_challenges([challenge], versions[what], head, "r", at)


def test_only_what_is_judged_alike_is_alike(people: dict[str, User]) -> None:
    head, one, other = people["head_of_risk"], a_challenge(), a_challenge("acc_2")
    assert likeness(one, []) == likeness(other, [])
    assert likeness(one, []) != likeness(a_challenge("acc_3", currency="EUR"), [])
    made = overrides.set_override(one.account, "max_positions", 0, {"positions": 3}, head, "r")
    assert likeness(one, [made]) != likeness(one, [])


def test_a_challenge_keeps_the_rulebook_that_it_failed_under(people: dict[str, User]) -> None:
    """Whoever disputes a breach under a tighter rule finds that rule on his page, also when its end date has passed."""
    head, challenge = people["head_of_risk"], a_challenge()
    first, breach, last = (AT + timedelta(hours=hours) for hours in (1, 2, 3))
    overrides.set_override(challenge.account, "profit_target", 0, None, head, "until the breach", first, AT)
    overrides.set_override(challenge.account, "max_positions", 0, {"positions": 3}, head, "probation", last, AT)
    challenges.fail(challenge, "4 positions", breach)
    failed = Challenge.objects.get(pk=challenge.pk)
    judged = [rule["rule"] for rule in rulebook_at(failed, breach)["rules"]]
    assert judged == ["daily_loss", "max_loss", "profit_target", "max_positions"]
    for later in (last, last + timedelta(days=30)):
        assert [rule["rule"] for rule in rulebook(failed, later)["rules"]] == judged

"""The rulebook of an account: each rule's own sentence, and what sets it apart from its plan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import Account, RuleOverride, User
from accounts.overrides import end_override, set_override
from monitoring import objectives
from monitoring.objectives import Rulebook
from monitoring.objectives.rulebook import set_apart
from tests.monitoring.book import adopt

pytestmark = pytest.mark.django_db

STATIC: dict[str, Any] = {
    "mode": "static",
    "amount": {"percent": "6", "of": "initial"},
    "measured": "equity",
    "operator": "<=",
    "consequence": "fail",
}


@pytest.fixture
def officer() -> User:
    return User.objects.create_user("risk", first_name="Rita", last_name="Sommer")


@pytest.fixture
def account() -> Account:
    return adopt("sim-1")


def book(account: Account, at: datetime | None = None) -> Rulebook:
    found = objectives.rulebook(account, at)
    assert found is not None
    return found


def test_every_rule_of_the_plan_has_its_sentence(account: Account) -> None:
    found = book(account)
    assert [(rule.index, rule.title) for rule in found.rules] == [
        (0, "Daily loss"),
        (1, "Maximum loss, static"),
        (2, "Profit target"),
    ]
    assert found.rules[1].sentence.endswith("falls below the initial balance less 10% of the initial balance.")
    assert "at or above 10% of the initial balance" in found.rules[2].sentence
    assert [(rule.loss, rule.objective, rule.measurable) for rule in found.rules[1:]] == [
        (True, False, True),
        (False, True, True),
    ]
    assert (found.version, found.overridden, found.left_out) == (1, False, ())


def test_a_replaced_rule_says_who_why_until_when_and_what_the_plan_says(account: Account, officer: User) -> None:
    now = datetime.now(UTC)
    set_override(account, "max_loss", 0, STATIC, officer, "second chance", now + timedelta(days=9), now)
    found = book(account)
    rule = found.rules[1]
    assert rule.sentence == (
        "The challenge fails when equity falls to or below the initial balance less 6% of the initial balance."
    )
    assert rule.apart is not None
    assert (rule.apart.author, rule.apart.reason) == ("Rita Sommer", "second chance")
    assert (rule.apart.since, rule.apart.ends_at) == (now, now + timedelta(days=9))
    assert rule.apart.instead.endswith("falls below the initial balance less 10% of the initial balance.")
    assert found.overridden
    assert [one.apart for one in (found.rules[0], found.rules[2])] == [None, None]
    later = book(account, now + timedelta(days=9))
    assert not later.overridden
    assert "10%" in later.rules[1].sentence


def test_a_rule_that_does_not_apply_is_said_beside_the_others(account: Account, officer: User) -> None:
    now = datetime.now(UTC)
    set_override(account, "daily_loss", 0, None, officer, "swing account", at=now)
    set_override(account, "max_loss", 0, STATIC, officer, "tighter", at=now)
    found = book(account)
    assert [rule.index for rule in found.rules] == [0, 1]
    assert found.rules[0].apart is not None
    assert found.rules[1].apart is None
    (gone,) = found.left_out
    assert (gone.title, gone.apart.reason) == ("Daily loss", "swing account")
    assert "less 5% of the initial balance" in gone.sentence


def test_a_further_rule_has_nothing_of_the_plan_in_its_place(account: Account, officer: User) -> None:
    now = datetime.now(UTC)
    set_override(account, "max_positions", 0, {"positions": 3}, officer, "agreed", at=now)
    rule = book(account).rules[3]
    assert (rule.index, rule.title) == (3, "Open positions")
    assert rule.apart is not None
    assert (rule.apart.author, rule.apart.instead) == ("Rita Sommer", "")


def test_the_end_of_an_override_brings_the_plan_back(account: Account, officer: User) -> None:
    now = datetime.now(UTC)
    made = set_override(account, "max_loss", 0, STATIC, officer, "second chance", at=now)
    end_override(made, officer, "used up", now + timedelta(seconds=1))
    assert not book(account, now + timedelta(seconds=2)).overridden


def test_an_override_is_said_though_the_plan_alone_cannot_be_used(officer: User) -> None:
    now = datetime.now(UTC)
    override = RuleOverride(rule="profit_target", ordinal=0, reason="no target", author=officer, starts_at=now)
    marks, (gone,) = set_apart({"rules": [{"rule": "profit_target"}]}, [override])
    assert (marks, gone.title, gone.sentence) == ({}, "Profit target", "")
    assert gone.apart.reason == "no target"

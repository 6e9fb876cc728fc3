"""One rule of one account apart from its plan: who, why, until when, and what the rulebook says with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import challenges, overrides
from accounts.models import AuditEntry, Challenge, RuleOverride, User
from accounts.overrides import OverrideError, active, end_override, end_overrides, set_override, set_overrides
from accounts.rulebooks import document_of, rulebook, rulebook_at
from monitoring.engine.ruleset import parse_rule_set
from tests.accounts.book import AT, a_challenge

LATER = AT + timedelta(hours=1)
HALF = {"reference": "day_start_balance", "amount": {"percent": "2.5", "of": "initial"}, "measured": "equity"}
HALF |= {"operator": "<", "consequence": "fail"}


@pytest.fixture
def officer(people: dict[str, User]) -> User:
    return people["risk_officer"]


def rules(challenge: Challenge, at: datetime = LATER) -> list[dict[str, Any]]:
    return list(challenges.rule_set_document(Challenge.objects.get(pk=challenge.pk), at)["rules"])


def test_a_rule_is_replaced_in_its_place(officer: User) -> None:
    challenge = a_challenge()
    made = set_override(challenge.account, "daily_loss", 0, HALF, officer, "on probation", at=AT)
    assert [rule["rule"] for rule in rules(challenge)] == ["daily_loss", "max_loss", "profit_target"]
    assert rules(challenge)[0]["amount"]["percent"] == "2.5"
    assert rules(challenge, AT - timedelta(seconds=1))[0]["amount"]["percent"] == "5"
    assert (made.author, made.reason, made.replacement and made.replacement["rule"]) == (
        officer,
        "on probation",
        "daily_loss",
    )
    entry = AuditEntry.objects.get(verb="override_set")
    assert (entry.actor, entry.target, entry.detail["rule"]) == (officer, "acc_1", "daily_loss")


def test_a_rule_can_be_left_out_and_one_be_added(officer: User) -> None:
    challenge = a_challenge()
    set_override(challenge.account, "profit_target", 0, None, officer, "a demonstration", at=AT)
    set_override(challenge.account, "max_positions", 0, {"positions": 3}, officer, "agreed", at=AT)
    set_override(challenge.account, "max_positions", 1, {"positions": 5}, officer, "agreed too", at=AT)
    assert [rule["rule"] for rule in rules(challenge)] == ["daily_loss", "max_loss", "max_positions", "max_positions"]


def test_a_further_rule_is_changed_in_its_place_also_when_one_before_it_has_ended(officer: User) -> None:
    account = a_challenge().account
    made = [
        set_override(account, "max_positions", number, {"positions": 3 + number}, officer, "r", at=AT)
        for number in range(3)
    ]
    end_override(made[0], officer, "over", AT + timedelta(minutes=1))
    set_override(account, "max_positions", 2, {"positions": 4}, officer, "tighter", at=LATER)
    challenge = Challenge.objects.get()
    found = [rule["positions"] for rule in rules(challenge) if rule["rule"] == "max_positions"]
    assert found == [4, 4]
    with pytest.raises(OverrideError, match="a further one has number 0"):
        set_override(account, "max_positions", 3, {"positions": 9}, officer, "r", at=LATER)


def test_an_end_date_ends_it_without_anybody(officer: User) -> None:
    challenge = a_challenge()
    set_override(challenge.account, "daily_loss", 0, HALF, officer, "for an hour", LATER, AT)
    last, first = LATER - timedelta(microseconds=1), LATER
    assert rules(challenge, last)[0]["amount"]["percent"] == "2.5"
    assert rules(challenge, first)[0]["amount"]["percent"] == "5"
    again = set_override(challenge.account, "daily_loss", 0, HALF, officer, "once more", at=LATER + timedelta(hours=1))
    old = RuleOverride.objects.exclude(pk=again.pk).get()
    assert (old.ended_at, old.ended_by, old.end_reason) == (LATER, None, "Its end date.")


def test_a_second_one_ends_the_first(officer: User, people: dict[str, User]) -> None:
    challenge, head = a_challenge(), people["head_of_risk"]
    first = set_override(challenge.account, "daily_loss", 0, HALF, officer, "one", at=AT)
    set_override(challenge.account, "daily_loss", 0, None, head, "two", at=LATER)
    first.refresh_from_db()
    assert (first.ended_at, first.ended_by, first.end_reason) == (LATER, head, "Replaced: two")
    assert [rule["rule"] for rule in rules(challenge)] == ["max_loss", "profit_target"]


def test_it_is_ended_with_a_reason_and_once(officer: User) -> None:
    challenge = a_challenge()
    made = set_override(challenge.account, "daily_loss", 0, HALF, officer, "one", at=AT)
    with pytest.raises(OverrideError, match="Say why"):
        end_override(made, officer, "")
    end_override(made, officer, "probation is over", LATER)
    assert active(Challenge.objects.get(pk=challenge.pk), LATER) == []
    assert rulebook_at(challenge, LATER - timedelta(seconds=1))["rules"][0]["amount"]["percent"] == "2.5"
    with pytest.raises(OverrideError, match="ended already") as caught:
        end_override(made, officer, "again")
    assert caught.value.conflict
    assert AuditEntry.objects.filter(verb="override_ended").count() == 1


@pytest.mark.parametrize(
    ("rule", "ordinal", "replacement", "path"),
    [
        ("daily_loss", 0, {**HALF, "amount": {"percent": "500", "of": "initial"}}, "amount.percent"),
        ("daily_loss", 0, {**HALF, "surprise": 1}, "surprise"),
        ("daily_loss", 0, {**HALF, "rule": "max_loss"}, "rule"),
        ("daily_loss", 2, HALF, "ordinal"),
        ("daily_loss", -1, HALF, "ordinal"),
        ("daily_loss", True, HALF, "ordinal"),
        ("max_positions", 0, None, "ordinal"),
        ("max_positions", 0, {"positions": 0}, "positions"),
        ("max_positions", 0, {"positions": "3\0"}, "positions"),
        ("max_positions", 0, ["no"], "replacement"),
        ("no_such_rule", 0, {}, "rule"),
        ("", 0, {}, "rule"),
        ("trading_hours", 0, {"zone": "Mars/Base", "windows": []}, "zone"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    officer: User, rule: str, ordinal: int, replacement: Any, path: str
) -> None:
    account = a_challenge().account
    with pytest.raises(OverrideError) as caught:
        set_override(account, rule, ordinal, replacement, officer, "why not", at=AT)
    assert path in [found for found, _ in caught.value.errors]
    assert not RuleOverride.objects.exists()


def test_an_end_lies_ahead_and_says_its_zone(officer: User) -> None:
    account = a_challenge().account
    for wrong in (AT, AT - timedelta(days=1), datetime(2026, 12, 1)):
        with pytest.raises(OverrideError) as caught:
            set_override(account, "daily_loss", 0, HALF, officer, "why", wrong, AT)
        assert caught.value.errors[0][0] == "ends_at"


def test_an_account_without_a_running_challenge_is_named(officer: User) -> None:
    challenge = a_challenge()
    challenges.fail(challenge, "max loss", AT)
    with pytest.raises(OverrideError, match="no running challenge") as caught:
        set_override(challenge.account, "daily_loss", 0, HALF, officer, "too late")
    assert caught.value.conflict


def test_many_are_set_all_or_none(officer: User) -> None:
    good, funded = a_challenge(), a_challenge("acc_2", group="two-step/funded")
    accounts = [good.account, funded.account]
    made = set_overrides(accounts, "max_positions", 0, {"positions": 3}, officer, "crowded", at=AT)
    assert len(made) == AuditEntry.objects.filter(verb="override_set").count() == 2
    with pytest.raises(OverrideError) as caught:
        set_overrides(accounts, "profit_target", 0, None, officer, "none for these", at=LATER)
    assert [path for path, _ in caught.value.errors] == ["acc_2.ordinal"]
    assert rules(good)[2]["rule"] == "profit_target"
    assert len(end_overrides(made, officer, "over", LATER)) == 2


def test_what_was_fetched_along_is_not_asked_for_again(officer: User) -> None:
    challenge = a_challenge()
    set_override(challenge.account, "daily_loss", 0, HALF, officer, "one", at=AT)
    found = Challenge.objects.select_related("account", "rule_set").prefetch_related("overrides").get(pk=challenge.pk)
    with CaptureQueriesContext(connection) as asked:
        document = challenges.rule_set_document(found, LATER)
    assert document["rules"][0]["amount"]["percent"] == "2.5"
    assert len(asked) == 0


def test_a_monitor_is_told_of_its_server_only(officer: User) -> None:
    account = a_challenge().account
    with CaptureQueriesContext(connection) as asked:
        overrides.set_override(account, "daily_loss", 0, HALF, officer, "one", at=AT)
    told = [query["sql"] for query in asked if "pg_notify" in query["sql"]]
    assert len(told) == 1
    assert "'main'" in told[0]


TARGET = {"amount": {"percent": "8", "of": "initial"}}


def test_a_rule_that_needs_anothers_absence_cannot_outlive_it(people: dict[str, User]) -> None:
    """Two profit targets contradict each other: the account would have no rulebook from then on."""
    head, challenge = people["head_of_risk"], a_challenge()
    day = timezone.now() + timedelta(days=1)
    overrides.set_override(challenge.account, "profit_target", 0, None, head, "a while without", day)
    with pytest.raises(OverrideError) as caught:
        overrides.set_override(challenge.account, "profit_target", 1, TARGET, head, "another one")
    assert "a second profit target" in str(caught.value)
    assert "when another override has ended" in str(caught.value)
    overrides.set_override(challenge.account, "profit_target", 1, TARGET, head, "as long as that", day)
    for instant in (None, day, day + timedelta(days=1)):
        parse_rule_set(rulebook(Challenge.objects.get(), instant))


def test_what_another_override_rests_on_is_not_ended_before_it(people: dict[str, User]) -> None:
    head, challenge = people["head_of_risk"], a_challenge()
    without = overrides.set_override(challenge.account, "profit_target", 0, None, head, "r")
    other = overrides.set_override(challenge.account, "profit_target", 1, TARGET, head, "r")
    with pytest.raises(OverrideError) as caught:
        overrides.end_override(without, head, "r")
    assert caught.value.conflict
    assert caught.value.errors[0][0].startswith("acc_1.rules[")
    overrides.end_overrides([without, other], head, "both")
    assert rulebook(Challenge.objects.get()) == document_of(Challenge.objects.get())


def test_many_are_ended_in_a_few_statements(
    people: dict[str, User], django_assert_max_num_queries: Callable[[int], AbstractContextManager[Any]]
) -> None:
    head = people["head_of_risk"]
    accounts = [a_challenge(f"acc_{number}").account for number in range(30)]
    made = overrides.set_overrides(accounts, "max_positions", 0, {"positions": 3}, head, "r")
    with django_assert_max_num_queries(12):
        ended = overrides.end_overrides(made, head, "r")
        assert {one.author.username for one in ended} == {"head_of_risk"}

"""Running challenges go to another version only on purpose, all or none, and the history knows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts import challenges, moves, overrides, plans
from accounts.challenges import Listing, adopt_many
from accounts.models import AuditEntry, Challenge, RuleSet, RuleSetMove, Server, User
from accounts.moves import MoveError
from accounts.rulebooks import rule_set_at, rulebook_at
from tests.accounts.book import AT, a_challenge, a_document, daily_of, newest, phase_of

LATER = AT + timedelta(hours=2)


@pytest.fixture
def head(people: dict[str, User]) -> User:
    return people["head_of_risk"]


def tighter(challenge: Challenge, head: User, percent: str = "4") -> RuleSet:
    return plans.publish(challenge.rule_set.phase, daily_of(challenge.rule_set.document, percent), head, "tighter")


def test_a_move_pins_the_new_version_and_says_why(head: User) -> None:
    challenge = a_challenge()
    second = tighter(challenge, head)
    assert moves.move_challenges([challenge], second, head, "agreed with the traders", LATER) == 1
    challenge.refresh_from_db()
    assert challenge.rule_set == second
    move = RuleSetMove.objects.get()
    assert (move.moved_from.version, move.moved_to.version, move.at, move.author) == (1, 2, LATER, head)
    entry = AuditEntry.objects.get(verb="challenge_moved")
    assert (entry.target, entry.detail["from"], entry.detail["to"]) == ("acc_1", "v1", "two-step/phase-1 v2")


def test_those_that_are_there_already_are_left_alone(head: User) -> None:
    old = a_challenge()
    second = tighter(old, head)
    new = a_challenge("acc_2")
    assert moves.move_challenges([old.pk, new.pk], second, head, "all of them") == 1
    assert RuleSetMove.objects.count() == 1
    assert moves.move_challenges([old.pk, new.pk], second, head, "once more") == 0


def test_one_that_cannot_go_keeps_all(head: User) -> None:
    runs, ended = a_challenge(), a_challenge("acc_2")
    second = tighter(runs, head)
    funded = a_challenge("acc_3", group="two-step/funded")
    challenges.fail(ended, "max loss", AT)
    with pytest.raises(MoveError) as caught:
        moves.move_challenges([runs, ended, funded, 999_999], second, head, "everybody")
    assert {path for path, _ in caught.value.errors} == {"", "acc_2", "acc_3"}
    runs.refresh_from_db()
    assert runs.rule_set.version == 1


def test_a_move_needs_a_reason(head: User) -> None:
    challenge = a_challenge()
    with pytest.raises(MoveError, match="Say why"):
        moves.move_challenges([challenge], tighter(challenge, head), head, "  ")


def test_overrides_go_along(head: User) -> None:
    challenge = a_challenge()
    best_day = {"best_day_share": "0.5", "of": "net"}
    overrides.set_override(challenge.account, "consistency", 0, best_day, head, "agreed", at=AT)
    second = plans.publish(challenge.rule_set.phase, a_document("8"), head, "other")
    assert moves.move_challenges([challenge], second, head, "stays valid", LATER) == 1
    document = challenges.rule_set_document(Challenge.objects.get(pk=challenge.pk), LATER)
    assert [rule["rule"] for rule in document["rules"]] == ["daily_loss", "max_loss", "profit_target", "consistency"]
    assert document["version"] == 2


def test_the_rulebook_of_any_instant_can_be_told(head: User) -> None:
    challenge = a_challenge()
    first = challenge.rule_set
    second, third = tighter(challenge, head), tighter(challenge, head, "3")
    moves.move_challenges([challenge], second, head, "one", LATER)
    moves.move_challenges([challenge], third, head, "two", LATER + timedelta(hours=1))
    challenge = Challenge.objects.get(pk=challenge.pk)
    told = [rule_set_at(challenge, AT + timedelta(hours=hours)) for hours in (0, 1, 2, 2.5, 3, 9)]
    assert told == [first, first, second, second, third, third]
    assert rulebook_at(challenge, LATER)["rules"][0]["amount"]["percent"] == "4"
    assert rulebook_at(challenge, AT)["version"] == 1


def test_what_judged_before_a_move_stays_as_it_was(head: User) -> None:
    challenge = a_challenge()
    first = challenge.rule_set
    moves.move_challenges([challenge], tighter(challenge, head), head, "on", LATER)
    for change in (
        lambda: RuleSet.objects.filter(pk=first.pk).update(document={}),
        lambda: RuleSetMove.objects.update(reason="another"),
        lambda: RuleSetMove.objects.all().delete(),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()
    with pytest.raises(ValidationError, match="new version"):
        RuleSet.objects.get(pk=first.pk).save()


def test_a_thousand_are_moved_in_a_few_statements(
    head: User, django_assert_max_num_queries: Callable[[int], AbstractContextManager[object]]
) -> None:
    server = Server.objects.create(name="main", kind="fxsocket")
    listings = [Listing(f"a{number}", f"a{number}", "", "", "USD", Decimal(100_000)) for number in range(1000)]
    made = adopt_many(server, listings, at=AT)
    second = plans.publish(phase_of(), daily_of(newest(phase_of()).document, "4"), head, "tighter")
    with django_assert_max_num_queries(20):
        assert moves.move_challenges(made.values(), second, head, "all") == 1000
    assert AuditEntry.objects.filter(verb="challenge_moved").count() == 1000

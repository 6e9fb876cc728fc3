"""A version is made on purpose, is valid, differs, says why, and never touches what runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from accounts import plans
from accounts.models import AuditEntry, Phase, Role, RuleSet, RuleSetDraft, User
from accounts.plans import PlanError
from tests.accounts.book import a_challenge, a_document, daily_of, newest, phase_of, with_rule


@pytest.fixture
def head(people: dict[str, User]) -> User:
    return people["head_of_risk"]


def test_a_publication_is_the_next_version_with_author_and_reason(head: User) -> None:
    phase = phase_of()
    first = newest(phase)
    made = plans.publish(phase, daily_of(first.document, "4"), head, " tighter for Q4 ")
    assert (made.version, made.author, made.reason) == (2, head, "tighter for Q4")
    assert newest(phase) == made
    first.refresh_from_db()
    assert first.document["rules"][0]["amount"]["percent"] == "5"
    entry = AuditEntry.objects.get(verb="rule_set_published")
    assert (entry.actor, entry.target, entry.detail["reason"]) == (head, "two-step/phase-1", "tighter for Q4")


def test_new_challenges_get_the_new_version_and_old_ones_keep_theirs(head: User) -> None:
    old = a_challenge()
    plans.publish(old.rule_set.phase, daily_of(old.rule_set.document, "4"), head, "tighter")
    assert a_challenge().rule_set.version == 1
    assert a_challenge("acc_2").rule_set.version == 2


def test_nothing_new_is_no_version(head: User) -> None:
    phase = phase_of()
    document = {**newest(phase).document, "version": 9, "currency": "EUR", "initial_balance": "50000.00"}
    with pytest.raises(PlanError, match="Nothing differs from version 1") as caught:
        plans.publish(phase, document, head, "again")
    assert caught.value.conflict
    assert phase.rule_sets.count() == 1


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (with_rule(a_document(), 0, amount={"percent": "500", "of": "initial"}), "rules[0].amount.percent"),
        (with_rule(a_document(), 1, operator="=="), "rules[1].operator"),
        (a_document(reset={"time": "00:00", "zone": "Europe/Atlantis"}), "reset.zone"),
        (a_document(surprise=1), "surprise"),
        (a_document(rules=[{"rule": "max_positions", "positions": -1}]), "rules[0].positions"),
        (a_document(rules=[{"rule": "symbols", "allow": ["EUR\0"], "deny": []}]), "rules[0].allow[0]"),
        (a_document(rules=[{"rule": "symbols", "allow": ["\ud800"], "deny": []}]), "rules[0].allow[0]"),
        (a_document(fresh_for=10**400), "fresh_for"),
        (a_document(fresh_for=float("nan")), "fresh_for"),
    ],
)
def test_what_the_engine_would_not_take_is_refused_by_path(head: User, document: dict[str, Any], path: str) -> None:
    phase = phase_of()
    with pytest.raises(PlanError) as caught:
        plans.publish(phase, document, head, "why not")
    assert path in [where for where, _ in caught.value.errors]
    assert phase.rule_sets.count() == 1
    assert not AuditEntry.objects.filter(verb="rule_set_published").exists()


def test_endless_nesting_is_refused(head: User) -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    with pytest.raises(PlanError, match="nested too deep"):
        plans.publish(phase_of(), a_document(rules=deep), head, "why not")


@pytest.mark.parametrize("reason", ["", "   ", "x" * 2001, "a\0b"])
def test_a_publication_needs_a_reason_that_can_be_kept(head: User, reason: str) -> None:
    with pytest.raises(PlanError) as caught:
        plans.publish(phase_of(), a_document("8"), head, reason)
    assert caught.value.errors[0][0] == "reason"


def test_the_engines_warnings_come_along(head: User) -> None:
    made = plans.publish(phase_of(), a_document(reset={"time": "17:00", "zone": "EST"}), head, "US day")
    assert any(warning.startswith("reset.zone:") for warning in made.warnings)


def test_who_began_from_an_older_version_is_told(head: User) -> None:
    phase = phase_of()
    plans.publish(phase, a_document("9"), head, "first", base_version=1)
    with pytest.raises(PlanError, match="Version 2 was published meanwhile") as caught:
        plans.publish(phase, a_document("8"), head, "second", base_version=1)
    assert caught.value.conflict


@pytest.mark.django_db(transaction=True)
def test_two_publications_at_once_make_two_versions() -> None:
    head = User.objects.create_user("head", role=Role.HEAD_OF_RISK)
    phase = phase_of()
    barrier = Barrier(2)

    def work(target: str) -> int:
        try:
            barrier.wait(10)
            return plans.publish(phase, a_document(target), head, "at once").version
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(work, ("7", "8"))) == [2, 3]


def test_a_draft_may_be_wrong_and_goes_with_the_publication(head: User) -> None:
    phase = phase_of()
    plans.save_draft(phase, {"rules": "not yet"}, head)
    draft = plans.save_draft(phase, a_document("7"), head)
    assert (draft.base_version, RuleSetDraft.objects.count()) == (1, 1)
    plans.publish(phase, draft.document, head, "done", base_version=draft.base_version)
    assert not RuleSetDraft.objects.exists()


def test_somebody_elses_draft_outlives_a_publication_that_is_not_its_own(head: User) -> None:
    phase = phase_of()
    other = User.objects.create_user("second_head", role=Role.HEAD_OF_RISK)
    plans.save_draft(phase, a_document("7"), other)
    plans.publish(phase, a_document("8"), head, "by the API")
    draft = RuleSetDraft.objects.get()
    assert (draft.author, draft.base_version, draft.document) == (other, 1, a_document("7"))
    plans.publish(phase, a_document("7"), head, "the same by another way")
    assert not RuleSetDraft.objects.exists()


@pytest.mark.parametrize("document", [["a list"], {"rules": "\0"}, {"a": float("inf")}, None])
def test_a_draft_that_cannot_be_stored_is_refused(head: User, document: Any) -> None:
    with pytest.raises(PlanError):
        plans.save_draft(phase_of(), document, head)


def test_a_draft_can_be_thrown_away(head: User) -> None:
    phase = phase_of()
    plans.save_draft(phase, a_document("7"), head)
    assert plans.discard_draft(phase, head) is True
    assert plans.discard_draft(phase, head) is False


def test_the_newest_version_is_the_highest(head: User) -> None:
    phase = Phase.objects.create(plan=phase_of().plan, slug="late", name="Late", order=9)
    assert plans.newest_rule_set(phase) is None
    for version in (2, 10, 9):
        RuleSet.objects.create(phase=phase, version=version, document=a_document())
    assert newest(phase).version == 10

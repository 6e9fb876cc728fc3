"""Plans come and change whole, and nothing that judged somebody goes away."""

from __future__ import annotations

from typing import Any

import pytest

from accounts import plans
from accounts.models import AuditEntry, Plan, User
from accounts.plans import PlanError
from tests.accounts.book import a_challenge, a_document, a_plan, newest, phase_of


@pytest.fixture
def head(people: dict[str, User]) -> User:
    return people["head_of_risk"]


def slugs(plan: Plan) -> list[str]:
    return list(plan.phases.order_by("order").values_list("slug", flat=True))


def test_a_plan_comes_with_its_phases_and_first_versions(head: User) -> None:
    plan = a_plan(head)
    assert slugs(plan) == ["first", "funded"]
    assert [newest(phase).author for phase in plan.phases.all()] == [head, head]
    assert AuditEntry.objects.get(verb="plan_created").target == "swing"


def test_a_phase_without_a_document_begins_without_rules(head: User) -> None:
    plan = plans.create_plan("bare", "Bare", [{"slug": "only", "name": "Only", "document": None}], head)
    assert newest(plan.phases.get()).document["rules"] == []


def test_everything_wrong_is_said_at_once_and_nothing_made(head: User) -> None:
    wrong = a_document(rules=[{"rule": "max_lots_per_position", "lots": "-1"}])
    phases: list[dict[str, Any]] = [
        {"slug": "First Phase", "name": "", "document": wrong},
        {"slug": "a", "name": "A", "document": None},
        {"slug": "a", "name": "B", "document": None},
    ]
    with pytest.raises(PlanError) as caught:
        plans.create_plan("../x", "n" * 121, phases, head)
    paths = {path for path, _ in caught.value.errors}
    assert paths == {"slug", "name", "phases[0].slug", "phases[0].name", "phases[0].rules[0].lots", "phases[2].slug"}
    assert not Plan.objects.filter(slug="../x").exists()


def test_a_slug_is_given_once(head: User) -> None:
    a_plan(head)
    with pytest.raises(PlanError, match="already a plan swing") as caught:
        a_plan(head)
    assert caught.value.conflict


def test_a_copy_has_the_newest_documents(head: User) -> None:
    plan = a_plan(head)
    plans.publish(plan.phases.get(slug="first"), a_document("7"), head, "lower target")
    copy = plans.copy_plan(plan, "swing-2", "Swing 2", head)
    assert newest(copy.phases.get(slug="first")).document["rules"][2]["amount"]["percent"] == "7"
    assert newest(copy.phases.get(slug="first")).version == 1


def test_a_name_changes_and_the_slug_stays(head: User) -> None:
    plan = plans.rename_plan(a_plan(head), "Swing Trader", head)
    assert (plan.slug, plan.name) == ("swing", "Swing Trader")
    assert AuditEntry.objects.get(verb="plan_renamed").detail == {"from": "Swing", "to": "Swing Trader"}


def test_an_archived_plan_is_kept_and_can_come_back(head: User) -> None:
    plan = plans.archive_plan(a_plan(head), head, "no longer sold")
    assert plan.archived_at is not None
    assert plans.restore_plan(plan, head).archived_at is None
    with pytest.raises(PlanError):
        plans.archive_plan(plan, head, " ")


def test_phases_are_added_renamed_put_in_order_and_removed(head: User) -> None:
    plan = a_plan(head)
    added = plans.add_phase(plan, "middle", "Middle", head, a_document("5"))
    plans.reorder_phases(plan, ["first", "middle", "funded"], head)
    assert slugs(plan) == ["first", "middle", "funded"]
    assert plans.rename_phase(added, "In between", head).name == "In between"
    plans.remove_phase(added, head, "one too many")
    assert slugs(plan) == ["first", "funded"]


@pytest.mark.parametrize("order", [[], ["first"], ["first", "first"], ["first", "funded", "x"]])
def test_an_order_names_every_phase_once(head: User, order: list[str]) -> None:
    plan = a_plan(head)
    with pytest.raises(PlanError, match="Name each phase once"):
        plans.reorder_phases(plan, order, head)


def test_a_phase_that_judged_somebody_stays(head: User) -> None:
    challenge = a_challenge()
    with pytest.raises(PlanError, match="1 challenge rests on Phase 1") as caught:
        plans.remove_phase(challenge.rule_set.phase, head, "away")
    assert caught.value.conflict


def test_the_last_phase_stays(head: User) -> None:
    plan = plans.create_plan("bare", "Bare", [{"slug": "only", "name": "Only"}], head)
    with pytest.raises(PlanError, match="at least one phase"):
        plans.remove_phase(plan.phases.get(), head, "away")


def test_a_phase_is_called_once_in_a_plan(head: User) -> None:
    with pytest.raises(PlanError, match="a phase first already"):
        plans.add_phase(a_plan(head), "first", "Again", head)


def test_the_default_plan_stays_as_people_made_it(head: User) -> None:
    plan = phase_of().plan
    plans.remove_phase(phase_of("phase-2"), head, "we sell one step")
    plans.reorder_phases(plan, ["funded", "phase-1"], head)
    plans.ensure_default_plans()
    assert slugs(plan) == ["funded", "phase-1"]

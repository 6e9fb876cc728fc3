"""A plan goes out as JSON and comes in again whole, or is refused with the path of everything that is wrong."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import plans
from accounts.models import Phase, Plan, User
from accounts.plans import PlanError
from accounts.plans.exchange import _read
from tests.accounts.book import a_document, a_plan, newest


@pytest.fixture
def head(people: dict[str, User]) -> User:
    return people["head_of_risk"]


def test_what_goes_out_comes_in_again(head: User) -> None:
    plan = a_plan(head)
    plans.publish(plan.phases.get(slug="first"), a_document("7"), head, "lower target")
    out = json.loads(json.dumps(plans.export_plan(plan)))
    assert out["phases"][0]["version"] == 2
    again = plans.import_plan({**out, "slug": "swing-2"}, head)
    assert [newest(phase).document for phase in again.phases.order_by("order")] == [
        newest(phase).document for phase in plan.phases.order_by("order")
    ]


def test_a_phase_without_rules_comes_in_again_as_a_blank_one(head: User) -> None:
    plan = a_plan(head)
    Phase.objects.create(plan=plan, slug="late", name="Late", order=9)
    again = plans.import_plan({**plans.export_plan(plan), "slug": "swing-2"}, head)
    assert newest(again.phases.get(slug="late")).document["rules"] == []


@pytest.mark.parametrize(
    ("where", "value", "path"),
    [
        (("slug",), "No Slug", "slug"),
        (("slug",), 5, "slug"),
        (("extra",), 1, "extra"),
        (("format",), "other/9", "format"),
        (("phases",), {}, "phases"),
        (("phases",), [5], "phases[0]"),
        (("phases", 0, "name"), "", "phases[0].name"),
        (("phases", 0, "version"), "two", "phases[0].version"),
        (("phases", 0, "warnat"), [], "phases[0].warnat"),
        (("phases", 1, "rules", 0, "operator"), None, "phases[1].rules[0].operator"),
        (("phases", 0, "rules", 2), {"rule": "max_lots_per_position", "lots": "-3"}, "phases[0].rules[2].lots"),
        (("phases", 0, "reset", "zone"), "Nowhere/City", "phases[0].reset.zone"),
        (("name",), "a\0b", "name"),
    ],
)
def test_what_is_wrong_is_said_by_path(head: User, where: tuple[Any, ...], value: Any, path: str) -> None:
    data: Any = deepcopy({**plans.export_plan(a_plan(head)), "slug": "other"})
    place = data
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    with pytest.raises(PlanError) as caught:
        plans.import_plan(data, head)
    assert path in [found for found, _ in caught.value.errors]
    assert not Plan.objects.filter(slug="other").exists()


def test_a_slug_that_is_taken_is_refused_unless_asked_for(head: User) -> None:
    plan = a_plan(head)
    data = plans.export_plan(plan)
    with pytest.raises(PlanError, match="already a plan"):
        plans.import_plan(data, head)
    data["phases"][0]["clear_below"] = "0.70"
    data["phases"].append({"slug": "third", "name": "Third", **a_document("3")})
    plans.import_plan(data, head, update=True, reason="from the repository")
    versions = {phase.slug: newest(phase).version for phase in plan.phases.all()}
    assert versions == {"first": 2, "funded": 1, "third": 1}
    assert newest(plan.phases.get(slug="first")).reason == "from the repository"


def test_an_update_takes_over_names_too(head: User) -> None:
    plan = a_plan(head)
    data = plans.export_plan(plan)
    data["phases"][0]["name"] = "Evaluation"
    plans.import_plan(data, head, update=True)
    assert [phase.name for phase in plan.phases.order_by("order")] == ["Evaluation", "Funded"]
    assert plans.export_plan(plan) == data


@pytest.mark.parametrize(
    ("change", "path"), [({"name": 5}, "phases[2].name"), ({"name": " "}, "phases[2].name"), ({}, "phases[2].slug")]
)
def test_an_update_is_as_strict_about_phases_as_a_new_plan(head: User, change: dict[str, Any], path: str) -> None:
    """The same phase twice would make two versions of it, of which the first is nobody's."""
    plan = a_plan(head)
    data = plans.export_plan(plan)
    data["phases"].append({**data["phases"][0], "clear_below": "0.70", **change})
    with pytest.raises(PlanError) as caught:
        plans.import_plan(data, head, update=True)
    assert path in {one for one, _ in caught.value.errors}
    assert newest(plan.phases.get(slug="first")).version == 1


def test_an_update_with_an_error_changes_nothing(head: User) -> None:
    plan = a_plan(head)
    data = plans.export_plan(plan)
    data["phases"][0]["clear_below"] = "0.70"
    data["phases"].append({"slug": "BAD", "name": "Third", **a_document("3")})
    with pytest.raises(PlanError) as caught:
        plans.import_plan(data, head, update=True)
    assert caught.value.errors[0][0] == "phases[2].slug"
    assert newest(plan.phases.get(slug="first")).version == 1


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["slug", "name", "phases", "rules", "rule", "reset", "x"]), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(anything)
def test_no_json_makes_a_defect(data: Any) -> None:
    with pytest.raises(PlanError) as caught:
        _read(data)
    assert caught.value.errors

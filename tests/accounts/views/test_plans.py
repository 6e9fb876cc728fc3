"""The pages of plans: list, plan, presets, versions; who may read and who may write."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts import plans
from accounts.models import Plan, User

SignedIn = Callable[[str], Client]


@pytest.fixture
def plan(people: dict[str, User]) -> Plan:
    return plans.ensure_default_plans()


def test_the_list_shows_every_phase_with_its_newest_version(signed_in: SignedIn, plan: Plan) -> None:
    page = signed_in("risk_officer").get("/plans/").content.decode()
    for phase in ("phase-1", "phase-2", "funded"):
        assert f'data-phase="{phase}"' in page
    assert "New plan" not in page


def test_the_list_is_a_file_too(signed_in: SignedIn, plan: Plan) -> None:
    answer = signed_in("auditor").get("/plans/?format=csv")
    lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert lines[0].startswith("plan,name,state,phase")
    assert len(lines) == 4


def test_a_plan_shows_its_rules_in_words_with_a_worked_example(signed_in: SignedIn, plan: Plan) -> None:
    page = signed_in("risk_officer").get("/plans/two-step/").content.decode()
    assert "falls below the floor" in page
    assert "Edit rules" not in page
    assert "Edit rules" in signed_in("head_of_risk").get("/plans/two-step/").content.decode()

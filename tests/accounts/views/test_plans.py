"""The pages of plans: list, plan, presets, versions; who may read and who may write."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts import plans
from accounts.models import Plan, User

SignedIn = Callable[[str], Client]


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


def test_what_holds_for_all_rules_stands_with_them(signed_in: SignedIn, plan: Plan) -> None:
    officer = signed_in("risk_officer")
    for path in ("/plans/two-step/", "/plans/two-step/versions/phase-1/1/", "/plans/presets/?q=FTMO+2-Step"):
        page = officer.get(path).content.decode()
        assert "Start of the trading day:</span> 00:00 Europe/Prague" in page
        assert "Warnings:</span> at 80%, 90%, 95%" in page
        assert "Trading week:</span> Monday to Friday" in page
    page = officer.get("/plans/presets/?q=blue").content.decode()
    assert "Start of the trading day:</span> 17:00 America/New_York" in page


@pytest.mark.parametrize("size", ["0", "0.001", "-5", "NaN", "Infinity", "1e5", "1e999", "many", "50,000", "9" * 40])
def test_a_strange_size_of_the_example_is_no_defect(signed_in: SignedIn, plan: Plan, size: str) -> None:
    client = signed_in("risk_officer")
    for path in ("/plans/two-step/", "/plans/two-step/versions/phase-1/1/"):
        page = client.get(path, {"size": size, "currency": "eur"}).content.decode()
        assert "No sentence" not in page
        assert "EUR" in page


def test_the_worked_example_uses_the_size_asked_for(signed_in: SignedIn, plan: Plan) -> None:
    page = signed_in("risk_officer").get("/plans/two-step/?size=50000").content.decode()
    assert "floor 47,500.00" in page
    assert "floor 45,000.00" in page


@pytest.mark.parametrize("query", ["sort=x", "page=-1", "state=sold", "format=xml", "q=%00", "sort=-running&state=all"])
def test_a_wrong_filter_is_said_and_no_defect(signed_in: SignedIn, plan: Plan, query: str) -> None:
    assert signed_in("auditor").get(f"/plans/?{query}").status_code == 200
    assert signed_in("auditor").get(f"/plans/?{query}&format=csv").status_code in {200, 400}


def test_a_plan_that_nobody_knows_is_not_found(signed_in: SignedIn, plan: Plan) -> None:
    client = signed_in("head_of_risk")
    for path in ("nobody/", "two-step/nobody/edit/", "nobody/export.json", "two-step/versions/nobody/1/"):
        assert client.get(f"/plans/{path}").status_code == 404


def test_without_any_plan_the_page_says_how_to_make_one(signed_in: SignedIn) -> None:
    assert "There is no plan yet" in signed_in("head_of_risk").get("/plans/").content.decode()


def test_the_examples_of_a_preset_and_of_its_plan_are_for_its_size(
    signed_in: SignedIn, people: dict[str, User]
) -> None:
    plans.create_from_preset("apex-eod-25k", "apex", "Apex", people["head_of_risk"])
    for path in ("/plans/presets/?q=apex+eod+25k", "/plans/apex/"):
        page = signed_in("head_of_risk").get(path).content.decode()
        assert "Daily loss, on an account of 25,000.00 USD" in page
        assert "floor 24,500.00 (day-start balance 25,000.00 less 500.00)" in page


@pytest.mark.parametrize("path", ["/plans/", "/plans/lab/", "/plans/two-step/phase-1/edit/", "/plans/presets/"])
def test_the_navigation_says_plans_on_every_page_of_plans(
    signed_in: SignedIn, plan: Plan, people: dict[str, User], path: str
) -> None:
    plans.create_plan("lab", "Lab", [{"slug": "one", "name": "One"}], people["head_of_risk"])
    page = signed_in("head_of_risk").get(path).content.decode()
    kind = "page" if path == "/plans/" else "true"
    assert f'<a href="/plans/" aria-current="{kind}">Plans</a>' in page
    assert page.count("aria-current=") == 1

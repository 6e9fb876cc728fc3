"""The pages of plans in a real browser: made from a preset, edited live, reviewed, published; legible, accessible."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from accounts import plans
from accounts.models import Plan, User
from tests.e2e.conftest import Visit, axe, shoot

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture
def plan(people: dict[str, User]) -> Plan:
    return plans.ensure_default_plans()


def saved(page: Page) -> None:
    """Wait until what was typed is kept."""
    expect(page.locator("#status")).to_contain_text("saved")


@pytest.mark.parametrize("dark", [True, False], ids=["dark", "light"])
@pytest.mark.parametrize("wide", [1600, 1280])
def test_every_page_is_legible_and_accessible(
    visit: Visit, plan: Plan, people: dict[str, User], dark: bool, wide: int
) -> None:
    head, phase = people["head_of_risk"], plan.phases.get(slug="phase-1")
    document = {**phase.rule_sets.get().document}
    document["rules"] = [
        *document["rules"],
        {"rule": "trading_hours", "zone": "EST", "windows": [
            {"days": ["mon", "tue"], "from": "08:00", "to": "12:00"},
            {"days": ["mon"], "from": "11:00", "to": "13:00"}]},
        {"rule": "news_window", "before_minutes": 2, "after_minutes": 2},
        {"rule": "max_lots_total", "lots": "-3", "count": "gross"},
    ]  # fmt: skip
    name = f"{'dark' if dark else 'light'}-{wide}"
    page, complaints = visit("/plans/", head, wide=wide, high=900, dark=dark), list[str]()
    for path, shot in (
        ("/plans/", "list"), ("/plans/two-step/", "plan"), ("/plans/new/", "new"), ("/plans/presets/", "presets"),
        ("/plans/new/json/", "import"), ("/plans/two-step/versions/phase-1/1/", "version"),
        ("/plans/two-step/phase-1/edit/", "edit"),
    ):  # fmt: skip
        page.goto(visit.web.url + path)
        shoot(page, f"plans-{shot}-{name}")
        complaints += [f"{path}: {said}" for said in axe(page)]
    plans.save_draft(phase, document, head)
    for path, shot in (
        ("/plans/two-step/phase-1/edit/", "edit-wrong"), ("/plans/two-step/phase-1/edit/json/", "json"),
        ("/plans/two-step/phase-1/review/", "review-wrong"),
    ):  # fmt: skip
        page.goto(visit.web.url + path)
        page.screenshot(path=f"test-artifacts/plans-{shot}-{name}.png", full_page=True)
        complaints += [f"{path}: {said}" for said in axe(page)]
    assert complaints == []

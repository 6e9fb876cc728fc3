"""The pages of plans in a real browser: made from a preset, edited live, reviewed, published; legible, accessible."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from accounts import plans
from accounts.models import Plan, User
from tests.e2e.conftest import ARTIFACTS, Visit, axe, shoot
from tests.monitoring.test_whatif import at_equity, started

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture
def plan(people: dict[str, User]) -> Plan:
    return plans.ensure_default_plans()


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
        page.screenshot(path=ARTIFACTS / f"plans-{shot}-{name}.png", full_page=True)
        complaints += [f"{path}: {said}" for said in axe(page)]
    assert complaints == []


def test_nothing_is_beside_the_page_at_four_times_the_size(visit: Visit, plan: Plan, people: dict[str, User]) -> None:
    page = visit("/plans/", people["head_of_risk"], wide=320, high=256)
    for path in ("/plans/", "/plans/two-step/", "/plans/presets/", EDIT, "/plans/two-step/versions/phase-1/1/"):
        page.goto(visit.web.url + path)
        root = "document.documentElement"
        assert page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") == 0, path
    assert axe(page) == []


EDIT, REVIEW = "/plans/two-step/phase-1/edit/", "/plans/two-step/phase-1/review/"


def test_the_sentence_and_the_errors_follow_what_is_typed(visit: Visit, plan: Plan, people: dict[str, User]) -> None:
    page = visit(EDIT, people["head_of_risk"])
    field, says = page.locator("#rules-0-amount-percent"), page.locator("#rules-0-amount-percent-says")
    field.fill("500")
    expect(says).to_contain_text("must be above 0 and at most 100")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#status")).to_contain_text("1 error")
    expect(field).to_be_focused()
    field.fill("4")
    expect(says).to_be_empty()
    expect(field).not_to_have_attribute("aria-invalid", "true")
    expect(page.locator("#rules-0-said")).to_contain_text("less 4% of the initial balance")
    expect(field).to_be_focused()
    page.locator("#reset-zone").fill("EST")
    expect(page.locator("#reset-zone-says")).to_contain_text("daylight")
    page.reload()
    expect(field).to_have_value("4")  # the draft has it


def test_fields_that_do_not_apply_are_hidden(visit: Visit, plan: Plan, people: dict[str, User]) -> None:
    page = visit(EDIT, people["head_of_risk"])
    mark = page.locator("#rules-1-high_water")
    expect(mark).to_be_hidden()
    page.locator("#rules-1-mode").select_option("trailing")
    expect(mark).to_be_visible()
    expect(page.locator("#rules-1-high_water-says")).to_contain_text("missing")
    mark.select_option("equity_eod")
    expect(page.locator("#rules-1-said")).to_contain_text("highest equity at the end of a day")
    page.locator("#rules-0-amount-kind").select_option("fixed")
    expect(page.locator("#rules-0-amount-percent")).to_be_hidden()
    page.locator("#rules-0-amount-fixed").fill("2500")
    expect(page.locator("#rules-0-said")).to_contain_text("2,500")


def test_rules_are_added_and_removed_by_keyboard(visit: Visit, plan: Plan, people: dict[str, User]) -> None:
    page = visit(EDIT, people["head_of_risk"])
    page.locator("#add").select_option("trading_hours")
    page.get_by_role("button", name="Add it").press("Enter")
    expect(page.locator("#rules-3")).to_be_focused()
    page.get_by_role("button", name="Add hours").press("Enter")
    expect(page.locator("#rules-3-windows-1-from")).to_have_value("08:00")
    page.locator("#rules-3-windows-1-from").fill("7 o'clock")
    expect(page.locator("#rules-3-windows-1-from-says")).to_contain_text("wall time")
    page.get_by_role("button", name=re.compile("Remove.*Trading hours")).press("Enter")
    expect(page.locator("#rules-3")).to_have_count(0)


def test_everything_works_without_javascript(
    browser: Browser, visit: Visit, plan: Plan, people: dict[str, User], redis_url: str
) -> None:
    at_equity(started("acc_1"), 95_500.0)
    page = visit(EDIT, people["head_of_risk"])
    plain = browser.new_context(java_script_enabled=False)
    plain.add_cookies(page.context.cookies())  # type: ignore[arg-type]  # the same shape
    page = plain.new_page()
    page.goto(visit.web.url + EDIT)
    page.locator("#rules-0-amount-percent").fill("500")
    page.get_by_role("button", name="Save the draft").click()
    expect(page.locator("#rules-0-amount-percent-says")).to_contain_text("must be above 0")
    page.locator("#rules-0-amount-percent").fill("4")
    page.get_by_role("button", name="Save and review").click()
    expect(page.locator("#changes")).to_contain_text("4%")
    page.get_by_role("link", name="Compute it").click()
    expect(page.locator("#preview")).to_have_attribute("data-breaches", "1")
    page.go_back()
    page.get_by_label("Reason").fill("tighter")
    page.get_by_role("button", name="Publish version 2").click()
    expect(page.locator("h1")).to_contain_text("version 2")
    plain.close()


@pytest.mark.parametrize("dark", [True, False], ids=["dark", "light"])
def test_the_review_shows_whom_it_would_hurt_and_a_move_wants_the_number(
    visit: Visit, plan: Plan, people: dict[str, User], redis_url: str, dark: bool
) -> None:
    for number, equity in enumerate((95_500.0, 96_500.0, 99_000.0, 95_800.0, 96_700.0)):
        at_equity(started(f"84100{number}"), equity)
    started("841009")
    name = "dark" if dark else "light"
    page = visit(EDIT, people["head_of_risk"], dark=dark)
    page.locator("#rules-0-amount-percent").fill("4")
    page.get_by_role("button", name="Save and review").click()
    expect(page.locator("#changes li")).to_have_count(1)
    preview = page.locator("#preview")
    expect(preview).to_have_attribute("data-finished", "")
    expect(preview).to_have_attribute("data-breaches", "2")
    expect(preview.locator('tr[data-account="841000"]')).to_have_attribute("data-verdict", "breach")
    page.screenshot(path=ARTIFACTS / f"plans-review-{name}-1600.png", full_page=True)
    assert axe(page) == []
    preview.get_by_label("Show").select_option("warn")
    expect(preview.locator("tbody tr")).to_have_count(2)
    page.get_by_label("Reason").fill("Losses were too high in October.")
    page.get_by_role("button", name="Publish version 2").click()
    expect(page.locator(".messages")).to_contain_text("Version 2 is published")
    page.screenshot(path=ARTIFACTS / f"plans-published-{name}-1600.png", full_page=True)
    assert axe(page) == []
    page.get_by_role("link", name=re.compile("Move running challenges to it")).click()
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_have_attribute("data-breaches", "2")
    page.screenshot(path=ARTIFACTS / f"plans-move-{name}-1600.png", full_page=True)
    assert axe(page) == []
    page.get_by_label("Reason").fill("The new terms hold for all.")
    visit.expected.append("409")
    page.get_by_role("button", name="Move 6 challenges").click()
    expect(page.locator(".errors")).to_contain_text("type 2 if that is meant")
    page.set_viewport_size({"width": 1280, "height": 720})
    page.screenshot(path=ARTIFACTS / f"plans-move-{name}-1280.png", full_page=True)
    assert axe(page) == []
    page.get_by_label("How many would be in breach at once").fill("2")
    page.get_by_role("button", name="Move 6 challenges").click()
    expect(page.locator(".messages")).to_contain_text("6 challenges are judged by version 2")

"""What somebody types before the scripts of a page have run is not lost."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from accounts import plans
from accounts.models import Phase, RuleSetDraft, User
from tests.accounts.book import newest
from tests.e2e.conftest import Visit
from tests.monitoring.wire import Wire
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


class Slow:
    """Holds htmx back, and with it every script of the page, until told to let it go."""

    def __init__(self, page: Page) -> None:
        self.page, self.held = page, list[Route]()
        page.route("**/htmx*.js", self._hold)

    def open(self, url: str) -> None:
        self.page.goto(url, wait_until="commit")
        eventually(self._asked)

    def _hold(self, route: Route) -> None:
        self.held.append(route)

    def _asked(self) -> bool:
        self.page.evaluate("0")  # the browser's requests are handled while we wait for it
        return bool(self.held)

    def go(self) -> None:
        for route in self.held:
            route.continue_()


def test_what_was_typed_early_is_checked(visit: Visit, people: dict[str, User]) -> None:
    plans.ensure_default_plans()
    page = visit("/plans/", people["head_of_risk"])
    slow = Slow(page)
    slow.open(f"{visit.web.url}/plans/two-step/phase-1/edit/")
    page.locator("#rules-0-amount-percent").fill("500")
    slow.go()
    expect(page.locator("#rules-0-amount-percent-says")).to_contain_text("must be above 0 and at most 100")


def test_a_search_that_was_typed_early_filters(visit: Visit, people: dict[str, User], wire: Wire) -> None:
    page = visit("/plans/", people["risk_officer"])
    slow = Slow(page)
    slow.open(f"{visit.web.url}/desk/")
    page.locator("#search").fill("nobody")
    slow.go()
    expect(page.locator("#search")).to_have_value("nobody")
    page.wait_for_url("**/desk/?*q=nobody*")


def test_a_page_that_nobody_touched_asks_for_nothing(visit: Visit, people: dict[str, User]) -> None:
    plans.ensure_default_plans()
    page = visit("/plans/", people["head_of_risk"])
    asked = list[str]()
    page.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    page.goto(f"{visit.web.url}/plans/two-step/phase-1/edit/", wait_until="networkidle")
    assert [line for line in asked if line.startswith("POST")] == []


def test_a_value_that_its_field_cannot_hold_is_not_taken_for_typed(visit: Visit, people: dict[str, User]) -> None:
    plans.ensure_default_plans()
    phase = Phase.objects.get(plan__slug="two-step", slug="phase-1")
    document = {**newest(phase).document, "reset": {"time": "00:00", "zone": "Europe/\nPrague"}}
    stamp = plans.save_draft(phase, document, people["head_of_risk"]).updated_at
    page = visit("/audit/?target=%0Anowhere", people["head_of_risk"])
    page.wait_for_load_state("networkidle")
    expect(page).to_have_url(f"{visit.web.url}/audit/?target=%0Anowhere")
    page.goto(f"{visit.web.url}/plans/two-step/phase-1/edit/", wait_until="networkidle")
    assert RuleSetDraft.objects.get().updated_at == stamp

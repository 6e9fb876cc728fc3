"""The book's pages in a real browser: usable, readable for everybody, nothing against the policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from accounts import audit, calendar, symbols, tokens
from accounts.models import Role, Server, User
from tests.accounts.conftest import PASSWORD

pytestmark = [pytest.mark.e2e, pytest.mark.urls("tests.accounts.urls")]
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
# Chromium logs every answer that is no success.
EXPECTED = ("status of 403", "status of 404", "status of 422", "status of 429")


@pytest.fixture
def address(transactional_db: None, live_server: LiveServer) -> str:
    """A served book with a head of risk and a log of 60 entries, made before the browser's loop runs."""
    User.objects.create_user("head", password=PASSWORD, role=Role.HEAD_OF_RISK)
    for number in range(60):
        audit.record("RiskDesk", "challenge_failed", f"acc_{number}", {"reason": "equity 94,812.00 below 95,000.00"})
    fill_the_book()
    return str(live_server.url)


@pytest.fixture
def browser(address: str, chromium: str) -> Iterator[Browser]:
    """Chromium, gone before the database is emptied."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=["dark", "light"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that must end without a console error, a page error or a violation of the policy."""
    page = browser.new_page(color_scheme=request.param, reduced_motion="reduce", locale="en-GB")
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield page
    assert [one for one in problems if not any(word in one for word in EXPECTED)] == []


def assert_accessible(page: Page) -> None:
    """No violation by axe-core's rules."""
    page.evaluate(AXE)
    answer: dict[str, Any] = page.evaluate("tags => axe.run(document, {runOnly: tags})", TAGS)
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in answer["violations"]] == []


def sign_in(page: Page, password: str) -> None:
    page.get_by_label("Username").fill("head")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def fill_the_book() -> None:
    """A server with names, a calendar with a live announcement, a revoked token."""
    head, server = User.objects.get(username="head"), Server.objects.create(name="main", kind="fxsocket")
    symbols.set_names(server, {"GOLD.x": "XAUUSD", "DAX": "GER40"}, head)
    soon = (timezone.now() + timedelta(minutes=30)).isoformat()
    news = f"uid,at,currency,impact,title,symbols\nnfp,{soon},USD,high,Payrolls,US30\ncpi,{soon},EUR,low,CPI,\n"
    calendar.import_news_csv(news, head, "week.csv")
    today = timezone.now().date()
    calendar.import_holidays_csv(
        f"server,day,name,closes,zone\n,{today},A holiday,,\nmain,{today + timedelta(1)},Eve,13:00,UTC\n", head, "days"
    )
    tokens.revoke(tokens.create(head, "BI", head)[0], head)


def test_the_pages_of_the_book_are_for_everybody(page: Page, address: str) -> None:
    page.goto(f"{address}/calendar/")
    sign_in(page, PASSWORD)
    expect(page.get_by_role("heading", name="Calendar")).to_be_visible()
    for path in ("calendar/", "calendar/?show=holidays", "calendar/?show=revisions", "calendar/import/", "symbols/"):
        page.goto(f"{address}/{path}")
        assert_accessible(page)
    page.goto(f"{address}/settings/tokens/")
    page.get_by_label("Acts as").select_option("head, head of risk")
    page.get_by_label("For which system").fill("CRM")
    page.get_by_role("button", name="Make a token").click()
    expect(page.get_by_label("Its text")).to_have_value(re.compile("^rdk_"))
    assert_accessible(page)


def test_an_import_is_seen_before_it_is_done(page: Page, address: str) -> None:
    page.goto(f"{address}/calendar/import/")
    sign_in(page, PASSWORD)
    page.get_by_label("Or its text").fill("uid,at,currency,impact,title\nnfp,2036-12-04T13:30:00Z,USD,huge,Payrolls")
    page.get_by_role("button", name="See what would change").click()
    expect(page.locator(".refused")).to_contain_text("line 2 impact must be one of high, medium, low")
    assert_accessible(page)
    page.get_by_label("Or its text").fill("uid,at,currency,impact,title\nnfp,2036-12-04T13:30:00Z,USD,high,Payrolls")
    page.get_by_role("button", name="See what would change").click()
    expect(page.locator("[data-change=changed]")).to_contain_text("nfp")
    assert_accessible(page)
    page.get_by_role("button", name="Import these changes").click()
    expect(page.locator(".messages")).to_contain_text("0 added, 1 changed, 0 withdrawn")
    page.get_by_label("Search").fill("CPI")
    expect(page.locator("#calendar-list tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("q=CPI"))


@pytest.mark.urls("riskdesk.urls")
def test_the_documentation_of_the_api_needs_no_script(page: Page, address: str) -> None:
    page.goto(f"{address}/api/docs")
    sign_in(page, PASSWORD)
    expect(page.get_by_role("heading", name="REST API v1")).to_be_visible()
    expect(page.locator("article.call")).not_to_have_count(0)
    page.locator("summary", has_text="OverrideAsked").click()
    assert_accessible(page)


def test_signing_in_and_reading_the_log(page: Page, address: str) -> None:
    page.goto(f"{address}/audit/")
    assert_accessible(page)
    sign_in(page, "guess")
    expect(page.locator("#main [role=alert]")).to_have_text("The name and the password do not match.")
    sign_in(page, PASSWORD)
    status = page.locator("#audit-list [role=status]")
    expect(status).to_contain_text("1–50 of")
    assert_accessible(page)
    page.get_by_label("On").fill("acc_5")
    expect(status).to_have_text("1–11 of 11 entries")
    page.get_by_role("link", name="On", exact=True).click()
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("On ▲")
    expect(page.locator("tbody tr").first).to_contain_text("acc_5")
    expect(status).to_have_text("1–11 of 11 entries")
    page.go_back()  # the page is loaded anew: only then does it show the order that it had
    expect(page.locator("th[aria-sort=descending]")).to_have_count(1)
    expect(page.locator("th[aria-sort=ascending]")).to_have_count(0)
    expect(page.get_by_label("On")).to_have_value("acc_5")
    page.goto(f"{address}/settings/")
    assert_accessible(page)
    for refused in ("/probe/access_own_accounts/", "/nowhere/"):
        page.goto(address + refused)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert_accessible(page)


def test_guessing_ends_at_a_page_that_says_so(page: Page, address: str) -> None:
    page.goto(f"{address}/login/")
    for _ in range(4):
        sign_in(page, "guess")
        expect(page.get_by_label("Password")).to_have_value("")
    sign_in(page, "guess")
    expect(page.get_by_role("heading", name="Too many attempts")).to_be_visible()
    assert_accessible(page)

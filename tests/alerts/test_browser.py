"""The alert pages in a real browser: live, by keyboard names, without a violation of any kind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.db import connection
from django.test import Client
from playwright.sync_api import Page, Route, expect, sync_playwright

from accounts.models import User
from alerts.deliveries import deliver, evaluate
from alerts.models import Alert, Delivery
from tests.alerts.conftest import MakeAccount, MakeEvent
from tests.alerts.fake_slack import Answer, FakeSlack
from tests.ports import free_port
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
T = TypeVar("T")
BROWSER = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def answers(port: int) -> bool:
    """Whether the web process listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def desk_url(service_env: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """A web process of its own."""
    log, port = tmp_path / "web.log", free_port()
    with log.open("wb") as output:
        web = subprocess.Popen(
            [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "riskdesk.asgi:application"],
            cwd=settings.BASE_DIR,
            env={**service_env, "RISKDESK_SECRET_KEY": settings.SECRET_KEY},  # a session of ours is one of its own
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        eventually(lambda: answers(port) or web.poll(), within=60, what="the web process")
        assert web.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        if web.poll() is None:
            os.killpg(web.pid, signal.SIGKILL)
        web.wait()


@pytest.fixture
def page(chromium: str, desk_url: str, people: dict[str, User], monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A page signed in as the risk officer; at the end nothing may have gone wrong in it."""
    session = Client()
    session.force_login(people["risk_officer"], backend="django.contrib.auth.backends.ModelBackend")
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER)
        context = browser.new_context(base_url=desk_url, reduced_motion="reduce", locale="en-GB", timezone_id="UTC")
        context.add_cookies([{"name": "sessionid", "value": session.cookies["sessionid"].value, "url": desk_url}])
        page = context.new_page()
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        yield page
        browser.close()
    assert wrong == []


def axe(page: Page) -> None:
    """No violation of the accessibility rules."""
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def shoot(page: Page, name: str) -> None:
    """Keep a picture, dark and light, where ALERT_SHOTS names a folder."""
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        axe(page)
        if folder := os.environ.get("ALERT_SHOTS"):
            page.screenshot(path=f"{folder}/{name}-{scheme}.png", full_page=True)


def apart(work: Callable[[], T]) -> T:
    """Do it in a thread without Playwright's event loop, as any worker would, and leave no connection behind."""

    def and_close() -> T:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as worker:
        return worker.submit(and_close).result()


def test_the_alert_pages(page: Page, make_account: MakeAccount, happen: MakeEvent, told: FakeSlack) -> None:
    apart(lambda: evaluate(happen(make_account("8410001"), "warned").pk))
    apart(lambda: evaluate(happen(make_account("8410002"), "warned", used=Decimal("0.93")).pk))
    apart(lambda: evaluate(happen(make_account("8410003"), "breached").pk))
    told.script(Answer(500, "oops"))
    assert apart(lambda: deliver(Delivery.objects.get(alert__kind="breach").pk))
    page.goto("/alerts/")
    rows = page.locator("#alert-list tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("8410003")
    shoot(page, "alerts")

    apart(lambda: evaluate(happen(make_account("8410004"), "breached").pk))  # the list is live
    expect(rows).to_have_count(4)
    expect(rows.first).to_contain_text("8410004")

    page.get_by_role("button", name="Acknowledge: Breach of the daily loss, account 8410003").click()
    expect(page.locator("#alert-list tr", has_text="8410003")).to_contain_text("risk_officer")
    assert apart(lambda: Alert.objects.get(account__login="8410003").state) == "acknowledged"

    page.get_by_label("Severity").select_option("critical")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile("severity=critical"))

    page.get_by_role("link", name="Clear").first.click()
    page.get_by_role("link", name="Timeline: Breach of the daily loss, account 8410003").click()
    expect(page.locator(".try")).to_contain_text("HTTP 500")
    page.get_by_label("Reason").fill("Reviewed with the trader.")
    page.get_by_role("button", name="Close this breach").click()
    expect(page.locator(".timeline")).to_contain_text("Reviewed with the trader.")
    shoot(page, "alert")


def test_a_choice_on_its_way_is_not_lost_to_news(page: Page, make_account: MakeAccount, happen: MakeEvent) -> None:
    apart(lambda: evaluate(happen(make_account("8410001"), "breached").pk))
    page.goto("/alerts/")
    badge = page.locator("nav #alert-count")
    expect(badge).to_have_text("1")
    held: list[Route] = []
    page.route(re.compile("severity=critical"), lambda route: held.append(route))
    with page.expect_request(re.compile("severity=critical")):
        page.get_by_label("Severity").select_option("critical")
    apart(lambda: evaluate(happen(make_account("8410002"), "warned", used=Decimal("0.93")).pk))
    expect(badge).to_have_text("2")
    page.evaluate("() => { window.told = performance.now(); }")
    page.wait_for_function("() => performance.now() - window.told > 800")  # the page asks by itself after 300 ms
    held[0].continue_()
    expect(page).to_have_url(re.compile("severity=critical"))
    expect(page.locator("#alert-list tbody tr")).to_have_count(1)
    expect(page.locator("#alert-list")).to_contain_text("8410002")


def test_every_page_counts_what_nobody_has_taken_up(page: Page, make_account: MakeAccount, happen: MakeEvent) -> None:
    one = apart(lambda: make_account("8410001"))
    apart(lambda: evaluate(happen(one, "breached").pk))
    badge = page.locator("nav #alert-count")
    for path in ("/audit/", "/alerts/", "/desk/", f"/accounts/{one.public_id}/", "/feeds/"):
        page.goto(path)
        expect(badge).to_have_text("1")
        expect(page).to_have_title(re.compile(r"^\(1\)"))
    apart(lambda: evaluate(happen(make_account("8410002"), "breached").pk))  # the feeds' page hears of it too
    expect(badge).to_have_text("2")
    expect(page).to_have_title(re.compile(r"^\(2\)"))


def test_the_rail_of_the_desk(page: Page, make_account: MakeAccount, happen: MakeEvent) -> None:
    page.goto("/desk/")
    rail = page.locator("#alert-rail")
    expect(rail).to_contain_text("No open alert.")
    apart(lambda: evaluate(happen(make_account("8410001"), "warned").pk))
    apart(lambda: evaluate(happen(make_account("8410002"), "breached").pk))
    expect(rail.locator("li")).to_have_count(2)
    expect(rail.locator("li").first).to_contain_text("8410002")
    expect(page).to_have_title(re.compile(r"^\(2\)"))
    shoot(page, "rail")
    rail.get_by_role("button", name="Acknowledge Breached, account 8410002").click()
    expect(rail.locator("li").last).to_contain_text("risk_officer")
    expect(page).to_have_title(re.compile(r"^\(1\)"))

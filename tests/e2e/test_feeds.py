"""The feeds in a real browser: counts that rise, a feed that goes down, the head's switch."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Server, User
from tests.e2e.conftest import Visit, axe, shoot
from tests.monitoring.wire import Wire, server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
def page(visit: Visit, wire: Wire, people: dict[str, User]) -> Page:
    wire.client.hset("riskdesk:main:meta", "health", json.dumps({"ready": True, "leader": True, "epoch": 3}))
    Server.objects.create(name="sim", kind="simulator")
    wire.publish(servers=[server(frames=10), server("MT5-2", enforcement_mode="dry_run")])
    opened = visit("/feeds/", people["head_of_risk"])
    expect(opened.locator("body")).to_have_attribute("data-live", "connected")
    return opened


def test_refused_frames_are_counted_live(page: Page, wire: Wire) -> None:
    expect(page.locator("#refusals")).to_have_count(0)
    refusals = {"bad_json": 2, "not_finite": 1}
    wire.publish(servers=[server(frames=1_300, refused=3, refusals=refusals, last_refusal="equity: NaN")])
    expect(page.locator('[data-feed="sim"] [data-count="refused"]')).to_have_text("3")
    expect(page.locator('[data-feed="sim"] [data-count="frames"]')).to_have_text("1,300")
    expect(page.locator("#refusals tbody tr")).to_have_count(2)
    expect(page.locator("#refusals")).to_contain_text("equity: NaN")


def test_a_feed_that_goes_down_is_seen(page: Page, wire: Wire) -> None:
    wire.publish(servers=[server(state="disconnected", reason="connection_lost")], warnings=["Redis was away"])
    one = page.locator('[data-feed="sim"]')
    expect(one).to_have_attribute("data-sev", "3")
    expect(one).to_contain_text("disconnected")
    expect(one).to_contain_text("connection_lost")
    expect(page.locator("#feeds .banner")).to_contain_text("Redis was away")


def test_a_silent_monitor_is_said(page: Page, wire: Wire) -> None:
    wire.stop_beating()
    expect(page.locator(".processes")).to_contain_text("Last batch Stale")
    expect(page.locator("body")).to_have_attribute("data-live", "stale")


def test_the_query_holds_over_live_updates(page: Page, wire: Wire) -> None:
    page.get_by_label("Upstream", exact=True).fill("mt5")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("[data-feed]")).to_have_count(1)
    expect(page).to_have_url(re.compile("q=mt5"))
    wire.publish(servers=[server(frames=10), server("MT5-2", frames=77)])
    expect(page.locator('[data-feed="MT5-2"] [data-count="frames"]')).to_have_text("77")
    expect(page.locator("[data-feed]")).to_have_count(1)


def test_the_head_switches_enforcement(page: Page) -> None:
    page.get_by_label("Reason").fill("maintenance of the bridge")
    page.get_by_label("From now on nothing is closed on sim").check()
    page.get_by_role("button", name="Switch to dry run").click()
    expect(page.locator(".messages")).to_have_text("sim: enforcement is switched to dry run.")
    assert Server.objects.get(name="sim").enforcement == "dry_run"


@pytest.mark.parametrize("dark", [True, False], ids=["dark", "light"])
def test_axe_finds_nothing(page: Page, visit: Visit, wire: Wire, people: dict[str, User], dark: bool) -> None:
    name = "dark" if dark else "light"
    bad = server("MT5-2", state="disconnected", reason="connection_lost", enforcement_mode="dry_run", stale_accounts=40)
    refused = server(refused=15, refusals={"bad_json": 12, "not_finite": 3}, last_refusal="equity: NaN", frames=123_456)
    wire.publish(servers=[refused, bad], warnings=["PostgreSQL unreachable since 06:41:00 UTC"])
    opened = visit("/feeds/", people["head_of_risk"], dark=dark)
    expect(opened.locator("body")).to_have_attribute("data-live", "connected")
    expect(opened.locator("[data-feed]")).to_have_count(2)
    shoot(opened, f"feeds-{name}-1600")
    assert axe(opened) == []
    opened.set_viewport_size({"width": 1280, "height": 720})
    shoot(opened, f"feeds-{name}-1280")
    assert axe(opened) == []

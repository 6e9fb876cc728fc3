"""The account page in a real browser: live cards, positions, timeline, chart, theme, review, accessibility."""

from __future__ import annotations

import re
from time import time

import pytest
from playwright.sync_api import Page, Route, expect

from accounts import challenges
from accounts.models import Account, AuditEntry, User
from tests.e2e.conftest import Visit, axe, shoot
from tests.monitoring.book import adopt, breach, event, history, row
from tests.monitoring.wire import Wire
from tests.monitoring.wire import event as told

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
def found(people: dict[str, User], wire: Wire) -> Account:
    """An account with an hour of history, at 97,000.00."""
    made = adopt("sim-1")
    now = int(time() * 1000)
    points = [(now - 3_500_000 + n * 5000, 10_000_000 - n * 430) for n in range(690)]
    history(wire, "sim-1", points)
    wire.publish([row("sim-1", 9_700_000, open_positions=1)])
    return made


@pytest.fixture
def page(visit: Visit, found: Account, people: dict[str, User]) -> Page:
    opened = visit("/accounts/sim-1/", people["risk_officer"])
    expect(opened.locator("body")).to_have_attribute("data-live", "connected")
    return opened


COUNT_NEWS = """() => {
    window.news = 0;
    new MutationObserver(() => {
        if (!document.getElementById("news").dataset.mark.startsWith("w2|") || window.news) return;
        window.news = 1;
        window.newsAt = performance.now();
    }).observe(document.body, { childList: true, subtree: true });
}"""
FITS = """() => { const box = document.getElementById("chart");
    return box.querySelector(".main-svg").clientWidth === box.clientWidth; }"""


def drawn(page: Page) -> None:
    expect(page.locator("#chart .scatterlayer .trace")).to_have_count(4)


def test_the_cards_follow_every_update_and_focus_stays(page: Page, wire: Wire) -> None:
    daily = page.locator('[data-rule="r0"]')
    expect(daily.locator('[data-cell="r0_room"]')).to_have_text("2,000.00")
    button = page.get_by_role("button", name="1 day")
    button.focus()
    wire.publish([row("sim-1", 9_560_000, rev=2, state="warned", severity=2)])
    expect(daily.locator('[data-cell="r0_room"]')).to_have_text("600.00")
    expect(daily.locator('[data-cell="r0_used"]')).to_have_text("88.0%")
    expect(daily.locator("rect")).to_have_attribute("width", "88%")
    expect(daily).to_have_attribute("data-sev", "2")
    expect(page.locator(".account-head")).to_have_attribute("data-sev", "2")
    expect(page.locator('[data-cell="word"]')).to_have_text("Warning")
    expect(page.locator('[data-rule="r1"] [data-cell="r1_room"]')).to_have_text("5,600.00")
    expect(button).to_be_focused()
    expect(daily.locator("[data-countdown]")).to_have_text(re.compile(r"^00:5\d:\d\d$"))


def test_positions_come_and_go(page: Page, wire: Wire) -> None:
    expect(page.locator("#positions tbody tr")).to_have_count(1)
    wire.publish([row("sim-1", 9_700_000, rev=2, positions=[], open_positions=0)])
    expect(page.locator("#positions")).to_have_text("No open position.")


def test_a_breach_and_its_proof_appear_live(page: Page, wire: Wire, found: Account) -> None:
    expect(page.locator("#timeline")).to_contain_text("Nothing has happened yet")
    first = row("sim-1", 9_481_200, rev=2, enforcement="sent", severity=4, locked=True)
    wire.publish([first], events=[told("k-breach", "sim-1", "breached", 4)])
    expect(page.locator('#timeline [data-event="breached"]')).to_have_count(1)
    expect(page.locator('[data-cell="enforced"]')).to_have_text("Close sent")
    expect(page.locator('[data-cell="locked"]')).to_have_text("Locked")
    breach(found)
    wire.publish([row("sim-1", 9_475_025, rev=3, enforcement="locked", severity=4, locked=True)])
    expect(page.locator("#timeline .proof")).to_contain_text("Equity after flattening94,750.25")
    expect(page.locator('#timeline [data-event="breached"]')).to_have_count(1)


def test_the_chart_is_drawn_extended_and_redrawn_for_the_other_theme(page: Page, wire: Wire) -> None:
    drawn(page)
    assert int(page.locator("#chart").get_attribute("data-points") or 0) <= 600
    expect(page.locator("#chart-summary")).to_contain_text("maximum loss floor 90,000.00")
    before = page.evaluate("() => document.getElementById('chart').data[0].y.at(-1)")
    wire.publish([row("sim-1", 9_511_100, rev=2)])
    page.wait_for_function("() => document.getElementById('chart').data[0].y.at(-1) === 95111")
    assert before != 95111
    lengths = page.evaluate("() => document.getElementById('chart').data.map((trace) => trace.x.length)")
    assert lengths == lengths[:1] * 4
    dark = page.evaluate("() => document.getElementById('chart').data[0].line.color")
    page.keyboard.press("t")
    page.wait_for_function(f"() => document.getElementById('chart').data[0].line.color !== '{dark}'")
    shoot(page, "account-chart-light")


def test_the_range_is_chosen_and_kept(page: Page) -> None:
    drawn(page)
    with page.expect_response(re.compile(r"chart\.json\?range=all")):
        page.get_by_role("button", name="All").click()
    expect(page.get_by_role("button", name="All")).to_have_attribute("aria-pressed", "true")
    with page.expect_response(re.compile(r"chart\.json\?range=all")):
        page.reload()
    drawn(page)


def test_a_chart_without_points_begins_with_the_first_update(visit: Visit, wire: Wire, people: dict[str, User]) -> None:
    adopt("sim-2")
    wire.publish([row("sim-2")])
    page = visit("/accounts/sim-2/", people["risk_officer"])
    expect(page.locator("body")).to_have_attribute("data-live", "connected")
    expect(page.locator("#chart-state")).to_contain_text("No points yet")
    history(wire, "sim-2", [(int(time() * 1000), 9_900_000)])
    wire.publish([row("sim-2", 9_900_000, rev=2)])
    drawn(page)
    expect(page.locator("#chart-state")).to_be_hidden()


def test_the_timeline_is_filtered_and_keeps_its_filter_over_news(page: Page, wire: Wire, found: Account) -> None:
    for number in range(3):
        event(found, f"w{number}", "warned")
    event(found, "c", "cleared")
    page.reload()
    page.get_by_label("Kind").select_option("cleared")
    expect(page.locator("#timeline .event")).to_have_count(1)
    page.locator("h1").click()
    event(found, "c2", "cleared")
    wire.publish([row("sim-1", 9_700_000, rev=2)], events=[told("c2", "sim-1", "cleared", 0)])
    expect(page.locator("#timeline .event")).to_have_count(2)
    expect(page.get_by_label("Kind")).to_have_value("cleared")


def test_a_choice_on_its_way_is_not_lost_to_news(page: Page, wire: Wire, found: Account) -> None:
    event(found, "w", "warned")
    event(found, "c", "cleared")
    page.reload()
    expect(page.locator("body")).to_have_attribute("data-live", "connected")
    held: list[Route] = []
    page.route(re.compile("kind=cleared$"), lambda route: held.append(route))
    with page.expect_request(re.compile("kind=cleared$")):
        page.get_by_label("Kind").select_option("cleared")
    page.locator("h1").click()
    page.evaluate(COUNT_NEWS)
    wire.publish([row("sim-1", 9_700_000, rev=2)], events=[told("w2", "sim-1", "warned", 2)])
    page.wait_for_function("() => window.news >= 1")
    page.wait_for_function("() => performance.now() - window.newsAt > 1000")  # the page asks by itself after 350 ms
    held.pop().continue_()
    expect(page.locator("#timeline .event")).to_have_count(1)
    expect(page.get_by_label("Kind")).to_have_value("cleared")


def test_an_officer_releases_from_review(visit: Visit, found: Account, wire: Wire, people: dict[str, User]) -> None:
    challenges.send_to_review(found.challenges.get(), "beyond a floor at adoption")
    wire.publish([row("sim-1", 9_400_000, rev=2, state="review", reason="beyond a floor at adoption")])
    page = visit("/accounts/sim-1/", people["risk_officer"])
    page.get_by_label("Reason").fill("a deposit was on its way")
    page.get_by_role("button", name="Release from review").click()
    expect(page.locator(".messages")).to_contain_text("is judged again")
    assert AuditEntry.objects.filter(verb="review_released").count() == 1
    wire.publish([row("sim-1", 9_700_000, rev=3)])
    expect(page.get_by_role("button", name="Release from review")).to_be_hidden()


@pytest.mark.parametrize("dark", [True, False], ids=["dark", "light"])
def test_axe_finds_nothing(visit: Visit, wire: Wire, found: Account, people: dict[str, User], dark: bool) -> None:
    name = "dark" if dark else "light"
    breach(found)
    event(found, "w", "warned")
    reason = "equity 94,812.00 is below the daily floor 95,000.00: day-start balance 100,000.00 less 5% of 100,000.00"
    more = {"enforcement": "locked", "enforcement_mode": "dry_run", "severity": 4, "locked": True, "reason": reason}
    wire.publish([row("sim-1", 9_481_200, rev=2, open_positions=1, **more)])
    page = visit("/accounts/sim-1/", people["risk_officer"], dark=dark)
    expect(page.locator("body")).to_have_attribute("data-live", "connected")
    drawn(page)
    page.locator("summary", has_text="command").click()
    shoot(page, f"account-{name}-1600")
    assert axe(page) == []
    page.set_viewport_size({"width": 1280, "height": 720})
    page.wait_for_function(FITS)
    shoot(page, f"account-{name}-1280")
    assert axe(page) == []

"""What is on a page can be read and copied: whole figures, names that turn nothing around, text that stays marked."""

from __future__ import annotations

from time import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Account, User
from tests.e2e.conftest import Visit, axe
from tests.monitoring.book import adopt, event, row
from tests.monitoring.wire import Wire, account, server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

CUT = """() => [...document.querySelectorAll("#rows td")].filter((cell) => cell.offsetParent
    && cell.dataset.cell !== "trader" && cell.scrollWidth > cell.clientWidth).map((cell) => cell.textContent)"""
BESIDE = "() => { const grid = document.getElementById('grid'); return grid.scrollWidth - grid.clientWidth; }"
BACKWARDS = """(selector) => {
    const text = document.querySelector(selector).firstChild, left = (at) => {
        const one = document.createRange();
        one.setStart(text, at);
        one.setEnd(text, at + 1);
        return one.getBoundingClientRect().left;
    };
    return left(0) > left(text.length - 1);
}"""
MARK = """() => {
    window.beats = 0;
    window.RiskDesk.live.on("hb", () => { window.beats += 1; });
    getSelection().selectAllChildren(document.querySelector("#refusals tbody tr"));
}"""


@pytest.mark.parametrize("wide", [1280, 1600])
def test_the_figures_of_a_large_account_are_whole(visit: Visit, wire: Wire, people: dict[str, User], wide: int) -> None:
    money = {"size": 20_000_000, "balance": 20_000_000, "equity": 18_819_491, "headroom": -180_509}
    wire.publish([account("sim-1", daily_used=11_800, max_used=5900, day_pl=-1_180_509, **money)])
    page = visit("/desk/", people["risk_officer"], wide=wide)
    expect(page.locator('[data-cell="day_pl"]')).to_have_text("\u221211,805.09")
    assert page.evaluate(CUT) == []
    assert page.evaluate(BESIDE) <= 0, "the last columns are beside the window"


def test_a_name_that_turns_its_direction_turns_no_figure(visit: Visit, wire: Wire, people: dict[str, User]) -> None:
    adopt("sim-1", people["trader"])
    adopt("sim-2", people["trader"])
    Account.objects.filter(public_id="sim-2").update(login="\u202e2")
    wire.publish([row("sim-1"), row("sim-2")])
    page = visit("/me/?account=sim-1", people["trader"])
    figure = '.picker a:not([aria-current]) [data-cell="equity"]'
    expect(page.locator(figure)).to_have_text("100,000.00")
    assert page.evaluate(BACKWARDS, figure) is False


def test_marked_text_stays_marked_while_the_page_is_live(visit: Visit, wire: Wire, people: dict[str, User]) -> None:
    refused: dict[str, Any] = {"refused": 1, "refusals": {"bad_json": 1}, "last_refusal": "equity: NaN"}
    wire.publish(servers=[server(**refused)])
    page: Page = visit("/feeds/", people["risk_officer"])
    expect(page.locator("body")).to_have_attribute("data-live", "connected")
    page.evaluate(MARK)
    wire.publish(servers=[server(**refused, frames=999)])
    page.wait_for_function("() => window.beats >= 3")
    assert "equity: NaN" in page.evaluate("() => getSelection().toString()")
    page.evaluate("() => getSelection().removeAllRanges()")
    expect(page.locator('[data-count="frames"]')).to_have_text("999")


def test_a_list_that_was_not_loaded_is_said_and_no_control_claims_it(
    visit: Visit, wire: Wire, people: dict[str, User]
) -> None:
    visit.expected.append("ERR_FAILED|htmx:|^undefined$")  # htmx rejects a promise without a reason
    wire.publish([account("sim-1")])
    page = visit("/desk/", people["risk_officer"])
    page.route("**/desk/?v=stale*", lambda route: route.abort())
    page.locator("#view").select_option("stale")
    failed = page.locator("#request-failed")
    expect(failed).to_contain_text("The server did not answer")
    expect(page.locator("#view")).to_have_value("")
    assert axe(page) == []
    page.locator("#view").select_option("breached")
    expect(page.locator("#empty")).to_be_visible()
    expect(failed).to_be_hidden()


def test_the_kind_and_page_of_a_timeline_are_in_the_address(visit: Visit, wire: Wire, people: dict[str, User]) -> None:
    found = adopt("sim-1", people["trader"])
    for number in range(30):
        event(found, f"w{number}", "warned")
    event(found, "c", "cleared")
    for path, who in (("/accounts/sim-1/", "risk_officer"), ("/me/?account=sim-1", "trader")):
        page = visit(path, people[who])
        kind = page.locator("#timeline-kind")
        kind.select_option("warned")
        expect(page.locator("#timeline")).to_contain_text("1–25 of 30")
        page.get_by_role("link", name="Older").click()
        expect(page.locator("#timeline .event")).to_have_count(5)
        page.reload()
        expect(page.locator("#timeline .event")).to_have_count(5)
        expect(kind).to_have_value("warned")
        page.go_back()
        expect(page.locator("#timeline")).to_contain_text("1–25 of 30")


def test_an_address_that_makes_no_sense_is_said_to_everybody(visit: Visit, wire: Wire, people: dict[str, User]) -> None:
    wire.publish([account("sim-1")], servers=[server()])
    for path in ("/desk/?sort=evil&offset=x", "/feeds/?sort=evil"):
        page = visit(path, people["risk_officer"])
        expect(page.get_by_role("alert").filter(has_text="evil")).to_be_visible()
        assert axe(page) == []


def test_figures_of_a_silent_monitor_are_not_shown_as_today_s(
    visit: Visit, wire: Wire, people: dict[str, User]
) -> None:
    adopt("sim-1", people["trader"])
    wire.publish([row("sim-1", updated_ms=int(time() * 1000) - 12_000)])
    pages = [visit("/me/", people["trader"]), visit("/accounts/sim-1/", people["risk_officer"])]
    desk = visit("/desk/", people["risk_officer"])
    equity = desk.locator('[data-cell="equity"]')
    for page in [*pages, desk]:
        expect(page.locator("body")).to_have_attribute("data-live", "connected")
    expect(equity).to_have_css("font-style", "normal")  # a quiet account on a live feed
    wire.stop_beating()
    for page in pages:
        expect(page.locator("#socket-banner")).to_contain_text("The figures below are the last known ones.")
    expect(equity).to_have_css("font-style", "italic")

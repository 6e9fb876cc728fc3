"""What is on a page can be read and copied: whole figures, names that turn nothing around, text that stays marked."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Account, User
from tests.e2e.conftest import Visit
from tests.monitoring.book import adopt, row
from tests.monitoring.wire import Wire, account, server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

CUT = """() => [...document.querySelectorAll("#rows td")].filter((cell) => cell.offsetParent
    && cell.dataset.cell !== "trader" && cell.scrollWidth > cell.clientWidth).map((cell) => cell.textContent)"""
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

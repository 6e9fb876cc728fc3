"""A trader's own page in a real browser: his numbers live, his accounts only, and the end of a challenge."""

from __future__ import annotations

from time import time

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.e2e.conftest import Visit, axe, shoot
from tests.monitoring.book import adopt, breach, history, row
from tests.monitoring.wire import Wire
from tests.monitoring.wire import event as told

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
def page(visit: Visit, wire: Wire, people: dict[str, User]) -> Page:
    """The page of a trader with two accounts; the second is nearer its limit."""
    adopt("sim-1", people["trader"])
    adopt("sim-2", people["trader"])
    now = int(time() * 1000)
    history(wire, "sim-2", [(now - 600_000 + n * 5000, 9_900_000 - n * 2000) for n in range(100)])
    wire.publish([row("sim-1"), row("sim-2", 9_628_420, severity=1), row("sim-3", 9_000_100)])
    opened = visit("/me/?account=sim-2", people["trader"])
    expect(opened.locator("body")).to_have_attribute("data-live", "connected")
    return opened


def test_the_room_that_is_left_is_live(page: Page, wire: Wire) -> None:
    line = page.locator('[data-cell="r0_line"]')
    expect(line).to_have_text("You may still lose 1,284.20 USD today")
    wire.publish([row("sim-2", 9_560_000, rev=2, state="warned", severity=2)])
    expect(line).to_have_text("You may still lose 600.00 USD today")
    expect(page.locator('[data-rule="r0"]')).to_have_attribute("data-sev", "2")
    expect(page.locator("#chart .scatterlayer .trace")).to_have_count(4)


def test_another_account_is_picked_and_its_sibling_stays_live_in_the_list(page: Page, wire: Wire) -> None:
    picker = page.get_by_role("navigation", name="My accounts")
    picker.get_by_role("link", name="1 100,000.00").click()
    expect(page.locator("h1")).to_have_text("Account 1")
    expect(page.locator('[data-cell="r0_line"]')).to_have_text("You may still lose 5,000.00 USD today")
    wire.publish([row("sim-2", 9_555_500, rev=2, severity=2)])
    expect(picker.locator('[data-account="sim-2"] [data-cell="equity"]')).to_have_text("95,555.00")
    expect(page.locator('[data-cell="r0_line"]')).to_have_text("You may still lose 5,000.00 USD today")


def test_a_breach_is_explained_as_it_happens(page: Page, wire: Wire, people: dict[str, User]) -> None:
    expect(page.locator(".why")).to_be_hidden()
    reason = "equity 94,812.00 is below the daily floor 95,000.00"
    changes = {"reason": reason, "severity": 4, "enforcement": "locked", "locked": True}
    breach(people["trader"].trading_accounts.get(public_id="sim-2"))
    wire.publish([row("sim-2", 9_481_200, rev=2, **changes)], events=[told("k-breach", "sim-2", "breached", 4)])
    expect(page.locator(".why")).to_be_visible()
    expect(page.locator('.why [data-cell="reason"]')).to_have_text(reason)
    expect(page.locator("#timeline .proof")).to_contain_text("Flat and locked")
    expect(page.locator('[data-cell="r0_line"]')).to_have_text("This limit was crossed.")


def test_old_data_are_not_shown_as_room(page: Page, wire: Wire) -> None:
    wire.publish([row("sim-2", 9_628_420, rev=2, state="unknown", stale=True, severity=1)])
    expect(page.locator('[data-cell="r0_line"]')).to_contain_text("This is no verdict: the data are old.")
    expect(page.locator('[data-cell="asof"]')).to_contain_text("Data as of")


def test_nothing_of_other_traders_is_on_the_page_or_in_the_frames(page: Page) -> None:
    frames: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda payload: frames.append(str(payload))))
    page.reload()
    expect(page.locator("body")).to_have_attribute("data-live", "connected")
    expect(page.locator('[data-cell="r0_line"]')).to_have_text("You may still lose 1,284.20 USD today")
    assert frames
    assert not any("sim-3" in frame for frame in frames)
    assert "sim-3" not in page.content()


@pytest.mark.parametrize("dark", [True, False], ids=["dark", "light"])
def test_axe_finds_nothing(page: Page, visit: Visit, wire: Wire, people: dict[str, User], dark: bool) -> None:
    name = "dark" if dark else "light"
    opened = visit("/me/?account=sim-2", people["trader"], dark=dark, wide=1280)
    expect(opened.locator("body")).to_have_attribute("data-live", "connected")
    expect(opened.locator("#chart .scatterlayer .trace")).to_have_count(4)
    shoot(opened, f"me-{name}-1280")
    assert axe(opened) == []
    wire.publish([row("sim-2", 9_481_200, rev=9, severity=4, reason="equity 94,812.00 is below the floor")])
    expect(opened.locator(".why")).to_be_visible()
    opened.set_viewport_size({"width": 1600, "height": 900})
    shoot(opened, f"me-{name}-1600")
    assert axe(opened) == []
    opened.set_viewport_size({"width": 390, "height": 844})
    shoot(opened, f"me-{name}-phone")
    assert axe(opened) == []

"""An override set and ended in the browser, on a desk that really runs: the trader and the desk see it at once."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Visit
from tests.e2e.whole import WholeDesk, sign_in, visiting, whole_desk
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
AT_ONCE = 1.0  # seconds, from the click until it is on another browser's screen
# Other programs may hold this machine's processors for a second; as often as this in a row is ours.
TRIES = ("4", "4.5", "3", "2", "3.5")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeDesk]:
    """One desk for this module."""
    with whole_desk(tmp_path_factory.mktemp("apart"), accounts=5) as running:
        yield running


@pytest.fixture
def visit(browser: Browser, desk: WholeDesk) -> Iterator[Visit]:
    """Opens pages of the whole desk."""
    with visiting(browser, desk) as opener:
        yield opener


def click(page: Page, name: str) -> float:
    """Press it; when."""
    button = page.get_by_role("button", name=name)
    began = monotonic()
    button.click(no_wait_after=True)
    return began


def test_an_override_is_seen_by_trader_and_desk_within_a_second(desk: WholeDesk, visit: Visit) -> None:
    trader = sign_in(visit, "trader", "/me/")
    account = trader.locator("#body").get_attribute("data-body")
    watch, officer = sign_in(visit, "risk", f"/desk/?q={desk_login(trader)}"), sign_in(visit, "head", "/overrides/")
    version = watch.locator(f'#rows tr[data-account="{account}"] [data-cell="rules"]')
    expect(version).to_have_text("v1")
    for page in (trader, watch):
        expect(page.locator("body")).to_have_attribute("data-live", "connected")
    on_desk: list[float] = []
    in_rulebook: list[float] = []
    for percent in TRIES:
        officer.goto(f"{desk.url}/overrides/new/?account={account}&rule=daily_loss&ordinal=0&next=/overrides/")
        officer.locator("#rules-0-amount-percent").fill(percent)
        expect(officer.locator("#preview")).to_have_attribute("data-finished", "")
        officer.get_by_label("Reason").fill("Agreed by mail")
        began = click(officer, "Set it apart")
        expect(version).to_have_text("v1*")
        on_desk.append(monotonic() - began)
        expect(trader.locator("#rulebook")).to_contain_text(f"less {percent}% of the initial balance")
        in_rulebook.append(monotonic() - began)
        expect(trader.locator("#rulebook")).to_contain_text("Agreed by mail")
        officer.get_by_role("checkbox", name="Choose Daily loss").check()
        officer.get_by_label("Reason").fill("The month is over")
        click(officer, "End them")
        expect(version).to_have_text("v1")
        expect(trader.locator("#rulebook")).not_to_contain_text("Agreed by mail")
        if on_desk[-1] <= AT_ONCE and in_rulebook[-1] <= AT_ONCE:
            break
    print(f"on the desk after {on_desk}, in the rulebook after {in_rulebook}")
    assert on_desk[-1] <= AT_ONCE, on_desk
    assert in_rulebook[-1] <= AT_ONCE, in_rulebook
    row = desk.row(str(account))
    assert row is not None
    eventually(lambda: not getattr(desk.row(str(account)), "overridden", True), what="the plan's rules hold again")


def desk_login(page: Page) -> str:
    """The login of the account that a trader's page shows."""
    return page.locator("h1").inner_text().removeprefix("Account ")

"""Issue 3, what must show 3: a plan from a preset, tightened and published, on a desk that really runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Visit
from tests.e2e.whole import WholeDesk, sign_in, visiting, whole_desk
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeDesk]:
    """One desk for this module."""
    with whole_desk(tmp_path_factory.mktemp("plans"), accounts=10) as running:
        yield running


@pytest.fixture
def visit(browser: Browser, desk: WholeDesk) -> Iterator[Visit]:
    """Opens pages of the whole desk."""
    with visiting(browser, desk) as opener:
        yield opener


def make_plan(page: Page) -> str:
    """A plan from the first preset; the short name of its first phase."""
    page.get_by_role("link", name="Presets").click()
    page.locator("#ftmo-2-step").get_by_role("link", name=re.compile("Make a plan")).click()
    page.get_by_label("Name", exact=True).fill("Firm two-step")
    page.get_by_label("Short name in addresses").fill("firm-two-step")
    page.get_by_role("button", name="Make the plan").click()
    expect(page.locator("h1")).to_have_text("Firm two-step")
    expect(page.locator(".rule-card").first).to_contain_text("less 5% of the initial balance")
    phase = page.locator("section.phase").first.get_attribute("id")
    assert phase is not None
    return phase.removeprefix("phase-")


def version(desk: WholeDesk, account: str) -> int:
    """By which version the monitor judges the account."""
    row = desk.row(account)
    return row.rule_set_version if row else 0


def test_a_plan_from_a_preset_is_tightened_previewed_published_and_moved_to(desk: WholeDesk, visit: Visit) -> None:
    page = sign_in(visit, "head", "/plans/")
    phase = make_plan(page)
    group = f"firm-two-step/{phase}"
    desk.make_accounts(["old-near", "old-far"], group=group)
    desk.push("old-near", 95_700.0)
    eventually(lambda: desk.events("old-near", "warned"), what="its warning")
    assert [version(desk, one) for one in ("old-near", "old-far")] == [1, 1]

    page.goto(f"{desk.url}/plans/firm-two-step/{phase}/edit/")
    page.locator("#rules-0-amount-percent").fill("4")
    expect(page.locator("#rules-0-said")).to_contain_text("less 4% of the initial balance")
    page.get_by_role("button", name="Save and review").click()
    expect(page.locator("#changes")).to_contain_text("4% of the initial balance instead of 5%")
    preview = page.locator("#preview")
    expect(preview).to_have_attribute("data-finished", "")

    def seen() -> bool:  # the checkpoint follows the frame by a second
        if preview.get_attribute("data-breaches") == "1":
            return True
        page.get_by_role("link", name="Compute again").click()
        return False

    eventually(seen, every=0.5, what="the preview knows who would be in breach")
    expect(preview.locator('tr[data-account="old-near"]')).to_have_attribute("data-verdict", "breach")
    expect(preview.locator('tr[data-account="old-far"]')).to_have_count(0)
    page.get_by_label("Reason").fill("Losses were too high.")
    page.get_by_role("button", name="Publish version 2").click()
    expect(page.locator("h1")).to_contain_text("version 2")

    desk.make_account("new-near", group=group)
    assert [version(desk, one) for one in ("old-near", "old-far", "new-near")] == [1, 1, 2]
    desk.push("new-near", 95_700.0)
    eventually(lambda: desk.events("new-near", "breached"), what="the new one is judged by 4 %")
    assert not desk.events("old-near", "breached")
    watch = sign_in(visit, "risk", "/desk/?plan=Firm+two-step")
    expect(watch.locator("#rows tr[data-account]")).to_have_count(3)
    for account, number in (("old-near", 1), ("old-far", 1), ("new-near", 2)):
        cell = watch.locator(f'#rows tr[data-account="{account}"] [data-cell="rules"]')
        expect(cell).to_have_text(f"v{number}")

    page.goto(f"{desk.url}/plans/firm-two-step/")
    page.locator(f"#phase-{phase} tr[data-version='1'] td.num a").click()  # the desk with those of version 1
    expect(page.locator("#rows tr[data-account]")).to_have_count(2)
    expect(page.locator('#rows tr[data-account="new-near"]')).to_have_count(0)

    page.goto(f"{desk.url}/plans/firm-two-step/{phase}/move/?target=2")
    expect(page.locator("#preview")).to_have_attribute("data-finished", "")
    page.get_by_label("Reason").fill("The new terms hold for all.")
    page.get_by_label("How many would be in breach at once").fill("1")
    page.get_by_role("button", name=re.compile("^Move ")).click()
    expect(page.locator(".messages")).to_contain_text("judged by version 2 from now on")
    eventually(lambda: desk.events("old-near", "breached"), what="the moved one is judged by 4 %")
    eventually(lambda: desk.flat_and_locked("old-near"), what="it is flat and locked")
    eventually(lambda: version(desk, "old-far") == 2, what="the other one is judged by version 2 too")
    expect(watch.locator('#rows tr[data-account="old-far"] [data-cell="rules"]')).to_have_text("v2")

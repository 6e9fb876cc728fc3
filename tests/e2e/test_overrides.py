"""Overrides, the reset preview and the review queue in a real browser, on a desk whose monitor is a pen of ours."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Account, Challenge, RuleOverride, User
from monitoring.models import FlagReview
from tests.e2e.conftest import Visit, axe, shoot
from tests.monitoring.book import adopt, event, row, standing
from tests.monitoring.views.test_resets import stands
from tests.monitoring.wire import Wire
from tests.monitoring.wire import event as told
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
TOP = "() => document.getElementById('chart-title').getBoundingClientRect().top"
OLD = "() => { document.getElementById('reset-preview').dataset.old = ''; }"
RENEW = """() => new Promise((done) => {
    document.addEventListener("htmx:afterRequest", done, { once: true });
    htmx.trigger("#reset-preview", "renew");
})"""
WIDTHS = ((1280, 720), (1600, 900))


@pytest.fixture
def book(people: dict[str, User], wire: Wire) -> None:
    """Three accounts: one near its limit and trapped at the reset, one of the trader, one at rest."""
    for number, equity in ((1, 95_600.0), (2, 99_000.0), (3, 100_000.0)):
        stands(adopt(f"sim-{number}", people["trader"] if number == 2 else None), 100_000.0, equity)
    wire.publish(
        [
            row("sim-1", 9_560_000, severity=2, state="warned", reset_room=-350_000, reset_breach=True),
            row("sim-2", 9_900_000, reset_room=400_000, standings=[standing()]),
            row("sim-3", reset_room=500_000),
        ]
    )


def live(page: Page) -> Page:
    expect(page.locator("body")).to_have_attribute("data-live", "connected")
    return page


def in_both_widths(page: Page, name: str) -> None:
    """Looked at and without a fault at 1280 and at 1600 pixels."""
    for wide, high in WIDTHS:
        page.set_viewport_size({"width": wide, "height": high})
        shoot(page, f"{name}-{wide}")
        assert axe(page) == []


@pytest.mark.usefixtures("book")
def test_a_filter_of_the_desk_becomes_an_override_of_its_accounts(
    visit: Visit, wire: Wire, people: dict[str, User]
) -> None:
    page = live(visit("/desk/?sev=watch", people["risk_officer"]))
    page.locator("#column-menu summary").click()
    page.get_by_role("button", name="Set a rule apart for these 1 account").click()
    expect(page.locator("#chosen")).to_have_text("1 account")
    page.locator("#rule").select_option("daily_loss")
    page.get_by_role("button", name="Go on").click()
    preview = page.locator("#preview")
    expect(preview).to_have_attribute("data-breaches", "0")
    page.locator("#rules-0-amount-percent").fill("4")
    expect(preview).to_have_attribute("data-breaches", "1")
    expect(preview.locator('tr[data-account="sim-1"]')).to_contain_text("Would be in breach")
    page.locator("#rules-0-amount-percent").fill("4.5")
    expect(preview).to_have_attribute("data-breaches", "0")
    page.get_by_label("Reason").fill("A weekend with elections")
    page.get_by_role("button", name="Set it apart").click()
    expect(page).to_have_url(re.compile(r"/desk/\?sev=watch$"))
    expect(page.locator(".messages")).to_contain_text("Daily loss is set apart for 1.")
    assert RuleOverride.objects.filter(replacement__amount__percent="4.5").count() == 1


@pytest.mark.usefixtures("book")
def test_an_open_page_follows_a_change_of_rules(visit: Visit, wire: Wire, people: dict[str, User]) -> None:
    officer, trader = (
        live(visit("/accounts/sim-2/", people["risk_officer"])),
        live(visit("/me/?account=sim-2", people["trader"])),
    )
    officer.locator("#timeline-kind").focus()
    expect(officer.locator("#reset-preview tbody tr")).to_have_count(2)
    officer.evaluate("() => scrollTo(0, 300)")
    top = officer.evaluate(TOP)
    found = RuleOverride(
        challenge=Challenge.objects.get(account__public_id="sim-2"),
        rule="daily_loss",
        ordinal=0,
        author=people["head_of_risk"],
        reason="agreed by mail",
        starts_at=datetime.now(UTC) - timedelta(seconds=1),
        replacement={
            "rule": "daily_loss",
            "reference": "day_start_balance",
            "amount": {"percent": "4", "of": "initial"},
            "measured": "equity",
            "operator": "<=",
            "consequence": "pause",
        },
    )
    found.save()
    wire.publish([row("sim-2", 9_900_000, rev=2, overridden=True, rules_digest="b", standings=[standing()])])
    for page in (officer, trader):
        expect(page.locator("#rulebook")).to_contain_text("agreed by mail")
        expect(page.locator("#rulebook")).to_contain_text("equity falls to or below")
        expect(page.locator('.account-head [data-cell="version"]')).to_have_text("version 1, set apart")
        expect(page.locator("#rules-changed")).to_contain_text("It is judged by version 1, set apart now.")
        expect(page.locator("#say")).to_contain_text("The rules of this account changed")
    expect(officer.locator("#timeline-kind")).to_be_focused()
    assert abs(officer.evaluate(TOP) - top) < 3  # what was read stays where it was, though the cards above have grown
    expect(officer.locator('[data-rule="r0"]')).to_contain_text("Set apart")
    wire.publish([row("sim-2", 9_600_000, rev=3, overridden=True, rules_digest="b", standings=[standing()])])
    expect(officer.locator('[data-cell="r0_room"]')).to_have_text("1,000.00")  # the new cards are live
    expect(trader.locator('[data-cell="r0_line"]')).to_have_text("You may still lose 1,000.00 USD today")


@pytest.mark.usefixtures("book")
def test_the_overnight_trap_is_said_and_leads_to_its_accounts(
    visit: Visit, wire: Wire, people: dict[str, User]
) -> None:
    page = live(visit("/desk/", people["risk_officer"]))
    expect(page.locator("#trap")).to_contain_text("1 account would be in breach if the day reset now; it resets at")
    page.locator("#trap a").click()
    expect(page).to_have_url(re.compile(r"/desk/\?reset=breach$"))
    expect(page.locator("#rows tr")).to_have_count(1)
    page.locator("#trap a").focus()
    wire.publish([row("sim-3", rev=2, reset_room=-1, reset_breach=True)])
    expect(page.locator("#trap")).to_contain_text("2 accounts would be in breach")
    expect(page.locator("#trap a")).to_be_focused()
    expect(page.locator("#rows tr")).to_have_count(2)
    wire.publish([row("sim-1", 9_560_000, rev=3), row("sim-3", rev=3)])
    expect(page.locator("#trap")).to_have_count(0)
    expect(page.locator("#rows tr")).to_have_count(0)


@pytest.mark.usefixtures("book")
def test_the_preview_on_a_page_is_renewed_after_a_failure_and_not_while_it_is_copied(
    visit: Visit, people: dict[str, User]
) -> None:
    visit.expected.append("ERR_FAILED|htmx:|^undefined$")
    page = live(visit("/accounts/sim-1/", people["risk_officer"]))
    limits = page.get_by_role("region", name="Limits after a reset")
    limits.focus()
    page.evaluate(OLD)
    page.route("**/reset/", lambda route: route.abort(), times=1)
    expect(page.locator("#request-failed")).to_be_visible()
    expect(page.locator("#reset-preview[data-old]")).to_have_count(0)
    expect(page.locator("#request-failed")).to_be_hidden()
    expect(limits).to_be_focused()
    page.evaluate("() => getSelection().selectAllChildren(document.querySelector('#reset-preview td'))")
    page.evaluate(OLD)
    page.evaluate(RENEW)
    expect(page.locator("#reset-preview[data-old]")).to_have_count(1)
    page.evaluate("() => getSelection().removeAllRanges()")
    page.evaluate(RENEW)
    expect(page.locator("#reset-preview[data-old]")).to_have_count(0)


@pytest.mark.usefixtures("book")
def test_a_flagged_violation_is_counted_decided_and_shown_on_the_timeline(
    visit: Visit, wire: Wire, people: dict[str, User]
) -> None:
    page = live(visit("/accounts/sim-1/", people["risk_officer"]))
    expect(page.locator("#review-count")).to_be_hidden()
    flag("sim-1")
    wire.publish([row("sim-1", 9_560_000, rev=4)], events=[told("k-flag", "sim-1", "violated", 2)])
    line = page.locator('#timeline [data-event="violated"]')
    expect(line).to_contain_text("Positionsp_7")
    expect(page.locator("#review-count")).to_have_text(re.compile("^1"))
    line.get_by_role("link", name="Decide it").click()
    page.get_by_role("checkbox", name=re.compile("^Choose")).check()
    page.get_by_label("Reason").fill("A hedge that was agreed")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator(".messages")).to_contain_text("1 violation dismissed.")
    expect(page.locator("#review-count")).to_be_hidden()
    assert FlagReview.objects.count() == 1
    page = visit("/accounts/sim-1/", people["risk_officer"])
    expect(page.locator('#timeline [data-event="violated"]')).to_contain_text("by risk_officer: A hedge")


def flag(public_id: str) -> None:
    event(
        Account.objects.get(public_id=public_id),
        "k-flag",
        "violated",
        rule="max_lots_per_position",
        consequence="flag",
        operator="",
        reason="position p_7 has 12.00 lots of EURUSD: 10.00 are allowed in one position",
        detail={"positions": ["p_7"], "calendar_revision": "n3"},
    )


@pytest.mark.usefixtures("book")
@pytest.mark.parametrize("dark", [True, False], ids=["dark", "light"])
def test_axe_finds_nothing(visit: Visit, wire: Wire, people: dict[str, User], dark: bool) -> None:
    mode = "dark" if dark else "light"
    flag("sim-1")
    RuleOverride.objects.create(
        challenge=Challenge.objects.get(account__public_id="sim-2"),
        rule="max_loss",
        ordinal=0,
        author=people["head_of_risk"],
        reason="a reason that the trader reads",
        starts_at=datetime.now(UTC),
        replacement=None,
        ends_at=datetime.now(UTC) + timedelta(days=7),
    )
    officer, open_ = people["risk_officer"], {"dark": dark}
    desk = live(visit("/desk/", officer, **open_))
    desk.locator("#column-menu summary").click()
    desk.locator("#column-menu [data-show=reset_room]").check()
    in_both_widths(desk, f"desk-apart-{mode}")
    for path, name in (
        ("/overrides/", "overrides"),
        ("/reviews/", "reviews"),
        ("/overrides/new/?account=sim-1", "override-choose"),
        ("/overrides/new/?account=sim-1+sim-2&rule=daily_loss&ordinal=0", "override-new"),
        ("/plans/", "plans-catalogue"),
    ):
        page = visit(path, officer, **open_)
        if name == "override-new":
            page.locator("#rules-0-amount-percent").fill("4")
            expect(page.locator("#preview")).to_have_attribute("data-breaches", "1")
            expect(page.locator("#instead")).to_contain_text("less 4% of the initial balance")
        in_both_widths(page, f"{name}-{mode}")
    account = live(visit("/accounts/sim-1/", officer, **open_))
    expect(account.locator("#reset-preview tbody tr").first).to_be_visible()
    in_both_widths(account, f"account-apart-{mode}")
    trader = live(visit("/me/?account=sim-2", people["trader"], **open_))
    expect(trader.locator("#rulebook")).to_contain_text("Does not apply to this account.")
    in_both_widths(trader, f"me-apart-{mode}")
    eventually(lambda: not visit.complaints, what="a quiet console")

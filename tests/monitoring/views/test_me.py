"""A trader's own page: plain words, his own accounts only, and why a challenge ended."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import AuditEntry, Role, User
from tests.monitoring.book import adopt, breach, get, row, signed_in, standing, text
from tests.monitoring.wire import Wire

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def trader() -> Client:
    return signed_in("toni", Role.TRADER)


def toni() -> User:
    return User.objects.get(username="toni")


def test_the_limits_are_said_in_plain_words(wire: Wire, trader: Client) -> None:
    adopt("sim-1", toni())
    wire.publish([row("sim-1", 9_628_420, standings=[standing()])])
    said = text(get(trader, "/me/"))
    assert "You may still lose 1,284.20 USD today" in said
    assert "Equity must not fall below 95,000.00." in said
    assert "You may still lose 6,284.20 USD in all" in said
    assert "Closed profit 1,200.00 of the target 10,000.00: 8,800.00 to go." in said
    assert "by the rules" in said
    assert "Europe/Prague" in said
    assert "The challenge fails when equity falls below the initial balance less 10% of the initial balance." in said
    assert "closed profit is at or above 10% of the initial balance, with no position open." in said


def test_a_breach_says_why_with_its_numbers(wire: Wire, trader: Client) -> None:
    breach(adopt("sim-1", toni()))
    reason = "equity 94,812.00 is below the daily floor 95,000.00"
    wire.publish([row("sim-1", 9_481_200, reason=reason)])
    html = get(trader, "/me/")
    assert 'data-state="breached"' in html
    assert f'<p class="big" data-cell="reason">{reason}</p>' in html
    said = text(html)
    assert "This limit was crossed." in said
    assert "The challenge has ended; this limit was not the reason." in said
    assert "Equity after flattening 94,750.25" in said
    assert "close all" not in said  # the broker's commands are the desk's business


def test_old_data_are_never_shown_as_room(wire: Wire, trader: Client) -> None:
    adopt("sim-1", toni())
    wire.publish([row("sim-1", 9_700_000, state="unknown", stale=True)])
    said = text(get(trader, "/me/"))
    assert "You may still lose" not in said
    assert "This is no verdict: the data are old." in said


def test_the_account_nearest_a_limit_comes_first_and_another_can_be_picked(wire: Wire, trader: Client) -> None:
    adopt("sim-1", toni())
    adopt("sim-2", toni())
    wire.publish([row("sim-1"), row("sim-2", 9_560_000, state="warned", severity=2)])
    assert "<h1>Account 2</h1>" in get(trader, "/me/")
    html = get(trader, "/me/?account=sim-1")
    assert "<h1>Account 1</h1>" in html
    assert 'data-view="account=sim-1"' in html
    assert '?account=sim-1&amp;kind=&amp;format=csv"' in html


def test_another_traders_account_is_refused_and_audited(wire: Wire, trader: Client) -> None:
    adopt("sim-1", toni())
    other = User.objects.create_user("other", password="pw", role=Role.TRADER)
    adopt("sim-9", other)
    wire.publish([row("sim-1"), row("sim-9", 9_000_100, trader="Other")])
    assert "sim-9" not in get(trader, "/me/")
    for asked in ("sim-9", "unknown", "%00"):
        assert trader.get(f"/me/?account={asked}").status_code == 403
        assert trader.get(f"/me/?account={asked}&format=csv").status_code == 403
    assert AuditEntry.objects.filter(verb="access_refused", actor_name="toni", target="/me/").exists()


def test_a_trader_without_an_account_is_told(wire: Wire, trader: Client) -> None:
    assert "No account yet" in get(trader, "/me/")


@pytest.mark.parametrize("role", [Role.RISK_OFFICER, Role.HEAD_OF_RISK, Role.AUDITOR])
def test_the_risk_team_is_told_that_the_page_is_not_theirs(wire: Wire, role: Role) -> None:
    answer = signed_in("team", role).get("/me/")
    assert answer.status_code == 403
    assert "the risk team works on the desk" in answer.content.decode()


def test_the_anonymous_sign_in_first(wire: Wire) -> None:
    assert Client().get("/me/").headers["Location"] == "/login/?next=/me/"

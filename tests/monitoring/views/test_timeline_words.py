"""How the timeline tells the events of the rules without a floor, and what became of flagged ones."""

from __future__ import annotations

import csv
from decimal import Decimal
from io import StringIO

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Role, User
from monitoring import flags
from monitoring.models import RiskEvent
from tests.monitoring.book import adopt, event, get, signed_in, text
from tests.monitoring.wire import Wire

pytestmark = pytest.mark.django_db(transaction=True)


def violated(trader: User | None = None) -> RiskEvent:
    reason = "position p_7 of EURUSD was opened at 12:29:31Z, 29 s before USD Payrolls of 12:30:00Z"
    return event(
        adopt("sim-1", trader), "k-violated", "violated", rule="news_window", consequence="flag", operator="",
        reason=reason, detail={"positions": ["p_7"], "calendar_revision": "news-2026-11-20.3"},
    )  # fmt: skip


def test_a_violation_shows_its_rule_positions_and_calendar(wire: Wire, officer: Client) -> None:
    violated()
    said = text(get(officer, "/accounts/sim-1/"))
    assert "Rule broken · News" in said
    assert "Consequence a flag goes to the review queue" in said
    assert "Positions p_7" in said
    assert "Calendar revision news-2026-11-20.3" in said
    assert "Floor" not in said.partition("Rule broken")[2].partition("The rules of this challenge")[0]


def test_a_target_is_told_as_profit_and_target(wire: Wire, officer: Client) -> None:
    amounts = {"measured": Decimal("10020"), "floor": Decimal("10000"), "operator": ">="}
    event(adopt("sim-1"), "k-target", "target_reached", rule="profit_target", severity=0, **amounts)
    said = text(get(officer, "/accounts/sim-1/"))
    assert "Closed profit 10,020.00" in said
    assert "Target 10,000.00" in said
    assert "Breached when it" not in said


def test_a_flagged_event_leads_to_the_queue_and_shows_the_decision(wire: Wire, officer: Client) -> None:
    found = violated(User.objects.create_user("trader", role=Role.TRADER))
    trader = Client()
    trader.force_login(User.objects.get(username="trader"), backend="django.contrib.auth.backends.ModelBackend")
    html = get(officer, "/accounts/sim-1/")
    assert "Waits for a decision" in html
    assert '/reviews/?account=sim-1&amp;rule=news_window">Decide it' in html
    assert 'data-waiting="1"' in html
    flags.decide([found.pk], "upheld", User.objects.get(username="risk"), "copied signals", timezone.now())
    html = get(officer, "/accounts/sim-1/")
    assert "by risk: copied signals" in text(html)
    assert 'data-waiting="0" hidden' in html
    own = get(trader, "/me/")
    assert "Upheld" in own
    assert "copied signals" not in own
    assert "/reviews/" not in own


def test_the_exports_name_consequence_positions_and_calendar(wire: Wire) -> None:
    officer = signed_in("head", Role.HEAD_OF_RISK)
    violated()
    for path in ("/accounts/sim-1/?format=csv", "/reviews/?format=csv"):
        (line,) = csv.DictReader(StringIO(b"".join(officer.get(path)).decode()))
        assert (line["positions"], line["calendar_revision"]) == ("p_7", "news-2026-11-20.3")
    (line,) = csv.DictReader(StringIO(b"".join(officer.get("/accounts/sim-1/?format=csv")).decode()))
    assert (line["consequence"], line["decision"]) == ("flag", "")

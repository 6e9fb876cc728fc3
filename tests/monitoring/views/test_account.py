"""The account page: who may open it, what it says, its timeline and chart, the release from review."""

from __future__ import annotations

import csv
import re
from io import StringIO
from time import time
from typing import Any

import pytest
from django.test import Client

from accounts import challenges
from accounts.models import AuditEntry, ChallengeState, Role, User
from monitoring import replica
from tests.monitoring.book import adopt, breach, event, get, history, row, signed_in, standing, text
from tests.monitoring.wire import Wire
from tests.monitoring.wire import event as told
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def chart(client: Client, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/accounts/sim-1/chart.json{query}")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_a_trader_opens_his_own_and_is_refused_any_other(wire: Wire) -> None:
    client = signed_in("trader", Role.TRADER)
    adopt("sim-1", User.objects.get(username="trader"))
    adopt("sim-2")
    assert client.get("/accounts/sim-1/").status_code == 200
    assert client.get("/accounts/sim-1/chart.json").status_code == 200
    for path in ("/accounts/sim-2/", "/accounts/sim-2/chart.json", "/accounts/nobody/"):
        assert client.get(path).status_code == 403
        assert AuditEntry.objects.filter(verb="access_refused", target=path).count() == 1
    assert client.post("/accounts/sim-1/release/", {"reason": "please"}).status_code == 403
    assert "Release from review" not in get(client, "/accounts/sim-1/")


def test_the_anonymous_are_sent_to_sign_in_and_an_unknown_account_is_a_404(wire: Wire, officer: Client) -> None:
    assert Client().get("/accounts/sim-1/").headers["Location"] == "/login/?next=/accounts/sim-1/"
    assert officer.get("/accounts/nobody/").status_code == 404
    assert officer.get("/accounts/no%00body/").status_code == 404


def test_the_page_says_every_limit_with_its_operator_and_its_figures(wire: Wire, officer: Client) -> None:
    adopt("sim-1")
    wire.publish(
        [row("sim-1", 9_560_000, severity=2, state="warned", enforcement_mode="dry_run", standings=[standing()])]
    )
    html = get(officer, "/accounts/sim-1/")
    said = text(html)
    assert "falls below the balance at the start of the day less 5% of the initial balance" in said
    assert "falls below the initial balance less 10% of the initial balance" in said
    assert '<dd class="big" data-cell="r0_room">600.00</dd>' in html
    assert '<dd data-cell="r0_floor">95,000.00</dd>' in html
    assert '<dd data-cell="r1_floor">90,000.00</dd>' in html
    assert '<b data-cell="r0_used">88.0%</b>' in html
    assert 'data-rule="r0" data-sev="2"' in html
    assert '<b data-cell="word">Warning</b>' in html
    assert '<span class="badge dry" data-cell="mode">Dry run</span>' in html
    assert "Two-step" in said
    assert "version 1" in said
    assert '<dd class="big" data-cell="r2_value">1,200.00</dd>' in html
    assert "Closed profit 1,200.00 of the target 10,000.00: 8,800.00 to go." in said
    assert "12.0% of the way" in said
    assert 'data-socket="/ws/account/sim-1/"' in html
    assert "style=" not in html
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)


def test_without_a_word_of_the_monitor_the_page_stands_and_claims_nothing(wire: Wire, officer: Client) -> None:
    adopt("sim-1")
    html = get(officer, "/accounts/sim-1/")
    assert "No data yet" in html
    assert '<dd class="big" data-cell="r0_room">—</dd>' in html
    assert 'data-live="stale"' in html


def test_stale_data_are_no_verdict(wire: Wire, officer: Client) -> None:
    adopt("sim-1")
    wire.publish([row("sim-1", 9_700_000, state="unknown", stale=True)])
    html = get(officer, "/accounts/sim-1/")
    assert "no verdict until fresh data come" in html
    assert '<dd data-cell="r0_state">No verdict</dd>' in html
    assert "Within its limits" not in html.split('data-rule="r1"')[0]


def test_open_positions_are_listed(wire: Wire, officer: Client) -> None:
    adopt("sim-1")
    wire.publish([row("sim-1", open_positions=3)])
    said = text(get(officer, "/accounts/sim-1/"))
    assert "EURUSD BUY 1.00 1.10000" in said
    assert "2 more by the upstream's count" in said


def test_the_timeline_proves_a_breach(wire: Wire, officer: Client) -> None:
    found = adopt("sim-1")
    breach(found)
    said = text(get(officer, "/accounts/sim-1/"))
    assert "08:12:04 UTC Breached · Daily loss equity 94,812.00 is below the daily floor 95,000.00" in said
    assert "Floor 95,000.00 Breached when it falls below" in said
    assert "Enforcement: Flat and locked" in said
    assert "Equity at detection 94,812.00 Lowest equity 94,700.50 Equity after flattening 94,750.25" in said
    assert "Confirmed flat 08:12:04.300 Locked 08:12:04.310" in said
    assert "close all: done, 200, 1 closed" in said


def test_the_timeline_is_filtered_paged_and_alone_for_htmx(wire: Wire, officer: Client) -> None:
    found = adopt("sim-1")
    for number in range(30):
        event(found, f"w{number}", "warned")
    event(found, "c", "cleared")
    html = get(officer, "/accounts/sim-1/?kind=warned&page=2", **{"HX-Request": "true"})
    assert html.lstrip().startswith('<section id="timeline"')
    assert html.count('data-event="warned"') == 5
    assert "cleared" not in re.findall(r'data-event="(\w+)"', html)
    assert "26–30 of 30" in html
    assert 'data-query="?kind=warned&amp;page=2"' in html
    for nonsense, said in (("?kind=x", "There is no kind of event “x”"), ("?page=-3", "The page is a whole number")):
        html = get(officer, f"/accounts/sim-1/{nonsense}")
        assert said in html
        assert html.count('data-event="warned"') > 0
    assert officer.get("/accounts/sim-1/?kind=x&format=csv").status_code == 400


def test_an_event_is_shown_before_postgresql_has_it_and_once_after(wire: Wire, officer: Client) -> None:
    found = adopt("sim-1")
    wire.publish([row("sim-1"), row("sim-2")], events=[told("k1", "sim-1"), told("k2", "sim-2")])
    eventually(lambda: len(replica.get().events(9)) == 2)
    html = get(officer, "/accounts/sim-1/")
    assert html.count("data-event=") == 1
    assert "Being recorded" in html
    event(found, "k1", "warned")
    html = get(officer, "/accounts/sim-1/")
    assert html.count("data-event=") == 1
    assert "Being recorded" not in html


def test_the_events_as_csv_carry_the_proof_and_no_formula(wire: Wire, officer: Client) -> None:
    found = adopt("sim-1")
    breach(found, last_error="=cmd|' /C calc'!A0")
    event(found, "w", "warned")
    answer = officer.get("/accounts/sim-1/?kind=breached&format=csv")
    lines = list(csv.DictReader(StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]  # a streaming answer
    assert [line["event"] for line in lines] == ["breached"]
    assert lines[0]["floor"] == "95000.00"
    assert lines[0]["equity_after"] == "94750.25"
    assert lines[0]["flat_at"] == "2026-11-20T08:12:04.300Z"
    assert lines[0]["last_error"].startswith("'=")


def test_the_chart_has_equity_balance_and_both_floors(wire: Wire, officer: Client) -> None:
    adopt("sim-1")
    now = int(time() * 1000)
    wire.publish([row("sim-1")])
    history(wire, "sim-1", [(now - 7_200_000, 9_900_000), (now - 60_000, 9_800_000), (now - 30_000, 9_850_000)])
    found = chart(officer)
    traces = {trace["meta"]: trace for trace in found["figure"]["data"]}
    assert list(traces) == ["equity", "balance", "daily_floor", "max_floor"]
    assert traces["equity"]["y"] == [98_000.0, 98_500.0]
    assert traces["max_floor"]["y"] == [90_000.0, 90_000.0]
    assert traces["daily_floor"]["line"]["shape"] == "hv"
    assert "lowest 98,000.00" in found["summary"]
    assert "daily loss floor 95,000.00, maximum loss floor 90,000.00" in found["summary"]
    assert chart(officer, "?range=all")["points"] == 3


def test_a_chart_without_points_says_so_and_a_wrong_range_is_named(wire: Wire, officer: Client) -> None:
    adopt("sim-1")
    assert chart(officer)["points"] == 0
    answer = officer.get("/accounts/sim-1/chart.json?range=2y")
    assert answer.status_code == 400
    assert answer.json() == {"error": "range must be one of 1h, 1d, all"}


def test_only_chart_pages_allow_plotlys_styles(wire: Wire, officer: Client) -> None:
    adopt("sim-1")
    policy = officer.get("/accounts/sim-1/").headers["Content-Security-Policy"]
    assert "style-src 'self' 'sha256-" in policy
    assert "unsafe" not in policy
    assert "sha256" not in officer.get("/feeds/").headers["Content-Security-Policy"]


def test_a_release_from_review_needs_a_reason_and_is_audited(wire: Wire, officer: Client) -> None:
    challenge = adopt("sim-1").challenges.get()
    challenges.send_to_review(challenge, "beyond a floor at adoption")
    answer = officer.post("/accounts/sim-1/release/", {"reason": "  "}, follow=True)
    assert "Say why" in answer.content.decode()
    challenge.refresh_from_db()
    assert challenge.state == ChallengeState.REVIEW
    answer = officer.post("/accounts/sim-1/release/", {"reason": "deposit was on its way"}, follow=True)
    assert "is judged again" in answer.content.decode()
    challenge.refresh_from_db()
    assert challenge.state == ChallengeState.ACTIVE
    entry = AuditEntry.objects.get(verb="review_released")
    assert (entry.actor_name, entry.target, entry.detail) == ("risk", "sim-1", {"reason": "deposit was on its way"})
    again = officer.post("/accounts/sim-1/release/", {"reason": "again"}, follow=True)
    assert "not in review" in again.content.decode()


def test_an_auditor_reads_and_releases_nothing(wire: Wire) -> None:
    client = signed_in("auditor", Role.AUDITOR)
    challenges.send_to_review(adopt("sim-1").challenges.get(), "beyond a floor at adoption")
    assert "Release from review" not in get(client, "/accounts/sim-1/")
    assert client.post("/accounts/sim-1/release/", {"reason": "x"}).status_code == 403
    assert client.get("/accounts/sim-1/release/").status_code == 405

"""The feeds: health and refusals of every upstream, and the head's switch between live and dry run."""

from __future__ import annotations

import csv
import json
import re
from io import StringIO
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEntry, Role, Server
from monitoring import replica
from tests.monitoring.book import get, signed_in, text
from tests.monitoring.wire import Wire, server
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def head() -> Client:
    return signed_in("head", Role.HEAD_OF_RISK)


def feeds(html: str) -> list[str]:
    return re.findall(r'data-feed="([^"]+)"', html)


def test_the_feeds_are_for_the_risk_team(wire: Wire) -> None:
    assert Client().get("/feeds/").headers["Location"] == "/login/?next=/feeds/"
    assert signed_in("trader", Role.TRADER).get("/feeds/").status_code == 403
    assert signed_in("auditor", Role.AUDITOR).get("/feeds/").status_code == 200


def test_every_count_and_every_reason_of_a_refusal_is_shown(wire: Wire, officer: Client) -> None:
    refusals = {"not_finite": 3, "bad_json": 12, "late": 0}
    counts: dict[str, Any] = {"frames": 1_234_567, "gaps": 2, "late": 4, "repeated": 5, "refused": 15, "accounts": 200}
    wire.publish(servers=[server(**counts, refusals=refusals, last_refusal="balance: NaN <b>", stale_accounts=7)])
    html = get(officer, "/feeds/")
    assert '<td class="num" data-count="frames">1,234,567</td>' in html
    assert '<td class="num some" data-count="refused">15</td>' in html
    assert '<td class="num some" data-count="stale">7</td>' in html
    said = text(html)
    assert "sim bad json 12 balance: NaN &lt;b&gt;" in said
    assert said.index("bad json 12") < said.index("not finite 3")
    assert "late 0" not in said


def test_how_far_the_upstreams_own_rules_are_in_step_is_shown(wire: Wire, officer: Client) -> None:
    counts: dict[str, Any] = {"rules_in_step": 180, "rules_pending": 19, "rules_refused": 1, "rule_events": 4}
    wire.publish(
        servers=[
            server("A", **counts, orders_refused=2, rules_refusal="acc_7: max_lot_size"),
            server("B", enforcement_mode="dry_run"),
        ]
    )
    said = text(get(officer, "/feeds/"))
    assert "A 180 19 1 4 2 acc_7: max_lot_size" in said
    assert "B 0 0 0 0 0 Dry run: it is told nothing." in said


def test_the_monitors_own_trouble_and_the_processes_are_shown(wire: Wire, officer: Client) -> None:
    wire.client.hset("riskdesk:main:meta", "health", json.dumps({"ready": True, "leader": True, "epoch": 7}))
    wire.publish(warnings=["PostgreSQL unreachable since 06:41:00 UTC"])
    said = text(get(officer, "/feeds/"))
    assert "PostgreSQL unreachable since 06:41:00 UTC" in said
    assert "Monitor main Ready Leads in epoch 7" in said
    assert "PostgreSQL Answers Redis Answers Last batch Fresh" in said


def test_before_any_monitor_the_page_says_so(wire: Wire, officer: Client) -> None:
    said = text(get(officer, "/feeds/"))
    assert "Not heard yet" in said
    assert "No upstream has been heard of yet." in said


def test_the_list_is_filtered_sorted_and_alone_for_htmx(wire: Wire, officer: Client) -> None:
    wire.publish(servers=[server("A", frames=5), server("B", state="disconnected", frames=9), server("C", frames=7)])
    assert feeds(get(officer, "/feeds/?sort=-frames")) == ["B", "C", "A"]
    assert feeds(get(officer, "/feeds/?state=down")) == ["B"]
    assert feeds(get(officer, "/feeds/?state=up&q=c")) == ["C"]
    html = get(officer, "/feeds/?q=nobody", **{"HX-Request": "true"})
    assert html.lstrip().startswith('<div id="feeds"')
    assert "No upstream matches." in html
    assert feeds(get(officer, "/feeds/?q=%00")) == []
    wrong = get(officer, "/feeds/?sort=evil&state=x")
    assert "There is no column to sort by “evil”; there are: server, state," in wrong
    assert "There is no state “x”; there are: up, down." in wrong
    assert officer.get("/feeds/?state=x&format=csv").status_code == 400
    assert 'aria-sort="descending"' in get(officer, "/feeds/?sort=-frames")


def test_the_list_as_csv(wire: Wire, officer: Client) -> None:
    wire.publish(servers=[server(refusals={"bad_json": 2}, last_refusal="=1+1")])
    lines = list(csv.DictReader(StringIO(officer.get("/feeds/?format=csv").content.decode())))
    assert [(line["server"], line["refusals"], line["last_refusal"]) for line in lines] == [
        ("sim", "bad_json: 2", "'=1+1")
    ]


def test_the_head_switches_a_server_with_reason_and_confirmation(wire: Wire, head: Client) -> None:
    one = Server.objects.create(name="sim", kind="simulator")
    wire.publish(servers=[server(enforcement_mode="dry_run")])
    eventually(lambda: replica.get().servers())
    assert "Switch to live" in get(head, "/feeds/")
    path = f"/feeds/{one.pk}/enforcement/"
    for asked, problem in (
        ({"mode": "live", "reason": "tested"}, "Confirm the switch."),
        ({"mode": "live", "reason": " ", "confirm": "on"}, "Say why."),
        ({"mode": "off", "reason": "tested", "confirm": "on"}, "Select a valid choice"),
    ):
        assert problem in head.post(path, asked, follow=True).content.decode()
        one.refresh_from_db()
        assert one.enforcement == ""
    answer = head.post(path, {"mode": "live", "reason": "tested", "confirm": "on"}, follow=True)
    assert "sim: enforcement is switched to live." in answer.content.decode()
    one.refresh_from_db()
    assert one.enforcement == "live"
    entry = AuditEntry.objects.get(verb="enforcement_switched")
    assert (entry.actor_name, entry.target) == ("head", "sim")
    assert entry.detail == {"from": "as configured", "to": "live", "reason": "tested"}


def test_an_officer_sees_the_mode_and_switches_nothing(wire: Wire, officer: Client) -> None:
    one = Server.objects.create(name="sim", kind="simulator")
    wire.publish()
    html = get(officer, "/feeds/")
    assert "Only the head of risk may switch it." in html
    assert "Switch to" not in html
    asked = {"mode": "dry_run", "reason": "x", "confirm": "on"}
    assert officer.post(f"/feeds/{one.pk}/enforcement/", asked).status_code == 403
    one.refresh_from_db()
    assert one.enforcement == ""


def test_an_unknown_server_is_a_404(wire: Wire, head: Client) -> None:
    assert head.post("/feeds/999/enforcement/", {"mode": "live"}).status_code == 404

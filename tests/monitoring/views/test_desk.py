"""The desk's page: who may open it, what the first paint says, and that its address holds its state."""

from __future__ import annotations

import csv
import re
from io import StringIO
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEntry, Role
from monitoring import replica
from tests.monitoring.book import get, signed_in, text
from tests.monitoring.wire import Wire, account, event, server
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def accounts(html: str) -> list[str]:
    return re.findall(r'<tr data-account="(sim-[^"]+)"', html)


@pytest.mark.parametrize("path", ["/desk/", "/desk/export.csv"])
def test_a_trader_gets_403_and_an_entry_and_an_anonymous_the_login_page(wire: Wire, path: str) -> None:
    assert Client().get(path).headers["Location"] == f"/login/?next={path}"
    assert signed_in("trader", Role.TRADER).get(path).status_code == 403
    assert AuditEntry.objects.filter(verb="access_refused", target=path).count() == 1


def test_the_first_paint_has_rows_figures_and_rail(wire: Wire, officer: Client) -> None:
    rows = [account("sim-1", daily_used=9700, max_used=5100, equity=9_515_000), account("sim-2", trader="<b>Novak</b>")]
    wire.publish(rows, events=[event("k", "sim-1")])
    html = get(officer, "/desk/")
    assert accounts(html) == ["sim-1", "sim-2"]
    assert '<tr data-account="sim-1" data-sev="3"' in html
    assert '<td data-cell="equity">95,150.00</td>' in html
    assert '<span class="gauge" data-s="3"><svg aria-hidden="true"><rect width="97%"' in html
    assert '<span class="gauge" data-s="1"><svg aria-hidden="true"><rect width="51%"' in html
    assert "&lt;b&gt;Novak&lt;/b&gt;" in html
    assert html.count("data-kpi=") == 8
    assert 'id="alert-rail"' in html
    assert "style=" not in html
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)


def test_a_figure_that_rounds_to_zero_has_no_sign(wire: Wire, officer: Client) -> None:
    wire.put("sim-1", headroom=-3)
    assert re.search(r'data-kpi="headroom_p5"[^>]*>.*?<b>0\.0%</b>', get(officer, "/desk/"))


def test_htmx_gets_the_table_alone(wire: Wire, officer: Client) -> None:
    wire.put("sim-1", "sim-2", phase="Funded")
    wire.put("sim-1", phase="Phase 1")
    html = get(officer, "/desk/?phase=Funded&sort=-eq", **{"HX-Request": "true"})
    assert html.lstrip().startswith('<section id="desk"')
    assert accounts(html) == ["sim-2"]
    assert 'data-view="phase=Funded&amp;sort=-eq"' in html
    assert 'data-col="equity" class="n" aria-sort="descending"' in html
    assert "Phase: Funded" in html
    assert "1 of 1" in html


def test_an_empty_list_says_how_to_get_out(wire: Wire, officer: Client) -> None:
    wire.put("sim-1")
    html = get(officer, "/desk/?q=nobody")
    assert '<p class="empty" id="empty">No account matches.' in html


def test_without_a_monitor_the_desk_waits_and_says_so(wire: Wire, officer: Client) -> None:
    html = get(officer, "/desk/")
    assert "No monitor has published yet" in html
    assert 'data-live="stale"' in html
    assert 'id="skeleton"' in html


def test_a_window_has_200_rows_and_a_page_stays_under_150_kb(wire: Wire, officer: Client) -> None:
    wire.publish([account(f"sim-{n:03}", daily_used=n) for n in range(450)])
    html = get(officer, "/desk/")
    assert "200 of 450" in html
    assert len(html.encode()) < 150_000
    assert 'href="/desk/?offset=200"' in html
    last = get(officer, "/desk/?offset=400&sort=-dl")
    assert accounts(last)[0] == "sim-049"
    assert "50 of 450" in last


def test_a_place_beyond_the_end_shows_the_last_window(wire: Wire, officer: Client) -> None:
    """A kept address, or a list that has become shorter: never an empty table that does not say why."""
    wire.publish([account(f"sim-{n:03}", daily_used=n) for n in range(250)])
    html = get(officer, "/desk/?offset=100000&sort=-dl")
    assert len(accounts(html)) == 50
    assert 'data-offset="200"' in html
    assert 'href="/desk/?sort=-dl&amp;offset=0"' in html


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("offset=-1", "The offset is a whole number from 0 to 1,000,000"),
        ("offset=9e9", "The offset is a whole number"),
        ("offset=200", "The list has 1 accounts and none from 200 on"),
        ("sev=%00", "There is no severity"),
        ("sort=-", "There is no column to sort by “-”"),
        ("sort=evil", "There is no column to sort by “evil”; there are: sev, login,"),
        ("sort=--dl", "There is no column to sort by “-dl”"),
        ("v=x&state=y", "There is no view “x”"),
        ("v=x&state=y", "There is no state “y”; there are: ok, warned"),
        ("stale=x", "There is no value of stale “x”"),
        ("q=" + "x" * 5000, "Of q the first 100 characters count."),
    ],
)
def test_nonsense_in_the_address_is_said_on_the_page(wire: Wire, officer: Client, query: str, said: str) -> None:
    wire.put("sim-1")
    found = re.search(r'<div role="alert"><ul class="errorlist">(.*?)</ul>', get(officer, f"/desk/?{query}"))
    assert found
    assert said in found[1]


def test_a_good_address_and_an_empty_list_are_no_complaint(wire: Wire, officer: Client) -> None:
    assert "errorlist" not in get(officer, "/desk/?offset=0&v=&sev=watch")
    wire.put("sim-1")
    assert "errorlist" not in get(officer, "/desk/?sort=-dl&v=near-breach&sev=watch&stale=1&q=x&state=ok&tour=1")


def test_no_export_of_another_list_than_the_one_asked_for(wire: Wire, officer: Client) -> None:
    wire.put("sim-1")
    answer = officer.get("/desk/export.csv?sev=evil")
    assert answer.status_code == 400
    assert answer.content.decode() == "There is no severity “evil”; there are: watch, warning, critical, breached.\n"


@pytest.mark.parametrize(("mode", "word"), [("dry_run", "Dry run"), ("live", "Enforcement live")])
def test_every_page_says_which_mode_it_is(wire: Wire, mode: str, word: str, settings: Any) -> None:
    """As the monitor says; before it has said anything as the book and the settings have it."""
    people = {role: signed_in(role.value, role) for role in (Role.HEAD_OF_RISK, Role.TRADER)}

    def said() -> set[bool]:
        pages = ["/desk/", "/feeds/", "/alerts/", "/audit/"]
        texts = [get(people[Role.HEAD_OF_RISK], page) for page in pages] + [get(people[Role.TRADER], "/me/")]
        return {f">{word}</span>" in text for text in texts}

    settings.RISKDESK_ENFORCEMENT = mode
    assert said() == {True}
    other = {"dry_run": "live", "live": "dry_run"}[mode]
    settings.RISKDESK_ENFORCEMENT = other
    assert said() == {False}
    wire.publish([account("sim-1")], servers=[server(enforcement_mode=mode)])
    eventually(lambda: replica.get().servers(), what="the replica knows the server")
    assert said() == {True}


def test_a_feed_that_is_down_is_a_bar_over_the_table(wire: Wire, officer: Client) -> None:
    wire.publish([account("sim-1")], servers=[server("MT5-2", state="disconnected", reason="connection_lost")])
    html = get(officer, "/desk/")
    assert "Feed MT5-2 disconnected since 00:00:01 UTC: connection_lost" in html
    assert accounts(html) == ["sim-1"]


def test_a_feed_that_is_connected_and_brings_nothing_is_a_bar_too(wire: Wire, officer: Client) -> None:
    wire.publish([account("sim-1", stale=True)], servers=[server("MT5-2", accounts=1, stale_accounts=1)])
    html = get(officer, "/desk/")
    assert "Feed MT5-2 is stale: the data of 1 of its 1 accounts are old, there is no verdict on them" in html


def test_the_tour_is_shown_when_asked_for(wire: Wire, officer: Client) -> None:
    assert "What to try next" in get(officer, "/desk/?tour=1")
    assert "What to try next" not in get(officer, "/desk/")


def test_the_export_has_the_whole_filtered_list_and_no_formula(wire: Wire, officer: Client) -> None:
    rows = [account(f"sim-{n:03}", daily_used=n) for n in range(250)]
    wire.publish([*rows, account("sim-x", trader="=1+1", day_pl=-129_000, daily_used=9000)])
    eventually(lambda: len(replica.get().rows()) == 251)
    answer = officer.get("/desk/export.csv")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]  # a streaming answer
    lines = list(csv.DictReader(StringIO(text)))
    assert len(lines) == 251
    assert (lines[0]["trader"], lines[0]["day_pl"], lines[0]["equity"]) == ("'=1+1", "-1290.00", "100000.00")


@pytest.mark.parametrize(
    ("name", "cell"),
    [("\u22121+cmd|' /C calc'!A0", "\u22121+cmd|' /C calc'!A0"), ("\n=1+1", "'\n=1+1"), ("3M, Inc", "3M, Inc")],
)
def test_the_export_keeps_names_as_they_are_and_harmless(wire: Wire, officer: Client, name: str, cell: str) -> None:
    wire.publish([account("sim-x", trader=name)])
    eventually(lambda: len(replica.get().rows()) == 1)
    text = b"".join(officer.get("/desk/export.csv").streaming_content).decode()  # type: ignore[attr-defined]
    assert next(csv.DictReader(StringIO(text, newline="")))["trader"] == cell


def test_health_says_whether_pages_and_data_flow(wire: Wire) -> None:
    wire.client.hset("riskdesk:main:meta", "health", '{"ready": true, "leader": true}')
    wire.put("sim-1")
    answer = Client().get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["monitor"]["ready"] is True
    assert answer.json()["live"] == "connected"


def test_metrics_are_prometheus_text(wire: Wire) -> None:
    wire.put("sim-1", "sim-2")
    text = Client().get("/metrics").content.decode()
    assert "riskdesk_web_accounts 2.0" in text


def test_the_overnight_trap_is_a_filter_and_a_view(wire: Wire, officer: Client) -> None:
    wire.put("sim-1", reset_room=250_000)
    wire.put("sim-2", reset_room=-300_000, reset_breach=True)
    for query in ("reset=breach", "v=at-reset"):
        html = get(officer, f"/desk/?{query}")
        assert 'data-account="sim-2"' in html
        assert 'data-account="sim-1"' not in html
    assert "\u22123,000.00" in get(officer, "/desk/?reset=breach")
    assert "There is no value of reset" in text(get(officer, "/desk/?reset=maybe"))


def test_the_desk_says_which_version_judges_each_account(wire: Wire, officer: Client) -> None:
    wire.put("sim-1", rule_set_version=1)
    wire.put("sim-2", rule_set_version=2)
    wire.put("sim-3", rule_set_version=2, overridden=True)
    html = get(officer, "/desk/")
    for public_id, version in (("sim-1", "v1"), ("sim-2", "v2"), ("sim-3", "v2*")):
        assert re.search(rf'data-account="{public_id}".*?data-cell="rules">{re.escape(version)}<', html, re.DOTALL)
    html = get(officer, "/desk/?version=2&sort=-rules")
    assert html.index('data-account="sim-3"') < html.index('data-account="sim-2"')
    assert 'data-account="sim-1"' not in html
    assert "is a whole number" in text(get(officer, "/desk/?version=two"))

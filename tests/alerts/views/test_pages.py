"""The alert pages: who may see and do what, filters, export, and what an alert's page explains."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from uuid import uuid4

import pytest
import redis
from django.test import Client

from accounts.models import Account, AuditEntry
from alerts.deliveries import deliver, evaluate
from alerts.forms import AlertFilterForm
from alerts.models import Alert, AlertTransition, Delivery
from alerts.views.queue import SORTS, TITLES
from alerts.views.rail import settled_accounts
from monitoring import replica
from monitoring.replica import render_fragment
from tests.alerts.conftest import MakeAccount, MakeEvent
from tests.alerts.fake_slack import Answer, FakeSlack

SignIn = Callable[[str], Client]
HTMX = {"HX-Request": "true"}


@pytest.fixture(scope="module", autouse=True)
def replica_ends() -> Iterator[None]:
    """The rail tells this process's replica what was taken up; its threads end with these tests."""
    yield
    replica.stop()


@pytest.fixture
def breach(account: Account, happen: MakeEvent) -> Alert:
    evaluate(happen(account, "breached").pk)
    return Alert.objects.get()


@pytest.mark.parametrize(
    ("role", "sees", "acts"),
    [("risk_officer", 200, 302), ("head_of_risk", 200, 302), ("auditor", 200, 403), ("trader", 403, 403)],
)
def test_who_sees_and_who_acknowledges(breach: Alert, signed_in: SignIn, role: str, sees: int, acts: int) -> None:
    client = signed_in(role)
    assert client.get("/alerts/").status_code == sees
    assert client.get(f"/alerts/{breach.pk}/").status_code == sees
    assert client.post(f"/alerts/{breach.pk}/acknowledge/").status_code == acts
    breach.refresh_from_db()
    assert breach.state == ("acknowledged" if acts == 302 else "firing")


def test_anonymous_is_led_to_the_login(db: None, client: Client) -> None:
    assert client.get("/alerts/").status_code == 302
    assert client.post(f"/alerts/{uuid4()}/acknowledge/").status_code == 302


def test_an_acknowledgement_is_in_the_history_and_in_the_audit(breach: Alert, signed_in: SignIn) -> None:
    signed_in("risk_officer").post(f"/alerts/{breach.pk}/acknowledge/")
    breach.refresh_from_db()
    assert breach.acked_by is not None
    assert breach.acked_by.username == "risk_officer"
    step = AlertTransition.objects.get(alert=breach, event="acknowledge")
    assert (step.actor_kind, step.actor_name, step.to_state) == ("user", "risk_officer", "acknowledged")
    entry = AuditEntry.objects.get(verb="alert_acknowledge")
    assert (entry.actor_name, entry.detail["alert"]) == ("risk_officer", str(breach.pk))


def test_the_second_acknowledgement_learns_who_was_first(breach: Alert, signed_in: SignIn) -> None:
    signed_in("risk_officer").post(f"/alerts/{breach.pk}/acknowledge/")
    answer = signed_in("head_of_risk").post(f"/alerts/{breach.pk}/acknowledge/")
    assert answer.status_code == 409
    assert "risk_officer has acknowledged this alert already" in answer.content.decode()
    assert AuditEntry.objects.filter(verb="alert_acknowledge").count() == 1


@pytest.mark.parametrize("version", ["1", "x", "-1", "9" * 40, "²"])
def test_a_stale_or_senseless_version_does_nothing(breach: Alert, signed_in: SignIn, version: str) -> None:
    answer = signed_in("risk_officer").post(f"/alerts/{breach.pk}/acknowledge/", {"version": version})
    assert answer.status_code == 409
    breach.refresh_from_db()
    assert breach.state == "firing"


def test_the_rail_answers_with_itself(breach: Alert, signed_in: SignIn) -> None:
    answer = signed_in("risk_officer").post(
        f"/alerts/{breach.pk}/acknowledge/", headers={**HTMX, "HX-Target": "alert-rail"}
    )
    html = answer.content.decode()
    assert html.startswith('<aside id="alert-rail"')
    assert "risk_officer" in html
    assert ">Ack<" not in html


def test_the_list_answers_with_itself_and_keeps_the_filter(breach: Alert, signed_in: SignIn) -> None:
    answer = signed_in("risk_officer").post(
        f"/alerts/{breach.pk}/acknowledge/?state=firing", headers={**HTMX, "HX-Target": "alert-list"}
    )
    html = answer.content.decode()
    assert '<div id="alert-list">' in html
    assert "No alert matches" in html


def test_a_breach_is_closed_by_hand_with_a_reason(breach: Alert, signed_in: SignIn) -> None:
    client = signed_in("risk_officer")
    assert client.post(f"/alerts/{breach.pk}/resolve/", {"reason": " "}).status_code == 409
    client.post(f"/alerts/{breach.pk}/resolve/", {"reason": "Reviewed with the trader."})
    breach.refresh_from_db()
    assert (breach.state, breach.resolved_by) == ("resolved", "user")
    assert "Reviewed with the trader." in client.get(f"/alerts/{breach.pk}/").content.decode()


def test_unknown_alerts_are_not_found(db: None, signed_in: SignIn) -> None:
    client = signed_in("risk_officer")
    assert client.get(f"/alerts/{uuid4()}/").status_code == 404
    assert client.get("/alerts/nonsense/").status_code == 404


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"A1", "B2", "C3"}),
        ("severity=breach", {"A1"}),
        ("severity=critical", {"B2"}),
        ("severity=warning", {"C3"}),
        ("state=resolved", set()),
        ("state=all", {"A1", "B2", "C3"}),
        ("q=b2", {"B2"}),
        ("q=daily+A1", {"A1"}),
        ("q=nobody", set()),
        ("state=nonsense", set()),
        ("q=%00", set()),
        ("sort=nonsense", set()),
        ("sort=account&page=-3", set()),
        ("sort=account&page=3", {"A1", "B2", "C3"}),
    ],
)
def test_filters(make_account: MakeAccount, happen: MakeEvent, signed_in: SignIn, query: str, shown: set[str]) -> None:
    evaluate(happen(make_account("A1"), "breached").pk)
    evaluate(happen(make_account("B2"), "warned", used=Decimal("0.93")).pk)
    evaluate(happen(make_account("C3"), "warned").pk)
    answer = signed_in("auditor").get(f"/alerts/?{query}", headers=HTMX)
    assert answer.status_code == 200
    html = answer.content.decode()
    assert set(re.findall(r'/accounts/acc_\d/">(\w+)<', html)) == shown
    assert "<html" not in html


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sort=pk", "There is no column “pk” to sort by; there are: severity, state"),
        ("page=nonsense", "The page is a whole number from 1 on."),
        ("format=pdf", "not as “pdf”"),
        ("state=nonsense", "nonsense is not one of the available choices"),
    ],
)
def test_what_makes_no_sense_is_said(breach: Alert, signed_in: SignIn, query: str, said: str) -> None:
    client = signed_in("auditor")
    assert said in client.get(f"/alerts/?{query}").content.decode()
    if not query.startswith("format"):
        refused = client.get(f"/alerts/?{query}&format=csv")
        assert refused.status_code == 400
        assert said in refused.content.decode()


def test_every_column_that_can_be_asked_for_can_be_sorted_by(breach: Alert, signed_in: SignIn) -> None:
    client = signed_in("auditor")
    assert AlertFilterForm.columns == tuple(SORTS) == tuple(TITLES)
    for column in SORTS:
        assert "1–1 of 1 alerts" in client.get(f"/alerts/?sort=-{column}").content.decode()


def test_the_gravest_then_the_newest_come_first(
    make_account: MakeAccount, happen: MakeEvent, signed_in: SignIn
) -> None:
    for login, event in (("C1", "warned"), ("A1", "breached"), ("C2", "warned"), ("A2", "breached")):
        evaluate(happen(make_account(login), event).pk)
    html = signed_in("auditor").get("/alerts/").content.decode()
    assert re.findall(r'/accounts/acc_\d/">(\w+)<', html) == ["A2", "A1", "C2", "C1"]
    assert re.findall(r'/accounts/acc_\d/">(\w+)<', render_fragment("alert-rail")) == ["A2", "A1", "C2", "C1"]


def test_many_alerts_come_in_pages(make_account: MakeAccount, happen: MakeEvent, signed_in: SignIn) -> None:
    for _ in range(52):
        evaluate(happen(make_account(), "warned").pk)
    html = signed_in("auditor").get("/alerts/?page=2").content.decode()
    assert "51–52 of 52 alerts" in html
    rail = render_fragment("alert-rail")
    assert rail.count('class="rail-row') == 40
    assert "12 more" in rail


def test_the_export_has_every_match_and_no_formulas(
    make_account: MakeAccount, happen: MakeEvent, signed_in: SignIn
) -> None:
    evaluate(happen(make_account("=cmd()"), "breached").pk)
    answer = signed_in("auditor").get("/alerts/?format=csv")
    lines = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [line["login"] for line in lines] == ["'=cmd()"]
    assert answer["Content-Type"].startswith("text/csv")


def test_hostile_names_are_escaped(make_account: MakeAccount, happen: MakeEvent, signed_in: SignIn) -> None:
    evaluate(happen(make_account("<script>x</script>", public_id="a/b?<c>"), "breached").pk)
    alert = Alert.objects.get()
    for html in (
        signed_in("auditor").get("/alerts/").content.decode(),
        signed_in("risk_officer").get(f"/alerts/{alert.pk}/").content.decode(),
        render_fragment("alert-rail"),
    ):
        assert "<script>x" not in html
        assert "/accounts/a%2Fb%3F%3Cc%3E/" in html


def test_without_a_destination_the_pages_name_the_variable(breach: Alert, signed_in: SignIn) -> None:
    said = "No Slack destination is configured (RISKDESK_SLACK_WEBHOOK_URL is empty)."
    client = signed_in("auditor")
    assert said in client.get("/alerts/").content.decode()
    page = client.get(f"/alerts/{breach.pk}/").content.decode()
    assert "Nobody was told" in page
    assert said in page


def test_an_alerts_page_shows_each_attempt_and_why_it_failed(
    account: Account, happen: MakeEvent, told: FakeSlack, signed_in: SignIn
) -> None:
    evaluate(happen(account, "breached").pk)
    told.script(Answer(404, "no_service"))
    deliver(Delivery.objects.get().pk)
    page = signed_in("auditor").get(f"/alerts/{Alert.objects.get().pk}/").content.decode()
    assert "HTTP 404" in page
    assert "Slack refused the message: 404 no_service" in page
    assert "s3cret" not in page
    assert "1 message could not be delivered" in signed_in("auditor").get("/alerts/").content.decode()


def test_the_empty_rail_says_so(db: None) -> None:
    html = render_fragment("alert-rail")
    assert html.startswith('<aside id="alert-rail"')
    assert "No open alert." in html


def test_the_rail_counts_what_nobody_has_taken_up(
    make_account: MakeAccount, happen: MakeEvent, signed_in: SignIn
) -> None:
    for _ in range(3):
        evaluate(happen(make_account(), "breached").pk)
    first = Alert.objects.earliest("first_fired_at")
    signed_in("risk_officer").post(f"/alerts/{first.pk}/acknowledge/")
    html = render_fragment("alert-rail")
    assert 'data-unacknowledged="2"' in html
    assert html.rindex(str(first.pk)) > html.index(str(Alert.objects.latest("first_fired_at").pk))
    assert settled_accounts() == [first.account.public_id] if first.account else []


def test_a_change_is_told_to_the_web(
    account: Account, happen: MakeEvent, redis_url: str, transactional_db: None
) -> None:
    with redis.Redis.from_url(redis_url) as client, client.pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe("riskdesk:alerts")
        heard.get_message(timeout=5)
        evaluate(happen(account, "warned").pk)
        message = heard.get_message(timeout=5)
    assert message is not None
    assert json.loads(message["data"])["version"] > 0

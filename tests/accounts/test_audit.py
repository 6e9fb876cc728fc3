"""What the audit log keeps, and its page."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries

from accounts import audit
from accounts.models import AuditEntry, Role, User

pytestmark = pytest.mark.urls("tests.accounts.urls")
SignIn = Callable[[str], Client]


@pytest.fixture(autouse=True)
def past_may_be_arranged(db: None) -> None:
    """These tests make a log of other days, as retention may; what everybody else may is in test_audit_stays.py."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('riskdesk.retention', 'on', true)")


def entry_at(day: int, actor: str = "risk", verb: str = "noted", target: str = "acc_1") -> AuditEntry:
    entry = audit.record(actor, verb, target)
    AuditEntry.objects.filter(pk=entry.pk).update(at=datetime(2026, 11, day, 12, tzinfo=UTC))
    return entry


def test_an_entry_keeps_who_what_and_from_where(people: dict[str, User]) -> None:
    request = RequestFactory().post("/", REMOTE_ADDR="2001:db8::7")
    entry = audit.record(people["auditor"], "exported", "acc_1", {"rows": 12}, request)
    entry.refresh_from_db()
    assert (entry.actor, entry.actor_name, entry.verb, entry.target) == (
        people["auditor"],
        "auditor",
        "exported",
        "acc_1",
    )
    assert (entry.detail, entry.address) == ({"rows": 12}, "2001:db8::7")


def test_an_entry_outlives_its_actor(people: dict[str, User]) -> None:
    entry = audit.record(people["auditor"], "exported", "acc_1")
    people["auditor"].delete()
    entry.refresh_from_db()
    assert (entry.actor, entry.actor_name) == (None, "auditor")


@pytest.mark.parametrize("actor", [None, "monitor", AnonymousUser()])
def test_an_actor_need_not_be_a_user(db: None, actor: AnonymousUser | str | None) -> None:
    assert audit.record(actor, "noted").actor is None


def test_secrets_and_what_postgresql_refuses_are_kept_out(db: None) -> None:
    told = {"password": "hunter2", "nested": [{"api_key": "hunter2"}], "name": "a\0b", "when": datetime(2026, 1, 1)}
    entry = audit.record("x" * 300, "noted", "\0" * 300, told)
    entry.refresh_from_db()
    assert "hunter2" not in str(entry.detail)
    assert entry.detail["name"] == "a\ufffdb"
    assert (len(entry.actor_name), len(entry.target)) == (150, 200)


@pytest.mark.parametrize("address", ["", "unix:/tmp/socket", "not an address"])
def test_a_client_without_an_address_is_no_defect(db: None, address: str) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR=address)
    assert audit.record("risk", "noted", request=request).address is None


def test_a_change_of_role_says_from_what_to_what_and_by_whom(people: dict[str, User]) -> None:
    trader = people["trader"]
    trader.changed_by = people["head_of_risk"]
    trader.role = Role.RISK_OFFICER
    trader.save()
    entry = AuditEntry.objects.get(verb="role_changed")
    assert (entry.actor_name, entry.target) == ("head_of_risk", "trader")
    assert entry.detail == {"from": "trader", "to": "risk_officer"}


def test_switching_somebody_off_and_on_is_in_the_log(people: dict[str, User]) -> None:
    for active in (False, True):
        people["trader"].is_active = active
        people["trader"].save()
    verbs = AuditEntry.objects.filter(target="trader", verb__startswith="user_").order_by("pk")
    assert list(verbs.values_list("verb", flat=True)) == ["user_created", "user_deactivated", "user_activated"]


def test_the_page_lists_newest_first_and_sorts_both_ways(signed_in: SignIn) -> None:
    AuditEntry.objects.all().delete()
    for day, target in ((3, "b"), (1, "c"), (2, "a")):
        entry_at(day, target=target)
    client = signed_in("auditor")
    AuditEntry.objects.exclude(verb="noted").delete()

    def targets(query: str) -> list[str]:
        return [entry.target for entry in client.get(f"/audit/{query}").context["page"]]

    assert targets("") == ["b", "a", "c"]
    assert targets("?sort=at") == ["c", "a", "b"]
    assert targets("?sort=target") == ["a", "b", "c"]
    assert targets("?sort=-target") == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("actor=ANN", {"1"}),
        ("verb=exported", {"2"}),
        ("target=2", {"2"}),
        ("since=2026-11-02", {"2", "3"}),
        ("until=2026-11-02", {"1", "2"}),
        ("since=2026-11-02&until=2026-11-02", {"2"}),
        ("since=2026-11-03&until=2026-11-02", set()),
        ("since=tomorrow", set()),
        ("actor=%00", set()),
        ("verb=" + "x" * 65, set()),
    ],
)
def test_the_page_finds_by_person_verb_target_and_day(signed_in: SignIn, query: str, found: set[str]) -> None:
    client = signed_in("risk_officer")
    AuditEntry.objects.all().delete()
    entry_at(1, actor="Anna", target="1")
    entry_at(2, verb="exported", target="2")
    entry_at(3, target="3")
    answer = client.get(f"/audit/?{query}")
    assert answer.status_code == 200
    assert {entry.target for entry in answer.context["page"]} == found


@pytest.mark.parametrize("page", ["1", "2", "99", "9" * 400])
def test_a_page_beyond_the_end_is_the_last(signed_in: SignIn, page: str) -> None:
    client = signed_in("head_of_risk")
    AuditEntry.objects.bulk_create([AuditEntry(actor_name="risk", verb="noted") for _ in range(60)])
    answer = client.get(f"/audit/?verb=noted&page={page}")
    assert answer.status_code == 200
    assert answer.context["page"].paginator.count == 60


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sort=password", "There is no column “password” to sort by"),
        ("sort=-at;--", "There is no column"),
        ("page=0", "The page is a whole number from 1 on."),
        ("page=-1", "The page is a whole number from 1 on."),
        ("page=x", "The page is a whole number from 1 on."),
        ("format=xlsx", "not as “xlsx”"),
        ("since=tomorrow", "Enter a valid date."),
    ],
)
def test_what_makes_no_sense_is_said_and_lists_nothing(signed_in: SignIn, query: str, said: str) -> None:
    client = signed_in("auditor")
    entry_at(1)
    answer = client.get(f"/audit/?{query}")
    assert said in answer.content.decode()
    assert answer.context["page"].paginator.count == 0
    if not query.startswith("format"):
        refused = client.get(f"/audit/?{query}&format=csv")
        assert refused.status_code == 400
        assert said in refused.content.decode()


def test_htmx_gets_the_list_alone_and_the_history_the_whole_page(signed_in: SignIn) -> None:
    client = signed_in("auditor")
    partial = client.get("/audit/", headers={"HX-Request": "true"})
    assert partial.content.strip().startswith(b'<div id="audit-list">')
    assert "HX-Request" in partial.headers["Vary"]
    restored = client.get("/audit/", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})
    assert restored.content.strip().startswith(b"<!doctype html>")


def test_what_people_type_is_shown_as_text(signed_in: SignIn) -> None:
    client = signed_in("auditor")
    audit.record("<script>alert(1)</script>", "login_failed", "<b>x</b>")
    page = client.get("/audit/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page


def test_the_export_holds_everything_that_matches(signed_in: SignIn) -> None:
    client = signed_in("auditor")
    AuditEntry.objects.bulk_create([AuditEntry(actor_name="risk", verb="noted", detail={"n": n}) for n in range(120)])
    audit.record("=HYPERLINK(1)", "noted", "-2+3")
    answer = client.get("/audit/?verb=noted&page=2&format=csv&sort=at")
    body = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]  # a streaming answer
    rows = list(csv.reader(io.StringIO(body)))
    assert rows[0] == ["at", "actor", "verb", "target", "detail", "address"]
    assert len(rows) == 122
    assert rows[1][4] == "n: 0"
    assert rows[-1][1:4] == ["'=HYPERLINK(1)", "noted", "'-2+3"]
    assert "attachment" in answer.headers["Content-Disposition"]


def test_a_long_log_costs_few_queries(signed_in: SignIn, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    client = signed_in("auditor")
    AuditEntry.objects.bulk_create([AuditEntry(actor_name="risk", verb="noted") for _ in range(200)])
    with django_assert_max_num_queries(6):
        client.get("/audit/")


def test_traders_do_not_read_the_log(signed_in: SignIn) -> None:
    assert signed_in("trader").get("/audit/?format=csv").status_code == 403

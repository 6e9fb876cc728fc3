"""The admin site: who gets in, what can be changed there, and that it is written down."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts import plans
from accounts.models import Account, AuditEntry, Role, Server, User

HEAD = Role.HEAD_OF_RISK
SignIn = Callable[[str], Client]
TABLES = ("user", "server", "account", "plan", "phase", "ruleset", "challenge", "auditentry")


@pytest.fixture
def head(people: dict[str, User]) -> Client:
    """A head of risk who may use the admin site."""
    User.objects.filter(username="head_of_risk").update(is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(people["head_of_risk"], backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.parametrize("table", TABLES)
def test_every_table_can_be_looked_at(head: Client, own_account: Account, table: str) -> None:
    AuditEntry.objects.create(actor_name="risk", verb="noted")
    assert head.get(f"/admin/accounts/{table}/").status_code == 200


@pytest.mark.parametrize("table", ["auditentry", "challenge", "ruleset", "plan", "phase"])
def test_what_is_history_cannot_be_written(head: Client, table: str) -> None:
    assert head.get(f"/admin/accounts/{table}/add/").status_code == 403


def test_a_phase_that_judged_somebody_stays_in_its_plan(head: Client) -> None:
    plan = plans.ensure_default_plans()
    phase, other = plan.phases.get(slug="phase-1"), plans.copy_plan(plan, "other", "Other", User.objects.get(role=HEAD))
    told = {"plan": other.pk, "slug": "first", "name": "First", "order": 9}
    assert head.post(f"/admin/accounts/phase/{phase.pk}/change/", told).status_code == 403
    assert head.post(f"/admin/accounts/plan/{plan.pk}/change/", {"slug": "new", "name": "New"}).status_code == 403
    phase.refresh_from_db()
    assert (phase.plan.slug, phase.slug) == ("two-step", "phase-1")


def test_an_audit_entry_can_be_neither_changed_nor_deleted(head: Client) -> None:
    entry = AuditEntry.objects.create(actor_name="risk", verb="noted")
    address = f"/admin/accounts/auditentry/{entry.pk}"
    assert head.post(f"{address}/change/", {"verb": "never"}).status_code == 403
    assert head.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    entry.refresh_from_db()
    assert entry.verb == "noted"


def test_a_new_owner_of_an_account_is_in_the_log(head: Client, own_account: Account, people: dict[str, User]) -> None:
    told = {"login": "8410001", "currency": "USD", "group": "", "holder": "", "trader": people["other_trader"].pk}
    answer = head.post(f"/admin/accounts/account/{own_account.pk}/change/", told)
    assert answer.status_code == 302
    entry = AuditEntry.objects.get(verb="account_owner_changed")
    assert (entry.actor_name, entry.target) == ("head_of_risk", "acc_1")
    assert entry.detail == {"from": "trader", "to": "other_trader"}


def test_a_role_changed_there_is_in_the_log_with_who_did_it(head: Client, people: dict[str, User]) -> None:
    trader = people["trader"]
    told = {"username": "trader", "role": "auditor", "is_active": "on", "date_joined_0": "2026-01-01"}
    answer = head.post(f"/admin/accounts/user/{trader.pk}/change/", told | {"date_joined_1": "00:00:00"})
    assert answer.status_code == 302
    entry = AuditEntry.objects.get(verb="role_changed")
    assert (entry.actor_name, entry.detail) == ("head_of_risk", {"from": "trader", "to": "auditor"})


@pytest.mark.parametrize("role", ["risk_officer", "auditor", "trader"])
def test_others_do_not_get_in_whatever_else_they_are(signed_in: SignIn, role: str) -> None:
    """A head of risk whose role was taken from him keeps Django's flags: they must open nothing."""
    User.objects.filter(username=role).update(is_staff=True, is_superuser=True)
    answer = signed_in(role).get("/admin/accounts/user/")
    assert answer.status_code == 403
    assert b"The admin site is for the head of risk." in answer.content
    entry = AuditEntry.objects.get(verb="access_refused")
    assert (entry.actor_name, entry.target) == (role, "/admin/accounts/user/")


def test_the_anonymous_are_sent_to_the_one_login_page(db: None, client: Client) -> None:
    assert client.get("/admin/").headers["Location"] == "/login/?next=/admin/"
    assert client.get("/admin/login/").headers["Location"] == "/login/?next=/admin/"
    answer = client.post("/admin/login/", {"username": "head_of_risk", "password": "guess"})
    assert answer.headers["Location"] == "/login/?next=/admin/"


def test_one_changes_ones_own_password_on_the_settings_page(head: Client) -> None:
    assert head.get("/admin/password_change/").headers["Location"] == "/settings/"


def test_signing_out_there_is_signing_out(head: Client) -> None:
    assert head.post("/admin/logout/").headers["Location"] == "/login/"
    assert AuditEntry.objects.filter(verb="logged_out", actor_name="head_of_risk").exists()


def test_a_password_set_there_says_who_set_it(head: Client, people: dict[str, User]) -> None:
    told = {"password1": "another long one", "password2": "another long one", "usable_password": "true"}
    answer = head.post(f"/admin/accounts/user/{people['trader'].pk}/password/", told | {"set-password": "1"})
    assert answer.status_code == 302
    entry = AuditEntry.objects.get(verb="password_changed")
    assert (entry.actor_name, entry.target) == ("head_of_risk", "trader")
    assert not AuditEntry.objects.filter(detail__icontains="another long one").exists()


def test_whatever_is_done_there_is_in_the_log(head: Client, people: dict[str, User]) -> None:
    assert head.post("/admin/accounts/server/add/", {"name": "second", "kind": "mt5"}).status_code == 302
    server = Server.objects.get(name="second")
    assert head.post(f"/admin/accounts/server/{server.pk}/change/", {"name": "1", "kind": "mt5"}).status_code == 302
    assert head.post(f"/admin/accounts/server/{server.pk}/delete/", {"post": "yes"}).status_code == 302
    chosen = {"action": "delete_selected", "_selected_action": [people["other_trader"].pk], "post": "yes"}
    assert head.post("/admin/accounts/user/", chosen).status_code == 302
    entries = AuditEntry.objects.filter(verb__startswith="admin_").order_by("pk")
    assert [(entry.actor_name, entry.verb, entry.target) for entry in entries] == [
        ("head_of_risk", "admin_added", "second"),
        ("head_of_risk", "admin_changed", "1"),
        ("head_of_risk", "admin_deleted", "1"),
        ("head_of_risk", "admin_deleted", "other_trader"),
    ]
    assert entries[1].detail == {"kind": "server", "fields": ["Name"]}


def test_a_right_of_django_given_there_is_in_the_log(head: Client, people: dict[str, User]) -> None:
    trader = people["trader"]
    told = {"username": "trader", "role": "trader", "is_active": "on", "is_superuser": "on"}
    dates = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert head.post(f"/admin/accounts/user/{trader.pk}/change/", told | dates).status_code == 302
    assert "Superuser status" in AuditEntry.objects.get(verb="admin_changed").detail["fields"]

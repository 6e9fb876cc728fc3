"""The admin site: who gets in, what can be changed there, and that it is written down."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Account, AuditEntry, User

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


@pytest.mark.parametrize("table", ["auditentry", "challenge", "ruleset"])
def test_what_is_history_cannot_be_written(head: Client, table: str) -> None:
    assert head.get(f"/admin/accounts/{table}/add/").status_code == 403


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


def test_others_do_not_get_in(people: dict[str, User]) -> None:
    client = Client()
    client.force_login(people["risk_officer"], backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/admin/accounts/user/").status_code == 302

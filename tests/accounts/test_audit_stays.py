"""Nobody rewrites the audit log, whatever code he runs: PostgreSQL refuses."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts import audit
from accounts.models import AuditEntry, User


@pytest.fixture
def entry(people: dict[str, User]) -> AuditEntry:
    return audit.record(people["auditor"], "exported", "acc_1", {"rows": 12})


@pytest.mark.parametrize(
    "change",
    [
        {"actor_name": "eve"},
        {"verb": "access_refused"},
        {"target": "acc_2"},
        {"detail": {}},
        {"detail": {"rows": 12, "repeats": 1}},
        {"address": "192.0.2.1"},
        {"at": "2026-01-01T00:00:00Z"},
    ],
)
def test_an_entry_cannot_be_changed(entry: AuditEntry, change: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="neither changed nor removed"), transaction.atomic():
        AuditEntry.objects.filter(pk=entry.pk).update(**change)


def test_an_entry_is_not_put_on_somebody_else(entry: AuditEntry, people: dict[str, User]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry.objects.filter(pk=entry.pk).update(actor=people["trader"])


def test_an_entry_cannot_be_removed(entry: AuditEntry) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry.objects.all().delete()
    assert AuditEntry.objects.filter(pk=entry.pk).exists()


def test_an_actor_may_go_and_his_name_stays(entry: AuditEntry, people: dict[str, User]) -> None:
    people["auditor"].delete()
    entry.refresh_from_db()
    assert (entry.actor, entry.actor_name) == (None, "auditor")


def test_the_repeats_of_a_refusal_are_counted_and_its_reason_stays(people: dict[str, User]) -> None:
    for _ in range(2):
        audit.record_refusal(people["trader"], "/desk/", "The desk is for the risk team.")
    refusal = AuditEntry.objects.get(verb="access_refused")
    assert refusal.detail["repeats"] == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry.objects.filter(pk=refusal.pk).update(detail={"reason": "none", "repeats": 1})


def test_retention_may_remove_for_its_own_transaction(entry: AuditEntry) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('riskdesk.retention', 'on', true)")
        assert AuditEntry.objects.all().delete()[0] >= 1

"""The tables that the live path writes to refuse what must not be there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from monitoring.models import Checkpoint, Enforcement, RiskEvent
from tests.monitoring.live.book import make_challenge

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def test_an_event_has_one_row_however_often_it_is_recorded() -> None:
    RiskEvent.objects.create(key="k", shard="main", epoch=1, event="warned", at=AT)
    with pytest.raises(IntegrityError), transaction.atomic():
        RiskEvent.objects.create(key="k", shard="main", epoch=2, event="warned", at=AT)


def test_a_breach_has_one_enforcement() -> None:
    account = make_challenge().account
    Enforcement.objects.create(event_key="k", account=account, state="sent", requested_at=AT)
    with pytest.raises(IntegrityError), transaction.atomic():
        Enforcement.objects.create(event_key="k", account=account, state="sent", requested_at=AT)


def test_an_account_with_a_history_cannot_be_deleted() -> None:
    challenge = make_challenge()
    RiskEvent.objects.create(
        key="k", shard="main", epoch=1, event="warned", at=AT, account=challenge.account, challenge=challenge
    )
    with pytest.raises(ProtectedError):
        challenge.account.delete()


def test_an_account_has_one_checkpoint() -> None:
    account = make_challenge().account
    Checkpoint.objects.create(account=account, epoch=1, version=1, state=b"", saved_at=AT)
    with pytest.raises(IntegrityError), transaction.atomic():
        Checkpoint.objects.create(account=account, epoch=1, version=2, state=b"", saved_at=AT)

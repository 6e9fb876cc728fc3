"""Two people decide the same violation at once: the first decision stays, the second is told so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Role, User
from monitoring import flags
from monitoring.models import FlagReview, RiskEvent
from tests.monitoring.book import adopt, event
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def waits() -> bool:
    """Whether somebody waits for a row that another transaction holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_who_comes_second_is_told_what_was_decided() -> None:
    risk, head = (User.objects.create_user(role, role=role) for role in (Role.RISK_OFFICER, Role.HEAD_OF_RISK))
    found = event(adopt("sim-1"), "k", "violated", rule="max_positions", consequence="flag")

    def late() -> None:
        try:
            flags.decide([found.pk], "dismissed", head, "a mistake", timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            RiskEvent.objects.select_for_update().get(pk=found.pk)
            asked = pool.submit(late)
            eventually(waits, what="the second waits for the row")
            flags.decide([found.pk], "upheld", risk, "on purpose", timezone.now())
        with pytest.raises(flags.FlagError, match="was decided meanwhile"):
            asked.result(30)
    assert FlagReview.objects.get().author == risk

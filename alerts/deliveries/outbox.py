"""Rows of the outbox: what is to be sent where, what is not and why. Written with the alert, in one transaction."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.conf import settings
from django.db.models import Max

from alerts.deliveries.hints import hint_delivery
from alerts.models import Alert, Delivery, DeliveryKind, DeliveryState, Destination, DestinationKind
from alerts.routes import DEADLINES, PRIORITIES

SLACK_SETTING = "RISKDESK_SLACK_WEBHOOK_URL"


def missing_destination() -> str:
    """Why nobody can be told at all, in words; empty when somebody can."""
    return (
        "" if settings.RISKDESK_SLACK_WEBHOOK_URL else f"No Slack destination is configured ({SLACK_SETTING} is empty)."
    )


def destinations() -> list[Destination]:
    """Where alerts go now: the Slack webhook of the environment, if there is one; its address stays out of the row."""
    if missing_destination():
        return []
    found, _ = Destination.objects.get_or_create(
        name="Slack", defaults={"kind": DestinationKind.SLACK_WEBHOOK, "config_ref": SLACK_SETTING}
    )
    return [found]


def enqueue(
    alert: Alert, kind: DeliveryKind, *, event_at: datetime, now: datetime, suppressed: str = ""
) -> list[Delivery]:
    """One delivery for each destination, once for an alert's version; `suppressed` says why it is not to be sent."""
    made = []
    for destination in destinations():
        ordering_key = f"{destination.pk}:{alert.pk}"
        row, created = Delivery.objects.get_or_create(
            idempotency_key=idempotency_key(destination, alert, kind),
            defaults={
                "destination": destination,
                "alert": alert,
                "kind": kind,
                "payload_version": alert.version,
                "priority": PRIORITIES[alert.severity],
                "state": DeliveryState.SUPPRESSED if suppressed else DeliveryState.PENDING,
                "reason": suppressed,
                "next_attempt_at": None if suppressed else now,
                "deadline": now + DEADLINES[alert.severity],
                "ordering_key": ordering_key,
                "ordering_seq": _next_seq(ordering_key),
                "event_at": event_at,
                "created_at": now,
            },
        )
        if created and not suppressed:
            hint_delivery(row.pk, critical=row.priority == PRIORITIES["critical"])
        made.append(row)
    return made


def idempotency_key(destination: Destination, alert: Alert, kind: DeliveryKind) -> str:
    """The same for the same message to the same destination, however often it is asked for."""
    said = f"{destination.pk}|{alert.pk}|{kind.value}|{alert.version}"
    return hashlib.sha256(said.encode()).hexdigest()


def _next_seq(ordering_key: str) -> int:
    newest = Delivery.objects.filter(ordering_key=ordering_key).aggregate(newest=Max("ordering_seq"))["newest"]
    return (newest or 0) + 1

"""Sending: claim by conditional UPDATE and lease, one attempt, its outcome recorded, the next time written as a row.

Once each. A message goes out again only when it surely did not arrive; where that cannot be known the row says
`unknown` (`routes.resend_unknown_at` has the policy). Nothing here waits for a later time: times are rows.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import socket
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.utils import timezone

from alerts.deliveries.hints import tell_web
from alerts.deliveries.messages import compose
from alerts.models import (
    AlertTransition,
    AttemptOutcome,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    Destination,
    DestinationHealth,
    DestinationKind,
)
from alerts.routes import resend_unknown_at
from alerts.transports.base import Message, Receipt, Transport, TransportError
from alerts.transports.slack import SlackWebhook

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=45)
RETRY_AFTER_CAP = 15 * 60.0
BACKOFF_CAP = 300.0
DEGRADED_AFTER = 5
RECORD_TRIES, RECORD_PAUSE = 14, 1.0  # an outage of PostgreSQL of so many seconds loses no outcome (task limit: 25)
CLAIMABLE = Q(state=DeliveryState.PENDING) | Q(state=DeliveryState.UNKNOWN, next_attempt_at__isnull=False)
_pause = threading.Event()


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one try came to."""

    started_at: datetime
    ended_at: datetime
    digest: str
    receipt: Receipt | None
    error: TransportError | None

    @property
    def outcome(self) -> AttemptOutcome:
        """The word for the log."""
        if self.error is None:
            return AttemptOutcome.OK
        if self.error.ambiguous:
            return AttemptOutcome.AMBIGUOUS
        return AttemptOutcome.PERMANENT if self.error.permanent else AttemptOutcome.RETRY


def deliver(delivery_id: UUID) -> bool:
    """Send this delivery if it is due and nobody else does; whether this call made an attempt."""
    owner = f"{socket.gethostname()[:24]}:{os.getpid()}:{uuid4().hex}"[:80]
    if not claim(delivery_id, owner, timezone.now()):
        return False
    row = Delivery.objects.select_related(
        "destination", "alert__account__server", "alert__account__trader", "alert__challenge__rule_set__phase__plan"
    ).get(pk=delivery_id)
    message = compose(row)
    started = timezone.now()
    if not Delivery.objects.filter(pk=row.pk, lease_owner=owner, state=DeliveryState.SENDING).update(
        send_started_at=started
    ):
        return False  # the lease was lost before a byte left
    attempt = _attempt(row.destination, message, started)
    _record_surely(row.pk, owner, attempt)
    return True


def dispatch_due(*, limit: int, until: datetime) -> int:
    """Send what is due, the gravest and oldest first, until `limit` or a time is reached; how many were tried."""
    tried = 0
    while tried < limit and (now := timezone.now()) < until:
        found = due(now).order_by("priority", "next_attempt_at").values_list("pk", flat=True).first()
        if found is None:
            break
        tried += deliver(found)
    return tried


def due(now: datetime) -> QuerySet[Delivery]:
    """What may be claimed now: its time has come, its deadline has not passed, its destination does not rest."""
    rests = Q(destination__paused_until__gt=now)
    return Delivery.objects.filter(CLAIMABLE, next_attempt_at__lte=now, deadline__gt=now).exclude(rests)


def claim(delivery_id: UUID, owner: str, now: datetime) -> bool:
    """Take the lease; one of any number of racing workers gets it."""
    with transaction.atomic():
        mine = due(now).filter(pk=delivery_id).select_for_update(of=("self",), skip_locked=True)
        taken = Delivery.objects.filter(pk__in=[row.pk for row in mine]).update(
            state=DeliveryState.SENDING,
            lease_owner=owner,
            lease_until=now + LEASE,
            send_started_at=None,
            attempts=F("attempts") + 1,
            resends_after_unknown=F("resends_after_unknown")
            + Case(When(state=DeliveryState.UNKNOWN, then=Value(1)), default=Value(0)),
        )
    return bool(taken)


def transport_of(destination: Destination) -> Transport:
    """The transport with its secret, read from the settings at this moment."""
    url = str(getattr(settings, destination.config_ref, ""))
    if destination.kind != DestinationKind.SLACK_WEBHOOK or not url:
        raise TransportError(
            f"{destination.name} is not configured ({destination.config_ref} is empty)", code="no_config"
        )
    return SlackWebhook(url)


def backoff(attempts: int, retry_after: float | None, spread: float) -> float:
    """Seconds to the next try: 2, 4, 8 … 300 with a spread of 0.8 to 1.2; never before the provider's own wish.

    Retry-After counts up to 15 minutes.
    """
    wished = min(RETRY_AFTER_CAP, retry_after or 0.0)
    return max(wished, max(wished, min(BACKOFF_CAP, 2.0 * 2.0 ** min(attempts - 1, 10))) * spread)


def _attempt(destination: Destination, message: Message, started: datetime) -> Attempt:
    digest = hashlib.sha256(json.dumps([message.title, message.text, message.facts, message.note]).encode()).hexdigest()
    receipt, error = None, None
    try:
        receipt = transport_of(destination).send(message)
    except TransportError as failure:
        error = failure
    return Attempt(started, timezone.now(), digest, receipt, error)


def _record_surely(delivery_id: UUID, owner: str, attempt: Attempt) -> None:
    """Record the outcome even over a restart of PostgreSQL: forgetting it would make a sure message an unsure one."""
    for left in reversed(range(RECORD_TRIES)):
        try:
            record(delivery_id, owner, attempt)
            return
        except (OperationalError, InterfaceError) as error:
            if left == 0 or connection.in_atomic_block:
                raise
            log.warning("The outcome of delivery %s waits for PostgreSQL: %s", delivery_id, type(error).__name__)
            connection.close()
            _pause.wait(RECORD_PAUSE)


@transaction.atomic
def record(delivery_id: UUID, owner: str, attempt: Attempt) -> None:
    """Write the attempt and what follows for the delivery and its destination, if the lease is still the owner's."""
    row = Delivery.objects.select_for_update().select_related("alert").get(pk=delivery_id)
    destination = Destination.objects.select_for_update().get(pk=row.destination_id)
    if row.lease_owner != owner or row.state not in (DeliveryState.SENDING, DeliveryState.UNKNOWN):
        log.warning("Delivery %s was taken over by another worker before its outcome was known", delivery_id)
        return
    _log_attempt(row, attempt)
    error = attempt.error
    row.lease_until, row.next_attempt_at, row.reason = None, None, error.reason if error else ""
    if error is None:
        row.state, row.sent_at = DeliveryState.SENT, attempt.ended_at
        row.provider_ref = dict(attempt.receipt.provider_ref) if attempt.receipt else {}
    elif error.ambiguous:
        doubt(row, attempt.ended_at)
    elif error.permanent:
        row.state = DeliveryState.DEAD
    else:
        wait = backoff(row.attempts, error.retry_after, random.uniform(0.8, 1.2))
        row.state, row.next_attempt_at = DeliveryState.PENDING, attempt.ended_at + timedelta(seconds=wait)
        if error.status == 429:
            # Slack's limit is the destination's, not the message's, and a later answer does not shorten it.
            destination.paused_until = max(row.next_attempt_at, destination.paused_until or row.next_attempt_at)
    row.save()
    _judge(destination, error)
    _tell_change(row)


def doubt(row: Delivery, now: datetime) -> None:
    """Nobody knows whether it arrived: say so, and set the second try if there is to be one."""
    row.state = DeliveryState.UNKNOWN
    row.next_attempt_at = resend_unknown_at(row.alert.kind, row.resends_after_unknown, now)


def _log_attempt(row: Delivery, attempt: Attempt) -> None:
    said = attempt.error or attempt.receipt
    DeliveryAttempt.objects.update_or_create(
        delivery=row,
        n=row.attempts,
        defaults={
            "started_at": attempt.started_at,
            "ms": int((attempt.ended_at - attempt.started_at).total_seconds() * 1000),
            "http_status": said.status if said else None,
            "provider_code": said.code if said else "",
            "retry_after": attempt.error.retry_after if attempt.error else None,
            "outcome": attempt.outcome,
            "request_digest": attempt.digest,
            "response_excerpt": (said.excerpt if said else "") or (attempt.error.reason if attempt.error else ""),
            "worker": row.lease_owner.rsplit(":", 1)[0],
        },
    )


def _judge(destination: Destination, error: TransportError | None) -> None:
    """The destination's health after an attempt: refused for good, or five failures in a row, is degraded."""
    if error is None:
        destination.consecutive_failures, destination.disabled_reason = 0, ""
        destination.health = DestinationHealth.OK
    else:
        destination.consecutive_failures += 1
        if error.permanent or destination.consecutive_failures >= DEGRADED_AFTER:
            destination.health, destination.disabled_reason = DestinationHealth.DEGRADED, error.reason[:200]
    destination.save()


def _tell_change(row: Delivery) -> None:
    newest = AlertTransition.objects.order_by("-pk").values_list("pk", flat=True).first()
    tell_web(newest or 0)

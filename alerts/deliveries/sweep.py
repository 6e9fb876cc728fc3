"""What no hint has done: un-routed events, lost leases, passed deadlines, due deliveries, dwells that have ended.

Runs each second by beat and in a thread of the alert worker; any number may run at once.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from alerts.deliveries.dispatch import dispatch_due, doubt
from alerts.deliveries.episodes import TIMER, NotAllowed, transition
from alerts.deliveries.evaluate import evaluate_account
from alerts.models import Alert, AttemptOutcome, Delivery, DeliveryAttempt, DeliveryState
from alerts.routes import EFFECTS, AlertEvent
from monitoring.models import RiskEvent

log = logging.getLogger(__name__)

SWEEP_LOCK = 0x52440002
GRACE = timedelta(milliseconds=300)  # a hint's head start
BATCH = 200
SENDS, SEND_SECONDS = 50, 5.0  # the last send and its record still end within the task limit
PUT_OFF = timedelta(seconds=5)


def sweep() -> int:
    """One whole round; how many things it did."""
    done = settle()
    until = timezone.now() + timedelta(seconds=SEND_SECONDS)
    return done + dispatch_due(limit=SENDS, until=until)


def settle() -> int:
    """A round without sending: it never waits for a provider, so that the desk's own view is never held up."""
    now = timezone.now()
    with transaction.atomic():
        if not _is_ours():
            return 0
        done = _route_the_silent(now) + _reclaim(now) + _bury(now)
        accounts, clearing = _unrouted_accounts(now), _cleared(now)
    for account_id in accounts:
        done += _evaluate(account_id, now)
    return done + sum(_resolve(alert) for alert in clearing)


def _is_ours() -> bool:
    """Whether no other sweep is in its first part; two at once would be harmless, and pointless."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, 0)", [SWEEP_LOCK])
        return bool(cursor.fetchone()[0])


def _route_the_silent(now: datetime) -> int:
    """Route at once the many events that nobody is told of (10,000 accounts start their day together)."""
    telling = [kind.value for kind in EFFECTS]
    return RiskEvent.objects.filter(routed_at=None).exclude(event__in=telling).update(routed_at=now)


def _unrouted_accounts(now: datetime) -> list[int | None]:
    waiting = RiskEvent.objects.filter(routed_at=None, ingested_at__lt=now - GRACE)
    waiting = waiting.exclude(lease_until__gt=now).order_by("at")
    return list(dict.fromkeys(waiting.values_list("account_id", flat=True)[:BATCH]))


def _evaluate(account_id: int | None, now: datetime) -> int:
    """Route an account's events; one that cannot be routed is put off, said, and does not hold up the others."""
    try:
        return evaluate_account(account_id, by="sweep")
    except (OperationalError, InterfaceError):  # PostgreSQL is away: the event is not to blame
        raise
    except Exception:
        log.exception("The events of account %s could not be routed; the next try is in %s", account_id, PUT_OFF)
        RiskEvent.objects.filter(Q(account_id=account_id), routed_at=None).update(lease_until=now + PUT_OFF)
        return 0


def _reclaim(now: datetime) -> int:
    """Take back deliveries whose worker died: surely unsent ones wait again, the others are in doubt."""
    lost = Delivery.objects.filter(state=DeliveryState.SENDING, lease_until__lt=now)
    rows = list(lost.select_related("alert").select_for_update(of=("self",), skip_locked=True)[:BATCH])
    for row in rows:
        row.lease_until = None
        started = row.send_started_at
        if started is None:
            row.state, row.next_attempt_at = DeliveryState.PENDING, now
            row.reason = "The worker ended before it sent anything."
        else:
            row.reason = "The worker ended before it could record the answer."
            _log_lost(row, started)
            doubt(row, now)
        row.save(update_fields=["state", "next_attempt_at", "lease_until", "reason"])
    return len(rows)


def _log_lost(row: Delivery, started: datetime) -> None:
    DeliveryAttempt.objects.get_or_create(
        delivery=row,
        n=row.attempts,
        defaults={
            "started_at": started,
            "outcome": AttemptOutcome.AMBIGUOUS,
            "response_excerpt": row.reason,
            "worker": row.lease_owner.rsplit(":", 1)[0],
        },
    )


def _bury(now: datetime) -> int:
    """End what its deadline has passed by: a message so late misleads, the desk shows the alert all the same."""
    late = Delivery.objects.filter(state=DeliveryState.PENDING, deadline__lte=now)
    rows = list(late.select_for_update(skip_locked=True)[:BATCH])
    for row in rows:
        row.reason = f"Its deadline passed after {row.attempts} attempts. {row.reason}".strip()
        row.state, row.next_attempt_at = DeliveryState.DEAD, None
        row.save(update_fields=["state", "next_attempt_at", "reason"])
    return len(rows)


def _cleared(now: datetime) -> list[Alert]:
    return list(Alert.objects.filter(clear_due_at__lte=now, resolved_at=None)[:BATCH])


def _why(held: Alert) -> str:
    return "It stayed clear for 60 s." if held.used is not None else "A day has passed since it was announced."


def _resolve(alert: Alert) -> int:
    """Resolve a warning that has stayed clear, unless it has moved meanwhile."""
    with transaction.atomic():
        held = Alert.objects.select_for_update().get(pk=alert.pk)
        if held.version != alert.version or held.clear_due_at is None:
            return 0
        try:
            transition(held.pk, AlertEvent.RESOLVE, TIMER, at=held.clear_due_at, reason=_why(held))
        except NotAllowed:
            return 0  # resolved by another
    return 1

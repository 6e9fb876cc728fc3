"""The one way to change an alert: a locked row, a table of what may happen, and a history that shows tampering."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction as database

from accounts.models import User
from alerts.deliveries.hints import tell_web
from alerts.models import ActorKind, Alert, AlertState, AlertTransition, ResolvedBy
from alerts.routes import RANKS, AlertEvent, next_state
from monitoring.models import RiskEvent


class NotAllowed(Exception):
    """This cannot happen to an alert in its state; the text says both."""


class StaleVersion(Exception):
    """The alert has moved on since the actor saw it."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who moves an alert."""

    kind: ActorKind
    user: User | None = None

    @property
    def name(self) -> str:
        """For the history: the person's name, else the machine's."""
        return self.user.username if self.user else self.kind.label


ENGINE = Actor(ActorKind.ENGINE)
TIMER = Actor(ActorKind.TIMER)
RESOLVER = {ActorKind.ENGINE: ResolvedBy.SOURCE, ActorKind.TIMER: ResolvedBy.SOURCE}


@database.atomic
def transition(
    alert_id: UUID,
    event: AlertEvent,
    actor: Actor,
    expected_version: int | None = None,
    *,
    at: datetime,
    reason: str = "",
    risk_event: RiskEvent | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Alert:
    """Move an alert by `event`, with the field `changes` that belong to it; NotAllowed or StaleVersion if it may not.

    The caller's transaction also holds the deliveries that follow from it.
    """
    alert = Alert.objects.select_for_update().get(pk=alert_id)
    if expected_version is not None and alert.version != expected_version:
        raise StaleVersion(f"This alert has changed since you saw it (it is {alert.get_state_display().lower()} now).")
    before = alert.state if alert.version else ""
    rises = RANKS[(changes or {}).get("severity", alert.severity)] > RANKS[alert.severity]
    after = next_state(before, event, rises=rises)
    if after is None:
        raise NotAllowed(f"An alert that is {alert.get_state_display().lower()} cannot take “{event.value}”.")
    for name, value in (changes or {}).items():
        setattr(alert, name, value)
    alert.state, alert.version = after, alert.version + 1
    _stamp(alert, before, event, actor, at)
    alert.save()
    _append(alert, before, event, actor, at, reason, risk_event)
    return alert


def _stamp(alert: Alert, before: str, event: AlertEvent, actor: Actor, at: datetime) -> None:
    """The fields that go with entering or leaving a state."""
    if event is AlertEvent.ACKNOWLEDGE:
        alert.acked_by, alert.acked_at = actor.user, at
    elif before == AlertState.ACKNOWLEDGED and alert.state == AlertState.FIRING:
        alert.acked_by = alert.acked_at = alert.ack_until = None
    elif alert.state == AlertState.RESOLVED:
        alert.resolved_at, alert.clear_due_at = at, None
        alert.resolved_by = RESOLVER.get(actor.kind, ResolvedBy.USER)


def _append(
    alert: Alert, before: str, event: AlertEvent, actor: Actor, at: datetime, reason: str, risk_event: RiskEvent | None
) -> None:
    """Write the history row behind the newest one; the alert's row lock keeps two from following the same."""
    newest = AlertTransition.objects.filter(alert=alert).order_by("-version").first()
    row = AlertTransition(
        alert=alert,
        version=alert.version,
        event=event.value,
        from_state=before,
        to_state=alert.state,
        severity=alert.severity,
        actor=actor.user,
        actor_kind=actor.kind,
        actor_name=actor.name,
        risk_event=risk_event,
        reason=reason,
        at=at,
        prev_hash=newest.hash if newest else "",
    )
    row.hash = digest(row)
    row.save()
    tell_web(row.pk)


def digest(row: AlertTransition) -> str:
    """The SHA-256 over all that a history row says and its predecessor's hash."""
    said = [
        str(row.alert_id),
        row.version,
        row.event,
        row.from_state,
        row.to_state,
        row.severity,
        row.actor_id,
        row.actor_kind,
        row.actor_name,
        str(row.risk_event_id or ""),
        row.reason,
        row.at.astimezone(UTC).isoformat(),
        row.prev_hash,
    ]
    return hashlib.sha256(json.dumps(said, ensure_ascii=True).encode()).hexdigest()


def broken_link(alert_id: UUID) -> int | None:
    """The version of the first history row that was altered, removed or put in; None when the chain holds."""
    previous, expected, row = "", 1, None
    for row in AlertTransition.objects.filter(alert_id=alert_id).order_by("version"):
        if row.version != expected or row.prev_hash != previous or row.hash != digest(row):
            return expected
        previous, expected = row.hash, expected + 1
    alert = Alert.objects.get(pk=alert_id)
    if alert.version != expected - 1:
        return expected
    told = (row.to_state, row.severity) if row else None  # and the alert itself says what its history came to
    return None if told in {(alert.state, alert.severity), None} else alert.version

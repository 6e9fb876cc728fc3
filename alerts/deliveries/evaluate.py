"""From risk events to alerts and deliveries: idempotent by event, in the engine's order for each account."""

from __future__ import annotations

import logging
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from alerts.deliveries.episodes import ENGINE, transition
from alerts.deliveries.outbox import enqueue, missing_destination
from alerts.models import Alert, AlertState, DeliveryKind
from alerts.routes import CLEAR_DWELL, NOTICE_LASTS, AlertEvent, AlertKind, Decision, Effect, Fact, decide, order_of
from monitoring.engine.events import EventKind
from monitoring.models import RiskEvent

log = logging.getLogger(__name__)

EVALUATE_LOCK = 0x52440001  # the first half of the advisory lock; the account is the second


def evaluate(event_id: UUID, *, by: str = "hint") -> int:
    """Route this event and every earlier un-routed one of its account; how many. Safe to repeat and to race."""
    account_id = RiskEvent.objects.filter(pk=event_id, routed_at=None).values_list("account_id", flat=True)
    found = list(account_id)
    return evaluate_account(found[0], by=by) if found else 0


@transaction.atomic
def evaluate_account(account_id: int | None, *, by: str) -> int:
    """Route what waits of one account: all of it or, on an error, none of it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [EVALUATE_LOCK, account_id or 0])
    now = timezone.now()
    waiting = RiskEvent.objects.filter(Q(account_id=account_id), routed_at=None).select_related("account", "challenge")
    events = sorted(waiting.select_for_update(of=("self",)), key=lambda row: (row.at, order_of(row.event)))
    for event in events:
        route(event, now)
    RiskEvent.objects.filter(pk__in=[event.pk for event in events]).update(
        routed_at=now, lease_owner=by[:80], lease_until=None
    )
    return len(events)


def route(event: RiskEvent, now: datetime) -> None:
    """Do what the event asks of alerting."""
    decision = decide(fact_of(event))
    if decision is None:
        return
    match decision.effect:
        case Effect.FIRE:
            _warn(event, decision, now)
        case Effect.STEP_UP:
            _step_up(event, decision, now)
        case Effect.CLEAR:
            _clear(event, decision, now)
        case Effect.BREACH:
            _breach(event, decision, now)
        case Effect.RESUME:
            _resume(event, now)


def fact_of(event: RiskEvent) -> Fact:
    """The row as routing reads it. Two rules of one name differ by their index, which the key carries."""
    account = event.account
    return Fact(
        event=event.event,
        scope=f"{account.public_id if account else event.shard}:{event.challenge_id or '-'}",
        login=account.login if account else "",
        rule=event.rule,
        rule_index=_index_of(event),
        at=event.at,
        used=event.used,
        severity=event.severity,
        reason=event.reason,
        consequence=event.consequence,
        also=tuple(str(rule) for rule in event.also),
        mode=event.mode,
    )


def _index_of(event: RiskEvent) -> str:
    """The part of the key before the event's word; what follows it (an episode, a day, a position) may hold colons."""
    parts = event.key.split(":")
    found = [before for before, word in pairwise(parts) if word == event.event and before.isdigit()]
    return found[0] if found else "0"


def _warn(event: RiskEvent, decision: Decision, now: datetime) -> None:
    if held := _open(decision.dedup_key):
        said = "Fired again before it had stayed clear for 60 s: the same episode, told before."
        moved = _move(
            held, AlertEvent.REFIRE, event, decision, said, clear_due_at=_ends(event), fired_count=held.fired_count + 1
        )
        enqueue(moved, DeliveryKind.REPEAT, event_at=event.ingested_at, now=now, suppressed=said)
        return
    alert = _fire(event, decision)
    breach = _open_breach(event)
    if breach is None or event.at <= breach.first_fired_at:  # warned first, recorded late: it was news all the same
        _tell(alert, event, now)
    else:
        said = "The account's breach came first: a breach inhibits its warnings."
        enqueue(alert, DeliveryKind.TRIGGER, event_at=event.ingested_at, now=now, suppressed=said)
    if breach:
        said = "The account has breached: the engine ends its warnings."
        transition(alert.pk, AlertEvent.RESOLVE, ENGINE, at=breach.first_fired_at, reason=said, risk_event=event)


def _step_up(event: RiskEvent, decision: Decision, now: datetime) -> None:
    held = _open(decision.dedup_key)
    if held is None:
        _warn(event, decision, now)  # its beginning was resolved or is not known here: it is news
        return
    if event.at < held.last_event_at:
        return  # recorded late: a newer event has already said more
    said = "A step within the same episode: an incoming webhook cannot update its message; the desk shows the step."
    moved = _move(held, AlertEvent.STEP_UP, event, decision, decision.text, clear_due_at=None)
    enqueue(moved, DeliveryKind.UPDATE, event_at=event.ingested_at, now=now, suppressed=said)


def _clear(event: RiskEvent, decision: Decision, now: datetime) -> None:
    held = _open(decision.dedup_key)
    if held is None or event.at < held.last_event_at:
        return
    changes = {"clear_due_at": event.at + CLEAR_DWELL, "last_event_at": event.at}
    transition(held.pk, AlertEvent.CLEAR, ENGINE, at=event.at, reason=event.reason, risk_event=event, changes=changes)


def _breach(event: RiskEvent, decision: Decision, now: datetime) -> None:
    if held := _open(decision.dedup_key):  # a pause of an earlier day: every breach is told
        _resolve(held, event, "A new breach on a later day.")
    alert = _fire(event, decision)
    _tell(alert, event, now)
    for warning in _open_of(event, AlertKind.WARNING):  # its message, if it still waits, goes out and says so
        _resolve(warning, event, "The account has breached: the engine ends its warnings.")


def _resume(event: RiskEvent, now: datetime) -> None:
    for breach in _open_of(event, AlertKind.BREACH):
        if breach.first_event and breach.first_event.consequence == "pause" and breach.first_fired_at <= event.at:
            _resolve(breach, event, "A new trading day: the pause is over.")
    for warning in _open_of(event, AlertKind.WARNING):
        if warning.last_event_at <= event.at:
            _resolve(warning, event, "A new trading day: the pause had ended the warning.")


def _fire(event: RiskEvent, decision: Decision) -> Alert:
    """A new episode of the decision's key, firing."""
    newest = Alert.objects.filter(dedup_key=decision.dedup_key).order_by("-episode").first()
    alert = Alert.objects.create(
        dedup_key=decision.dedup_key,
        dedup_text=decision.dedup_text,
        episode=newest.episode + 1 if newest else 1,
        kind=decision.kind.value,
        account=event.account,
        challenge=event.challenge,
        rule=event.rule,
        rule_version=event.rule_set_version,
        severity=decision.severity,
        state=AlertState.PENDING,
        title=decision.title,
        text=decision.text,
        used=event.used,
        step=event.step,
        mode=event.mode,
        first_event=event,
        first_fired_at=event.at,
        last_event_at=event.at,
        clear_due_at=_ends(event),
    )
    return transition(alert.pk, AlertEvent.FIRE, ENGINE, at=event.at, reason=decision.text, risk_event=event)


def _ends(event: RiskEvent) -> datetime | None:
    """When a warning ends by itself: one without a share (a deadline that comes near) has no `cleared`."""
    return event.at + NOTICE_LASTS if event.event == EventKind.WARNED and event.used is None else None


def _tell(alert: Alert, event: RiskEvent, now: datetime) -> None:
    """Deliver the alert's first message, or write down that there is nowhere to send it."""
    if why := missing_destination():
        transition(alert.pk, AlertEvent.NOT_TOLD, ENGINE, at=now, reason=f"Nobody was told: {why}")
        return
    enqueue(alert, DeliveryKind.TRIGGER, event_at=event.ingested_at, now=now)


def _move(held: Alert, move: AlertEvent, event: RiskEvent, decision: Decision, reason: str, **more: object) -> Alert:
    """Move the open episode to what the event says."""
    changes = {
        "severity": decision.severity,
        "title": decision.title,
        "text": decision.text,
        "used": event.used,
        "step": event.step,
        "last_event_at": max(held.last_event_at, event.at),
        **more,
    }
    return transition(held.pk, move, ENGINE, at=event.at, reason=reason, risk_event=event, changes=changes)


def _resolve(alert: Alert, event: RiskEvent, reason: str) -> None:
    transition(alert.pk, AlertEvent.RESOLVE, ENGINE, at=event.at, reason=reason, risk_event=event)


def _open(key: str) -> Alert | None:
    """The key's open episode, locked."""
    return Alert.objects.select_for_update().filter(dedup_key=key, resolved_at=None).first()


def _open_of(event: RiskEvent, kind: AlertKind) -> list[Alert]:
    """The open alerts of a kind on the event's challenge."""
    found = Alert.objects.filter(kind=kind.value, account=event.account, challenge=event.challenge, resolved_at=None)
    return list(found.select_related("first_event"))


def _open_breach(event: RiskEvent) -> Alert | None:
    """A breach of the challenge that still stands: after it the engine sends no warnings, so one that comes is late."""
    return next(iter(_open_of(event, AlertKind.BREACH)), None)

"""The review queue: violations whose consequence is `flag`, and what a person made of them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts import audit
from accounts.models import User
from monitoring.models import FlagDecision, FlagReview, RiskEvent


class FlagError(Exception):
    """The decision cannot be taken; the message says why."""


def flagged() -> QuerySet[RiskEvent]:
    """Every violation that went into the queue, decided ones included."""
    return RiskEvent.objects.filter(event="violated", consequence="flag").select_related(
        "account__server", "challenge__rule_set__phase__plan", "review__author"
    )


def waiting() -> int:
    """How many nobody has decided yet."""
    return RiskEvent.objects.filter(event="violated", consequence="flag", review=None).count()


def decide(ids: Collection[UUID], decision: str, actor: User, reason: str, at: datetime) -> int:
    """Decide waiting violations alike, all or none; how many. FlagError names what stands in the way.

    The event itself is evidence and never changes; a decision is final.
    """
    if decision not in FlagDecision.values:
        raise FlagError(f"{decision!r} is no decision; there are: {', '.join(FlagDecision.values)}.")
    if not reason.strip():
        raise FlagError("Say why: the reason is part of the decision.")
    with transaction.atomic():
        list(RiskEvent.objects.select_for_update().filter(pk__in=ids).order_by("pk"))
        events = list(flagged().filter(pk__in=ids))  # only now: whoever held them has decided meanwhile
        if len(events) != len(set(ids)):
            raise FlagError("Some of these are no flagged violations.")
        decided = [event for event in events if hasattr(event, "review")]
        if decided:
            first = decided[0].review
            raise FlagError(
                f"{len(decided)} of them {'was' if len(decided) == 1 else 'were'} decided meanwhile "
                f"({first.get_decision_display().lower()} by {first.author})."
            )
        FlagReview.objects.bulk_create(
            FlagReview(event=event, decision=decision, reason=reason.strip(), author=actor, at=at) for event in events
        )
        for event in events:
            target = event.account.public_id if event.account else ""
            detail = {"rule": event.rule, "event": event.key, "reason": reason.strip()}
            audit.record(actor, f"violation_{decision}", target, detail)
    return len(events)

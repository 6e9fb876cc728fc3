"""Moving running challenges to another version of their phase's rule set: a deliberate act, never a side effect."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts import audit, rulebooks, servers
from accounts.models import Challenge, RuleSet, RuleSetMove, User
from accounts.refusals import Complaint, Refusal, reason_errors


class MoveError(Refusal):
    """The challenges cannot be moved there; `errors` lists (the account's public id, what is against it)."""


def move_challenges(
    challenges: Iterable[Challenge | int],
    rule_set: RuleSet,
    actor: User,
    reason: str,
    at: datetime | None = None,
    *,
    request: HttpRequest | None = None,
) -> int:
    """Pin running challenges to another version of their phase, all or none; how many were moved.

    Those that are there already are left alone. Overrides stay; the whole rulebook with them must be valid.
    MoveError: no reason, an ended challenge, another phase's version, a rulebook that the engine would not take.
    """
    if errors := reason_errors(reason):
        raise MoveError(errors)
    keys = {one.pk if isinstance(one, Challenge) else one for one in challenges}
    with transaction.atomic():
        held = list(
            Challenge.objects.select_for_update(of=("self",))
            .filter(pk__in=keys)
            .select_related("account")
            .prefetch_related("account__server", "rule_set__phase__plan", "overrides")  # few rows, shared by many
            .order_by("pk")
        )
        instant = at or timezone.now()  # only now: whoever held them meanwhile was there before
        if errors := _errors(keys, held, rule_set, instant):
            raise MoveError(errors)
        moving = [challenge for challenge in held if challenge.rule_set_id != rule_set.pk]
        if moving:
            _move(moving, rule_set, actor, reason.strip(), instant, request)
    return len(moving)


def _move(
    moving: list[Challenge], rule_set: RuleSet, actor: User, reason: str, at: datetime, request: HttpRequest | None
) -> None:
    RuleSetMove.objects.bulk_create(
        [
            RuleSetMove(challenge=one, moved_from=one.rule_set, moved_to=rule_set, author=actor, reason=reason, at=at)
            for one in moving
        ],
        batch_size=1000,
    )
    Challenge.objects.filter(pk__in=[one.pk for one in moving]).update(rule_set=rule_set)
    plan = rule_set.phase.plan.slug
    detail: dict[str, Any] = {"to": f"{plan}/{rule_set.phase.slug} v{rule_set.version}", "reason": reason}
    audit.record_many(
        actor,
        "challenge_moved",
        [(one.account.public_id, {"from": f"v{one.rule_set.version}", **detail}) for one in moving],
        request,
    )
    for name in sorted({one.account.server.name for one in moving}):
        servers.book_changed(name)


def _errors(keys: set[int], held: list[Challenge], rule_set: RuleSet, at: datetime) -> list[Complaint]:
    errors: list[Complaint] = []
    if len(held) < len(keys):
        errors.append(("", f"{len(keys) - len(held)} of the challenges do not exist."))
    checked: dict[str, list[Complaint]] = {}
    for challenge in held:
        who = challenge.account.public_id
        if challenge.ended_at is not None:
            errors.append((who, "the challenge has ended; what judged it stays"))
        elif challenge.rule_set.phase_id != rule_set.phase_id:
            errors.append((who, f"runs in {challenge.rule_set.phase.name}, not in {rule_set.phase.name}"))
        else:
            key = rulebooks.likeness(challenge, rulebooks.active(challenge, at))
            if key not in checked:
                checked[key] = _document_errors(challenge, rule_set, at)
            errors += [(who, f"{path}: {message}" if path else message) for path, message in checked[key]]
    return errors


def _document_errors(challenge: Challenge, rule_set: RuleSet, at: datetime) -> list[Complaint]:
    document = rulebooks.document_of(challenge, rule_set)
    return rulebooks.errors_to_come(document, rulebooks.active(challenge, at), at)

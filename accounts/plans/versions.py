"""Versions of a phase's rule set: a draft while somebody works on it, published it judges what starts from then on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from accounts import audit, servers
from accounts.models import Phase, RuleSet, RuleSetDraft, User
from accounts.plans.defaults import newest_rule_set
from accounts.plans.documents import PlanError, check_document, kept
from accounts.refusals import reason_errors, storable_errors


def publish(
    phase: Phase,
    document: Mapping[str, Any],
    actor: User,
    reason: str,
    *,
    base_version: int | None = None,
    request: HttpRequest | None = None,
) -> RuleSet:
    """Make the next version of the phase's rule set; running challenges keep theirs. Its `warnings` are the engine's.

    A draft that says the same is done with; another one is somebody's unfinished work, and stays.
    PlanError: the document is wrong, nothing would change, no reason, or (`base_version`) somebody was quicker.
    """
    warnings = check_document(document)
    if errors := reason_errors(reason):
        raise PlanError(errors)
    with transaction.atomic():
        held = locked(phase)
        newest = newest_rule_set(held)
        version = newest.version if newest else 0
        if base_version is not None and base_version != version:
            raise PlanError(
                f"Version {version} was published meanwhile; this change was begun from version {base_version}.",
                conflict=True,
            )
        if newest and newest.document == kept(document):
            raise PlanError(f"Nothing differs from version {version}.", conflict=True)
        made = add_version(held, version + 1, document, actor, reason.strip())
        draft = RuleSetDraft.objects.filter(phase=held).first()
        if draft is not None and kept(draft.document) == made.document:
            draft.delete()
        detail = {"version": made.version, "before": version, "reason": made.reason, "warnings": warnings}
        audit.record(actor, "rule_set_published", target(held), detail, request)
        servers.book_changed()
    made.warnings = warnings
    return made


def add_version(phase: Phase, version: int, document: Mapping[str, Any], actor: User | None, reason: str) -> RuleSet:
    """Store a checked document as that version."""
    return RuleSet.objects.create(phase=phase, version=version, document=kept(document), author=actor, reason=reason)


def save_draft(
    phase: Phase, document: Mapping[str, Any], actor: User, *, base_version: int | None = None
) -> RuleSetDraft:
    """Keep unfinished work on the next version; it may be invalid, but must be JSON that can be stored (PlanError)."""
    if not isinstance(document, Mapping):
        raise PlanError([("", f"must be an object, is {document!r:.60}")])
    if errors := storable_errors(dict(document)):
        raise PlanError(errors)
    with transaction.atomic():
        held = locked(phase)
        newest = newest_rule_set(held)
        begun = base_version if base_version is not None else newest.version if newest else 0
        found = RuleSetDraft.objects.filter(phase=held).first()
        if found and base_version is None:
            begun = found.base_version
        draft, made = RuleSetDraft.objects.update_or_create(
            phase=held, defaults={"document": dict(document), "base_version": begun, "author": actor}
        )
        if made:
            audit.record(actor, "draft_begun", target(phase), {"base_version": begun})
    return draft


@contextmanager
def drafting(phase: Phase) -> Iterator[None]:
    """Meanwhile nobody else saves, publishes or throws away the phase's draft; what was read before may be old."""
    with transaction.atomic():
        Phase.objects.select_for_update().filter(pk=phase.pk).first()  # none: somebody removed it
        yield


def discard_draft(phase: Phase, actor: User, *, request: HttpRequest | None = None) -> bool:
    """Throw unfinished work away; whether there was any."""
    with drafting(phase):
        gone, _ = RuleSetDraft.objects.filter(phase=phase).delete()
        if gone:
            audit.record(actor, "draft_discarded", target(phase), request=request)
    return bool(gone)


def locked(phase: Phase) -> Phase:
    """The phase as it is, held until the transaction ends; PlanError where somebody removed it meanwhile."""
    held = Phase.objects.select_for_update(of=("self",)).select_related("plan").filter(pk=phase.pk).first()
    if held is None:
        raise PlanError(f"{phase.name} was removed meanwhile.", conflict=True)
    return held


def target(phase: Phase) -> str:
    """What the audit log calls a phase."""
    return f"{phase.plan.slug}/{phase.slug}"

"""The catalogue of plans: made, copied, renamed, archived; their phases added, removed, put in order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.http import HttpRequest
from django.utils import timezone

from accounts import audit, presets, servers
from accounts.models import Challenge, Phase, Plan, RuleSet, RuleSetMove, User
from accounts.plans.defaults import newest_rule_set
from accounts.plans.documents import PlanError, blank_document, check_document, under
from accounts.plans.versions import add_version, locked, target
from accounts.refusals import Complaint, reason_errors, text_errors

MOST_PHASES = 20
RESERVED = frozenset({"new", "presets", "import"})  # addresses below /plans/, here or in the API
_SLUG = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")


def create_plan(
    slug: str,
    name: str,
    phases: Sequence[Mapping[str, Any]],
    actor: User | None,
    *,
    preset: str = "",
    reason: str = "",
    request: HttpRequest | None = None,
) -> Plan:
    """A new plan; each phase is {"slug", "name", "document"} (None or left out: no rule yet), checked whole.

    PlanError lists everything that is wrong, by path ("slug", "phases[0].rules[2].lots").
    """
    errors = slug_errors("slug", slug) + text_errors("name", name, longest=120)
    if slug in RESERVED:
        errors.append(("slug", f"must not be {slug}: that is an address of the pages of plans or of the API"))
    errors += phases_errors(phases)
    if errors:
        raise PlanError(errors)
    with transaction.atomic():
        plan, made = Plan.objects.get_or_create(slug=slug, defaults={"name": name.strip(), "preset": preset})
        if not made:
            raise PlanError([("slug", f"There is already a plan {slug}.")], conflict=True)
        for order, phase in enumerate(phases, start=1):
            _new_phase(plan, order, phase, actor, reason or "The plan's first version.")
        detail = {"name": plan.name, "phases": [phase["slug"] for phase in phases], "preset": preset, "reason": reason}
        audit.record(actor or "RiskDesk", "plan_created", slug, detail, request)
        servers.book_changed()
    return plan


def create_from_preset(
    preset_slug: str, slug: str, name: str, actor: User, *, request: HttpRequest | None = None
) -> Plan:
    """A plan as a preset has it; PlanError for an unknown preset or a slug that is taken."""
    preset = presets.find(preset_slug)
    if preset is None:
        raise PlanError([("preset", f"There is no preset {preset_slug!r:.60}.")])
    phases = [{"slug": one.slug, "name": one.name, "document": one.document} for one in preset.phases]
    why = f"Made from the preset {preset.name}, last verified {preset.verified:%Y-%m-%d}."
    return create_plan(slug, name, phases, actor, preset=preset.slug, reason=why, request=request)


def copy_plan(plan: Plan, slug: str, name: str, actor: User, *, request: HttpRequest | None = None) -> Plan:
    """A new plan with the newest document of each phase."""
    phases = [
        {"slug": phase.slug, "name": phase.name, "document": newest.document if newest else None}
        for phase in plan.phases.order_by("order")
        for newest in [newest_rule_set(phase)]
    ]
    return create_plan(slug, name, phases, actor, preset=plan.preset, reason=f"A copy of {plan.slug}.", request=request)


def rename_plan(plan: Plan, name: str, actor: User, *, request: HttpRequest | None = None) -> Plan:
    """Another name; the slug stays, upstream groups rest on it."""
    if errors := text_errors("name", name, longest=120):
        raise PlanError(errors)
    with transaction.atomic():
        held = _locked(plan)
        before, held.name = held.name, name.strip()
        if before != held.name:
            held.save(update_fields=["name"])
            audit.record(actor, "plan_renamed", held.slug, {"from": before, "to": held.name}, request)
            servers.book_changed()
    return held


def archive_plan(plan: Plan, actor: User, reason: str, *, request: HttpRequest | None = None) -> Plan:
    """No longer sold: kept, but out of the list; what runs goes on, and an upstream's group still finds it."""
    if errors := reason_errors(reason):
        raise PlanError(errors)
    with transaction.atomic():
        held = _locked(plan)
        if held.archived_at is None:
            held.archived_at = timezone.now()
            held.save(update_fields=["archived_at"])
            audit.record(actor, "plan_archived", held.slug, {"reason": reason.strip()}, request)
    return held


def restore_plan(plan: Plan, actor: User, *, request: HttpRequest | None = None) -> Plan:
    """Sold again."""
    with transaction.atomic():
        held = _locked(plan)
        if held.archived_at is not None:
            held.archived_at = None
            held.save(update_fields=["archived_at"])
            audit.record(actor, "plan_restored", held.slug, request=request)
    return held


def add_phase(
    plan: Plan,
    slug: str,
    name: str,
    actor: User,
    document: Mapping[str, Any] | None = None,
    *,
    request: HttpRequest | None = None,
) -> Phase:
    """A further phase at the end; without a document it has no rule yet."""
    if errors := slug_errors("slug", slug) + text_errors("name", name, longest=120):
        raise PlanError(errors)
    if document is not None:
        check_document(document)
    with transaction.atomic():
        held = _locked(plan)
        if held.phases.filter(slug=slug).exists():
            raise PlanError([("slug", f"The plan has a phase {slug} already.")], conflict=True)
        if held.phases.count() >= MOST_PHASES:
            raise PlanError([("slug", f"A plan has at most {MOST_PHASES} phases.")])
        order = (held.phases.aggregate(last=Max("order"))["last"] or 0) + 1
        phase = _new_phase(
            held, order, {"slug": slug, "name": name, "document": document}, actor, "The phase's first version."
        )
        audit.record(actor, "phase_added", target(phase), {"name": phase.name}, request)
        servers.book_changed()
    return phase


def rename_phase(phase: Phase, name: str, actor: User, *, request: HttpRequest | None = None) -> Phase:
    """Another name; the slug stays."""
    if errors := text_errors("name", name, longest=120):
        raise PlanError(errors)
    with transaction.atomic():
        held = locked(phase)
        before, held.name = held.name, name.strip()
        if before != held.name:
            held.save(update_fields=["name"])
            audit.record(actor, "phase_renamed", target(held), {"from": before, "to": held.name}, request)
            servers.book_changed()
    return held


def remove_phase(phase: Phase, actor: User, reason: str, *, request: HttpRequest | None = None) -> None:
    """Away with a phase that judged nobody yet; PlanError for one that has challenges: their rulebook stays."""
    if errors := reason_errors(reason):
        raise PlanError(errors)
    with transaction.atomic():
        plan = _locked(phase.plan)
        locked(phase)  # no version is published under it any more
        judged = Challenge.objects.filter(rule_set__phase=phase).count()
        if judged or _was_moved_through(phase):
            number = f"{judged} challenges rest" if judged != 1 else "1 challenge rests"
            raise PlanError(f"{number} on {phase.name}: it stays, with its versions.", conflict=True)
        if plan.phases.count() <= 1:
            raise PlanError("A plan keeps at least one phase; archive the plan instead.", conflict=True)
        RuleSet.objects.filter(phase=phase).delete()
        audit.record(actor, "phase_removed", target(phase), {"name": phase.name, "reason": reason.strip()}, request)
        phase.delete()
        servers.book_changed()


def reorder_phases(plan: Plan, slugs: Sequence[str], actor: User, *, request: HttpRequest | None = None) -> None:
    """The plan's phases in this order; every slug once."""
    with transaction.atomic():
        held = _locked(plan)
        phases = {phase.slug: phase for phase in held.phases.order_by("order")}
        if sorted(slugs) != sorted(phases):
            raise PlanError([("order", f"Name each phase once: {', '.join(phases)}.")])
        if list(slugs) == list(phases):
            return
        above = held.phases.aggregate(last=Max("order"))["last"] or 0
        for step in (above, 0):  # out of each other's way first: an order is held once
            for number, slug in enumerate(slugs, start=1):
                Phase.objects.filter(pk=phases[slug].pk).update(order=step + number)
        audit.record(actor, "phases_reordered", held.slug, {"order": list(slugs)}, request)
        servers.book_changed()


def slug_errors(path: str, slug: object) -> list[Complaint]:
    """What is wrong with a slug."""
    if not isinstance(slug, str) or len(slug) > 50 or not _SLUG.fullmatch(slug):
        return [(path, "must be lower-case letters, digits and hyphens, at most 50, like two-step")]
    return []


def phases_errors(phases: Sequence[Mapping[str, Any]]) -> list[Complaint]:
    """What is wrong with a plan's phases as `create_plan` takes them, by path."""
    errors: list[Complaint] = []
    if not phases:
        errors.append(("phases", "A plan has at least one phase."))
    if len(phases) > MOST_PHASES:
        errors.append(("phases", f"A plan has at most {MOST_PHASES} phases."))
    seen: set[object] = set()
    for number, phase in enumerate(phases):
        path = f"phases[{number}]"
        slug = phase.get("slug")
        wrong = slug_errors(f"{path}.slug", slug)
        errors += wrong + text_errors(f"{path}.name", phase.get("name"), longest=120)
        if not wrong and slug in seen:
            errors.append((f"{path}.slug", f"two phases are called {slug}"))
        if not wrong:
            seen.add(slug)
        if phase.get("document") is not None:
            try:
                check_document(phase["document"])
            except PlanError as error:
                errors += under(path, error)
    return errors


def _new_phase(plan: Plan, order: int, given: Mapping[str, Any], actor: User | None, reason: str) -> Phase:
    phase = Phase.objects.create(plan=plan, slug=given["slug"], name=given["name"].strip(), order=order)
    document = given.get("document")
    add_version(phase, 1, blank_document() if document is None else document, actor, reason)
    return phase


def _was_moved_through(phase: Phase) -> bool:
    """Whether a challenge was moved from or to one of its versions: the history names them."""
    return (
        RuleSetMove.objects.filter(moved_from__phase=phase).exists()
        or RuleSetMove.objects.filter(moved_to__phase=phase).exists()
    )


def _locked(plan: Plan) -> Plan:
    return Plan.objects.select_for_update().get(pk=plan.pk)

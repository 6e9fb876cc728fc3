"""Plans over the API: read, export, import, publish a version."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q
from django.http import Http404, HttpRequest
from ninja import Body, Router, Status

from accounts import plans, presets
from accounts.api.auth import allowed
from accounts.api.shapes import Limit, NewPlan, NewVersion, Offset, PhaseOut, PlanOut, PresetOut, VersionOut
from accounts.models import Phase, Plan, RuleSet
from accounts.permissions import access_change_plans, access_plans
from accounts.plans import PlanError
from accounts.refusals import Complaint

router = Router(tags=["plans"])


@router.get("", response=list[PlanOut], summary="Every plan with its phases")
def listed(request: HttpRequest, archived: bool = False, limit: Limit = 100, offset: Offset = 0) -> list[PlanOut]:
    """By slug; archived ones only when asked for."""
    allowed(request, access_plans)
    found = Plan.objects.order_by("slug")
    return [_plan(plan) for plan in (found if archived else found.filter(archived_at=None))[offset : offset + limit]]


@router.get("presets", response=list[PresetOut], summary="Programmes that a plan can be made from")
def preset_list(request: HttpRequest) -> list[PresetOut]:
    """Data of real firms, each with its sources and what to check."""
    allowed(request, access_plans)
    return [
        PresetOut(
            slug=one.slug,
            firm=one.firm,
            name=one.name,
            summary=one.summary,
            verified=one.verified,
            sources=list(one.sources),
            warnings=list(one.warnings),
        )
        for one in presets.PRESETS
    ]


@router.post("", response={201: PlanOut}, summary="Make a plan from a preset")
def create(request: HttpRequest, asked: NewPlan) -> Status[PlanOut]:
    """The head of risk; check the preset's warnings with the firm first."""
    user = allowed(request, access_change_plans)
    return Status(201, _plan(plans.create_from_preset(asked.preset, asked.slug, asked.name, user, request=request)))


@router.post("import", response={201: PlanOut}, summary="Import a plan as `export` gives it")
def import_(
    request: HttpRequest, data: Body[dict[str, Any]], update: bool = False, reason: str = ""
) -> Status[PlanOut]:
    """Strict and whole. With `update` a plan of that slug gets new versions where documents differ."""
    user = allowed(request, access_change_plans)
    if "\0" in reason or len(reason) > 2000:
        raise PlanError([("reason", "must have at most 2000 signs that can be stored")])
    return Status(201, _plan(plans.import_plan(data, user, reason=reason, update=update, request=request)))


@router.get("{slug:plan}", response=PlanOut, summary="One plan")
def one(request: HttpRequest, plan: str) -> PlanOut:
    """With its phases and their newest versions."""
    allowed(request, access_plans)
    return _plan(_found(plan))


@router.get("{slug:plan}/export", response=dict[str, Any], summary="A plan with every phase's newest document")
def export(request: HttpRequest, plan: str) -> dict[str, Any]:
    """What `import` reads."""
    allowed(request, access_plans)
    return plans.export_plan(_found(plan))


@router.get(
    "{slug:plan}/phases/{slug:phase}/versions", response=list[VersionOut], summary="Every version, newest first"
)
def versions(request: HttpRequest, plan: str, phase: str, limit: Limit = 100, offset: Offset = 0) -> list[VersionOut]:
    """With documents, authors and reasons."""
    allowed(request, access_plans)
    rows = _phase(plan, phase).rule_sets.select_related("author").order_by("-version")
    return [_version(row) for row in rows[offset : offset + limit]]


@router.post("{slug:plan}/phases/{slug:phase}/versions", response={201: VersionOut}, summary="Publish the next version")
def publish(request: HttpRequest, plan: str, phase: str, asked: NewVersion) -> Status[VersionOut]:
    """New challenges get it, running ones keep theirs. 409: nothing differs, or somebody was quicker."""
    user = allowed(request, access_change_plans)
    held = _phase(plan, phase)
    try:
        made = plans.publish(held, asked.document, user, asked.reason, base_version=asked.base_version, request=request)
    except PlanError as error:
        at_fields, odd = ([_of_document(one) for one in said] for said in (error.errors, error.warnings))
        raise PlanError(at_fields, conflict=error.conflict, warnings=odd) from error
    return Status(201, _version(made))


def _of_document(said: Complaint) -> Complaint:
    """A complaint at its path in what was sent."""
    path, text = said
    return path if path in {"", "reason"} else f"document.{path}", text


def _found(slug: str) -> Plan:
    plan = Plan.objects.filter(slug=slug).first()
    if plan is None:
        raise Http404(f"There is no plan {slug}.")
    return plan


def _phase(plan: str, slug: str) -> Phase:
    phase = Phase.objects.select_related("plan").filter(plan=_found(plan), slug=slug).first()
    if phase is None:
        raise Http404(f"The plan {plan} has no phase {slug}.")
    return phase


def _plan(plan: Plan) -> PlanOut:
    running = Count("rule_sets__challenges", filter=Q(rule_sets__challenges__ended_at=None))
    return PlanOut(
        slug=plan.slug,
        name=plan.name,
        preset=plan.preset,
        archived_at=plan.archived_at,
        warnings=list(plan.warnings),
        phases=[
            PhaseOut(
                slug=phase.slug,
                name=phase.name,
                version=max((row.version for row in phase.rule_sets.all()), default=0),
                running=phase.running,
            )
            for phase in plan.phases.annotate(running=running).prefetch_related("rule_sets").order_by("order")
        ],
    )


def _version(row: RuleSet) -> VersionOut:
    return VersionOut(
        version=row.version,
        author=row.author.username if row.author else None,
        reason=row.reason,
        created_at=row.created_at,
        document=row.document,
        warnings=list(row.warnings),
    )

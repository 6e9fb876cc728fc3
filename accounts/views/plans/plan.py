"""One plan: its phases with every rule in words, their versions, and the plan as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts import plans, presets
from accounts.models import Phase, Plan, RuleSet
from accounts.permissions import access_plans, gate, may_change_plans
from accounts.plan_forms import NewPhaseForm, ReasonForm, in_order
from accounts.views.plans.shown import (
    Judged,
    RuleShown,
    Sample,
    by_whom,
    changes,
    desk_link,
    general_shown,
    judged,
    rules_shown,
    sample_of,
)
from monitoring.engine.ruleset.compare import Difference

NOBODY = Judged(0, 0)


@dataclass(frozen=True, slots=True)
class VersionShown:
    """One line of a phase's history."""

    rule_set: RuleSet
    by: str
    judged: Judged
    desk: str
    changes: list[Difference]


@dataclass(frozen=True, slots=True)
class PhaseShown:
    """A phase with its newest rules and its history, newest first."""

    phase: Phase
    sample: Sample
    general: list[tuple[str, str]]
    rules: list[RuleShown]
    versions: list[VersionShown]
    first: bool
    last: bool
    draft: Any = None
    names: list[str] = field(default_factory=list)

    @property
    def newest(self) -> VersionShown | None:
        """What a new challenge gets."""
        return self.versions[0] if self.versions else None

    @property
    def running(self) -> int:
        """Challenges that run under any version."""
        return sum(one.judged.running for one in self.versions)

    @property
    def behind(self) -> int:
        """Challenges that run under another version than the newest."""
        return sum(one.judged.running for one in self.versions[1:])


@require_safe
@gate(access_plans)
def plan(request: HttpRequest, slug: str) -> HttpResponse:
    """The page."""
    found = plan_of(slug)
    return render(request, "accounts/plans/plan.html", plan_context(request, found))


def plan_of(slug: str) -> Plan:
    """The plan of an address; Http404 names it."""
    found = Plan.objects.filter(slug=slug.replace("\0", "\ufffd")).first()
    if found is None:
        raise Http404(f"There is no plan {slug}.")
    return found


def plan_context(request: HttpRequest, found: Plan) -> dict[str, Any]:
    """What the page of a plan shows."""
    phases = list(found.phases.select_related("plan", "draft__author").order_by("order"))
    counts = judged(phases)
    shown = [_phase(request, number, phase, len(phases), counts) for number, phase in enumerate(phases, 1)]
    return {
        "plan": found,
        "preset": presets.find(found.preset) if found.preset else None,
        "phases": shown,
        "size": shown[0].sample.size if shown else "",
        "currency": shown[0].sample.currency if shown else "",
        "may_change": may_change_plans(request.user),
        "phase_form": NewPhaseForm(),
        "reason_form": ReasonForm(auto_id="id_archive_%s"),
        "running": sum(one.running for one in shown),
    }


@require_safe
@gate(access_plans)
def export(request: HttpRequest, slug: str) -> JsonResponse:
    """The plan as JSON, as the import reads it."""
    found = plan_of(slug)
    whole = plans.export_plan(found)
    whole["phases"] = [_phase_in_order(phase) for phase in whole["phases"]]
    response = JsonResponse(whole, json_dumps_params={"indent": 2, "ensure_ascii": False})
    response.headers["Content-Disposition"] = f'attachment; filename="plan-{found.slug}.json"'
    return response


def _phase_in_order(phase: dict[str, Any]) -> dict[str, Any]:
    """Its head first, then its document as the form has it."""
    head: dict[str, Any] = {key: phase[key] for key in ("slug", "name", "version") if key in phase}
    return {**head, **in_order({key: value for key, value in phase.items() if key not in head})}


def _phase(request: HttpRequest, number: int, phase: Phase, many: int, counts: dict[int, Judged]) -> PhaseShown:
    sample = sample_of(request, phase)
    rule_sets = list(phase.rule_sets.select_related("author").order_by("-version"))
    before: list[RuleSet | None] = [*rule_sets[1:], None]
    versions = [
        VersionShown(
            one,
            by_whom(one.author),
            counts.get(one.pk, NOBODY),
            desk_link(phase, one.version),
            changes(older.document, one.document) if older else [],
        )
        for one, older in zip(rule_sets, before, strict=True)
    ]
    general = general_shown(rule_sets[0].document) if rule_sets else []
    rules = rules_shown(rule_sets[0].document, sample) if rule_sets else []
    draft = getattr(phase, "draft", None)
    return PhaseShown(phase, sample, general, rules, versions, number == 1, number == many, draft)

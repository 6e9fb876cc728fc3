"""New plans: empty, from a preset, from JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts import plans, presets
from accounts.models import Plan, User
from accounts.permissions import access_change_plans, access_plans, gate, may_change_plans
from accounts.plan_forms import NewPlanForm
from accounts.presets import CHECK, Preset
from accounts.views.plans.shown import RuleShown, Sample, general_shown, rules_shown
from monitoring.engine.ruleset import RuleSetError, load_document

WRONG = 422
LARGEST = 1_000_000  # bytes of an uploaded file


@dataclass(frozen=True, slots=True)
class PresetShown:
    """A preset with its rules in words."""

    preset: Preset
    title: str
    general: list[tuple[str, str]]  # the same in all phases
    phases: list[tuple[str, list[RuleShown]]]
    plans: list[Plan]  # made from it


@require_http_methods(["GET", "HEAD", "POST"])
@gate(access_change_plans)
def new(request: HttpRequest) -> HttpResponse:
    """The form; a preset may be chosen by the address (`?preset=`)."""
    choices = [(one.slug, title(one)) for one in presets.PRESETS]
    if request.method != "POST":
        chosen = presets.find(request.GET.get("preset", ""))
        initial = {"preset": chosen.slug, **_free(chosen)} if chosen else {}
        return render(request, "accounts/plans/new.html", _new_context(NewPlanForm(presets=choices, initial=initial)))
    form = NewPlanForm(request.POST, presets=choices)
    assert isinstance(request.user, User)
    if form.is_valid():
        try:
            made = _make(form.cleaned_data, request.user, request)
        except plans.PlanError as error:
            for path, said in error.errors:
                form.add_error(path if path in form.fields else None, said)
        else:
            messages.success(request, f"The plan {made.name} is there.")
            return redirect("plan", slug=made.slug)
    return render(request, "accounts/plans/new.html", _new_context(form), status=WRONG)


@require_http_methods(["GET", "HEAD", "POST"])
@gate(access_change_plans)
def import_json(request: HttpRequest) -> HttpResponse:
    """A plan from its JSON, typed or uploaded; errors by path, as `replay` words them, and the text stays."""
    if request.method != "POST":
        return render(request, "accounts/plans/import.html", {"text": "", "errors": []})
    assert isinstance(request.user, User)
    text, sent, errors = _text_of(request)
    warnings: list[tuple[str, str]] = []
    reason, update = request.POST.get("reason", "").strip(), request.POST.get("update") == "on"
    if not errors:
        try:
            made = plans.import_plan(load_document(sent), request.user, reason=reason, update=update, request=request)
        except (plans.PlanError, RuleSetError) as error:
            errors, warnings = error.errors, error.warnings
        else:
            messages.success(request, f"The plan {made.name} is imported.")
            for said in made.warnings:
                messages.warning(request, f"Warning: {said}")
            return redirect("plan", slug=made.slug)
    context = {"text": text, "errors": errors, "warnings": warnings, "reason": reason, "update": update}
    return render(request, "accounts/plans/import.html", context, status=WRONG)


@require_safe
@gate(access_plans)
def presets_page(request: HttpRequest) -> HttpResponse:
    """Every preset with its rules in words, its sources, and when it was last compared with them."""
    words = request.GET.get("q", "").lower().split()
    found = [one for one in presets.PRESETS if all(word in f"{one.firm} {one.name}".lower() for word in words)]
    made: dict[str, list[Plan]] = {}
    for plan in Plan.objects.exclude(preset="").order_by("name"):
        made.setdefault(plan.preset, []).append(plan)
    shown = [
        PresetShown(
            one,
            title(one),
            general_shown(one.phases[0].document),
            [(phase.name, rules_shown(phase.document, Sample(one.size))) for phase in one.phases],
            made.get(one.slug, []),
        )
        for one in found
    ]
    context = {
        "presets": shown,
        "total": len(presets.PRESETS),
        "q": request.GET.get("q", ""),
        "check": CHECK,
        "may_change": may_change_plans(request.user),
    }
    return render(request, "accounts/plans/presets.html", context)


def title(preset: Preset) -> str:
    """Firm and programme, the firm said once."""
    return preset.name if preset.name.startswith(preset.firm) else f"{preset.firm} {preset.name}"


def _make(asked: dict[str, Any], actor: User, request: HttpRequest) -> Plan:
    slug, name = asked["slug"], asked["name"]
    if asked["preset"]:
        return plans.create_from_preset(asked["preset"], slug, name, actor, request=request)
    phase = {"slug": "phase-1", "name": "Phase 1", "document": None}
    return plans.create_plan(slug, name, [phase], actor, request=request)


def _new_context(form: NewPlanForm) -> dict[str, Any]:
    return {"form": form, "presets": presets.PRESETS, "check": CHECK}


def _free(preset: Preset) -> dict[str, str]:
    """The preset's slug and name, or with the first number from 2 on with which no plan has either: the desk tells
    plans apart by their names.
    """
    taken = set(Plan.objects.values_list("slug", flat=True)), set(Plan.objects.values_list("name", flat=True))
    slug, name, number = preset.slug, preset.name, 2
    while slug in taken[0] or name in taken[1]:
        slug, name, number = f"{preset.slug}-{number}", f"{preset.name} ({number})", number + 1
    return {"slug": slug, "name": name}


def _text_of(request: HttpRequest) -> tuple[str, str | bytes, list[tuple[str, str]]]:
    """The text to show again, and what is to be read: the uploaded file, else the text; with what is wrong with it."""
    file = request.FILES.get("file")
    if file is None:
        text = request.POST.get("json", "")
        return text, text, []
    if file.size is None or file.size > LARGEST:
        return "", "", [("", f"The file is too large: at most {LARGEST:,} bytes are read.")]
    content = file.read()
    return content.decode("utf-8", "replace").replace("\0", "\ufffd"), content, []

"""Plans as JSON: out with every phase's newest document, in again whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from accounts.models import Phase, Plan, User
from accounts.plans.catalogue import add_phase, create_plan, phases_errors, rename_phase, rename_plan, slug_errors
from accounts.plans.defaults import newest_rule_set
from accounts.plans.documents import PlanError, blank_document, check_document, kept, under, warnings_of
from accounts.plans.versions import publish
from accounts.refusals import Complaint, storable_errors

FORMAT = "riskdesk-plan/1"
_KEYS = frozenset({"format", "slug", "name", "preset", "phases"})
_PHASE_KEYS = frozenset({"slug", "name", "version"})


def export_plan(plan: Plan) -> dict[str, Any]:
    """The plan with each phase's newest document beside its slug and name; what `import_plan` reads."""
    phases = []
    for phase in plan.phases.order_by("order"):
        newest = newest_rule_set(phase)
        version = {"version": newest.version} if newest else {}  # one without rules yet is told as a blank one
        document = newest.document if newest else blank_document()
        phases.append({"slug": phase.slug, "name": phase.name, **version, **document})
    return {"format": FORMAT, "slug": plan.slug, "name": plan.name, "preset": plan.preset, "phases": phases}


def import_plan(
    data: object, actor: User, *, reason: str = "", update: bool = False, request: HttpRequest | None = None
) -> Plan:
    """A plan from its JSON, strict: unknown keys are named, errors come by path (phases[0].rules[2].lots).

    A slug that is taken is refused, unless `update`: then each phase whose document differs gets a new version, new
    phases are added, names follow the file, and phases that the file does not name stay as they are.
    The plan's `warnings` are the engine's, by path; a PlanError has them too.
    """
    try:
        made = _import(data, actor, reason, update, request)
    except PlanError as error:
        error.warnings = _warnings(data)
        raise
    made.warnings = tuple(f"{path}: {said}" for path, said in _warnings(data))
    return made


def _import(data: object, actor: User, reason: str, update: bool, request: HttpRequest | None) -> Plan:
    plan, phases = _read(data)
    slug, existing = plan["slug"], None
    if update and isinstance(slug, str) and "\0" not in slug:
        existing = Plan.objects.filter(slug=slug).first()
    if existing is None:
        why = reason or "Imported."
        return create_plan(slug, plan["name"], phases, actor, preset=plan["preset"], reason=why, request=request)
    if errors := phases_errors(phases):
        raise PlanError(errors)
    with transaction.atomic():
        held = rename_plan(existing, plan["name"], actor, request=request)
        for number, phase in enumerate(phases):
            _update(held, number, phase, actor, reason or "Imported.", request)
    return held


def _update(
    plan: Plan, number: int, given: Mapping[str, Any], actor: User, reason: str, request: HttpRequest | None
) -> None:
    found = Phase.objects.filter(plan=plan, slug=given["slug"]).first()
    try:
        if found is None:
            add_phase(plan, given["slug"], given["name"], actor, given["document"], request=request)
            return
        if given["name"] != found.name:
            rename_phase(found, given["name"], actor, request=request)
        newest = newest_rule_set(found)
        if newest is None or newest.document != kept(given["document"]):
            publish(found, given["document"], actor, reason, request=request)
    except PlanError as error:
        raise PlanError(under(f"phases[{number}]", error), conflict=error.conflict) from error


def _read(data: object) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The head, and the phases as `create_plan` takes them; PlanError lists what is wrong."""
    if not isinstance(data, Mapping):
        raise PlanError([("", f"must be an object with slug, name and phases, is {data!r:.60}")])
    errors = storable_errors(dict(data))
    if errors:
        raise PlanError(errors)
    errors += _unknown("", data, _KEYS)
    if data.get("format", FORMAT) != FORMAT:
        errors.append(("format", f"must be {FORMAT}, is {data['format']!r:.60}"))
    preset = data.get("preset", "")
    if preset != "":
        errors += slug_errors("preset", preset)
    phases = data.get("phases")
    read: list[dict[str, Any]] = []
    if not isinstance(phases, list) or not phases:
        errors.append(("phases", "must be a list of at least one phase"))
    else:
        read = [_phase(number, phase, errors) for number, phase in enumerate(phases)]
    if not isinstance(data.get("slug"), str):
        errors.append(("slug", "slug is missing"))
    if not isinstance(data.get("name"), str):
        errors.append(("name", "name is missing"))
    if errors:
        raise PlanError(errors)
    return {"slug": data["slug"], "name": data["name"], "preset": preset}, read


def _warnings(data: object) -> list[Complaint]:
    """What the engine finds odd about the phases of a file, whatever else is wrong with it."""
    phases = data.get("phases") if isinstance(data, Mapping) else None
    if not isinstance(phases, list) or storable_errors(phases):
        return []
    documents = [(f"phases[{number}]", _document(one)) for number, one in enumerate(phases) if isinstance(one, Mapping)]
    return [(f"{at}.{path}", said) for at, document in documents for path, said in warnings_of(document)]


def _document(phase: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in phase.items() if key not in _PHASE_KEYS}


def _phase(number: int, phase: object, errors: list[Complaint]) -> dict[str, Any]:
    path = f"phases[{number}]"
    if not isinstance(phase, Mapping):
        errors.append((path, f"must be an object, is {phase!r:.60}"))
        return {"slug": "", "name": "", "document": None}
    document = _document(phase)
    version = {"version": phase["version"]} if "version" in phase else {}
    try:
        check_document({**document, **version})
    except PlanError as error:
        errors += under(path, error)
    return {"slug": phase.get("slug"), "name": phase.get("name"), "document": document}


def _unknown(path: str, data: Mapping[str, Any], known: frozenset[str]) -> list[Complaint]:
    prefix = f"{path}." if path else ""
    return [
        (f"{prefix}{key}", f"unknown key {key!r}; known are {', '.join(sorted(known))}")
        for key in data
        if key not in known
    ]

"""Plans and the rule sets that their phases judge by."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from accounts.models import Phase, Plan, RuleSet
from accounts.plans.documents import blank_document

DEFAULT_PLAN = "two-step"
PHASES = (("phase-1", "Phase 1", "10"), ("phase-2", "Phase 2", "5"), ("funded", "Funded", None))


def ensure_default_plans() -> Plan:
    """Make the plan `two-step` with its three phases where it is missing; what people made of it stays as it is."""
    with transaction.atomic():
        plan, _ = Plan.objects.get_or_create(slug=DEFAULT_PLAN, defaults={"name": "Two-step"})
        if not plan.phases.exists():
            for order, (slug, name, target) in enumerate(PHASES, start=1):
                phase = Phase.objects.create(plan=plan, slug=slug, name=name, order=order)
                RuleSet.objects.create(phase=phase, version=1, document=two_step_document(target))
    return plan


def two_step_document(target: str | None) -> dict[str, Any]:
    """The limits of a `two-step` phase; `target` in percent of initial, None for a funded account."""
    loss = {"measured": "equity", "operator": "<", "consequence": "fail"}
    rules: list[dict[str, Any]] = [
        {"rule": "daily_loss", "reference": "day_start_balance", "amount": _percent("5"), **loss},
        {"rule": "max_loss", "mode": "static", "amount": _percent("10"), **loss},
    ]
    if target is not None:
        rules.append({"rule": "profit_target", "amount": _percent(target), "requires_flat": True})
    return {**blank_document(), "rules": rules}


def default_rule_set() -> RuleSet:
    """The newest rule set of the first phase of RISKDESK_DEFAULT_PLAN; ImproperlyConfigured names what is wrong."""
    slug = settings.RISKDESK_DEFAULT_PLAN
    if slug == DEFAULT_PLAN:
        ensure_default_plans()
    phase = Phase.objects.filter(plan__slug=slug).order_by("order").first()
    found = newest_rule_set(phase) if phase else None
    if found is None:
        known = ", ".join(
            Plan.objects.filter(phases__rule_sets__isnull=False).distinct().values_list("slug", flat=True)
        )
        raise ImproperlyConfigured(
            f"RISKDESK_DEFAULT_PLAN names {slug!r}, which is no plan with a rule set; the known plans are: "
            f"{known or 'none yet'}"
        )
    return found


def newest_rule_set(phase: Phase) -> RuleSet | None:
    """The rule set that a challenge which starts now is pinned to."""
    return phase.rule_sets.select_related("phase__plan").order_by("-version").first()


def rule_set_of_group(group: str) -> RuleSet | None:
    """The rule set of the phase that an upstream's group `<plan slug>/<phase slug>` names, None when it names none."""
    plan, slash, phase = group.strip().partition("/")
    if not slash:
        return None
    named = Phase.objects.filter(plan__slug=plan, slug=phase).first()
    return newest_rule_set(named) if named else None


def _percent(figure: str) -> dict[str, str]:
    return {"percent": figure, "of": "initial"}

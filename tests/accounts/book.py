"""What the tests of the book make over and over: plans, accounts with a challenge, documents, CSV texts."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from accounts import plans
from accounts.challenges import adopt
from accounts.models import Challenge, Phase, Plan, RuleSet, Server, User
from accounts.plans import newest_rule_set, two_step_document

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)


def a_document(target: str | None = "10", **changes: Any) -> dict[str, Any]:
    """A `two-step` phase's document."""
    return {**two_step_document(target), **changes}


def with_rule(document: Mapping[str, Any], index: int, **changes: Any) -> dict[str, Any]:
    """The document with a rule's keys changed."""
    copy = deepcopy(dict(document))
    copy["rules"][index].update(changes)
    return copy


def daily_of(document: Mapping[str, Any], percent: str) -> dict[str, Any]:
    """The document with another daily loss."""
    return with_rule(document, 0, amount={"percent": percent, "of": "initial"})


def phase_of(slug: str = "phase-1", plan: str = "two-step") -> Phase:
    """A phase, of the default plan when no other is named."""
    if not Plan.objects.filter(slug=plan).exists():
        plans.ensure_default_plans()
    return Phase.objects.select_related("plan").get(plan__slug=plan, slug=slug)


def newest(phase: Phase) -> RuleSet:
    """The phase's newest version."""
    found = newest_rule_set(phase)
    assert found is not None
    return found


def a_challenge(upstream_id: str = "acc_1", server: Server | None = None, **changes: Any) -> Challenge:
    """A running challenge in phase 1 of the default plan."""
    host = server or Server.objects.get_or_create(name="main", kind="fxsocket")[0]
    told: dict[str, Any] = {"login": upstream_id, "group": "", "holder": "A. Novak", "currency": "USD"}
    told |= {"balance": Decimal("100000.00"), "at": AT} | changes
    return adopt(host, upstream_id=upstream_id, **told)


def a_plan(actor: User, slug: str = "swing") -> Plan:
    """A plan of two phases."""
    phases = [
        {"slug": "first", "name": "First", "document": a_document()},
        {"slug": "funded", "name": "Funded", "document": a_document(None)},
    ]
    return plans.create_plan(slug, "Swing", phases, actor)

"""The first phase of the plan two-step, as the tests of its pages ask for it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from accounts.models import Phase


def phase() -> Phase:
    """As it is in the book now."""
    return Phase.objects.get(plan__slug="two-step", slug="phase-1")


def document() -> dict[str, Any]:
    """A copy of its newest version's document, to be changed at will."""
    return deepcopy(dict(phase().rule_sets.order_by("-version").first().document))  # type: ignore[union-attr]

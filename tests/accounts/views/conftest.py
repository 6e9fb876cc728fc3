"""The plan that the tests of its pages work on, and whoever may edit it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts import plans
from accounts.models import Plan, User


@pytest.fixture
def plan(people: dict[str, User]) -> Plan:
    """The plan two-step."""
    return plans.ensure_default_plans()


@pytest.fixture
def head(signed_in: Callable[[str], Client], plan: Plan) -> Client:
    """The head of risk's browser."""
    return signed_in("head_of_risk")

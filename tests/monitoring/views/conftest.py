"""A monitor's pen, with a replica of its own for each test, and a risk officer's client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client

from accounts.models import Role
from monitoring import replica
from tests.monitoring.book import signed_in
from tests.monitoring.wire import Wire


@pytest.fixture
def wire(redis_url: str) -> Iterator[Wire]:
    replica.stop()
    yield Wire(redis_url)
    replica.stop()


@pytest.fixture
def officer() -> Client:
    return signed_in("risk", Role.RISK_OFFICER)

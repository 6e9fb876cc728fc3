"""A monitor's pen, with a replica of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitoring import replica
from tests.monitoring.wire import Wire


@pytest.fixture
def wire(redis_url: str) -> Iterator[Wire]:
    replica.stop()
    yield Wire(redis_url)
    replica.stop()

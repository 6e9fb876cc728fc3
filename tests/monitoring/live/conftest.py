"""The desk of real processes; a failing test shows their output."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts import plans
from tests.monitoring.live.desk import Desk


@pytest.fixture
def desk(
    transactional_db: None, service_env: dict[str, str], redis_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Desk]:
    """A simulator without accounts of its own that follows no script; monitors are started by the test."""
    plans.ensure_default_plans()
    made = Desk(service_env, tmp_path, redis_url)
    made.start_simulator()
    yield made
    made.stop()
    print(made.logs())

"""A simulator on real sockets, and a client for its two ports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession

from monitoring.upstream.simulator.server import Options, Simulator
from tests.monitoring.upstream.simulator.client import SCOPED_KEY, Desk

QUICK = {"rate": 20.0, "accounts": 3, "heartbeat": 0.2}


@pytest.fixture
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """A running simulator with three accounts; `indirect` parameters override its options."""
    changes: dict[str, Any] = getattr(request, "param", {})
    options = Options(**{**QUICK, "scoped_keys": {SCOPED_KEY: frozenset({"acc_1"})}, **changes})
    simulator = Simulator(options)
    await simulator.start()
    async with ClientSession() as session:
        yield Desk(simulator, session)
    await simulator.stop()

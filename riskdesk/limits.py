"""How many requests are worked on at once. Each has a thread and a connection to PostgreSQL of its own: without an end
to them, whoever asks often takes the connections that the monitor and the alert workers need.
"""

from __future__ import annotations

import asyncio
from typing import Any

AT_ONCE = 16  # for two cores more would only make all of them slower


class AtMost:
    """Lets `number` requests in; the others wait for their turn, in order."""

    def __init__(self, inner: Any, number: int = AT_ONCE) -> None:
        self.inner = inner
        self.turns = asyncio.Semaphore(number)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Hand on when it is this request's turn."""
        async with self.turns:
            return await self.inner(scope, receive, send)

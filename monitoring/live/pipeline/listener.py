"""Hears at once when somebody changed the book (`accounts.servers.book_changed`), on a connection of its own.

What is not heard, because PostgreSQL was away, is found by the poll of the digest; after each connect we look anyway.
"""

from __future__ import annotations

import asyncio

import psycopg
import structlog

from accounts.servers import BOOK_CHANGED

log = structlog.get_logger(__name__)
RETRY = (0.2, 5.0)  # seconds
FAILURES = (psycopg.Error, OSError, TimeoutError)


class Listener:
    """Sets `wake` for each word about its server. `run` goes on until it is cancelled."""

    def __init__(self, conninfo: str, server: str, wake: asyncio.Event) -> None:
        self.conninfo, self.server, self.wake = conninfo, server, wake

    async def run(self) -> None:
        """Listen, and connect again for ever."""
        pause = RETRY[0]
        while True:
            try:
                async with await self._connect() as connection:
                    await connection.execute(f"LISTEN {BOOK_CHANGED}")
                    pause = RETRY[0]
                    self.wake.set()  # whatever was said before we listened
                    async for notice in connection.notifies():
                        if notice.payload in {"", self.server}:
                            self.wake.set()
            except FAILURES as error:
                log.info("book_not_heard", error=str(error).strip())
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY[1])

    async def _connect(self) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(
            self.conninfo,
            autocommit=True,
            connect_timeout=3,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            application_name="riskdesk-book",
        )

"""One leader for each shard: a PostgreSQL session lock says who, an epoch says since when.

The leader holds an advisory lock on a connection of its own; standbys wait for it. Each takeover raises the epoch. A
leader cut off from PostgreSQL goes on (positions must still be closed) and steps down when it learns of a newer
epoch, from PostgreSQL once it is back or from Redis (`superseded_by`). If the lock is free when PostgreSQL comes back
and nobody led meanwhile, it is taken again at the same epoch. Two leaders for a moment are harmless: commands are
idempotent, and what the older one writes carries its older epoch.
"""

from __future__ import annotations

import asyncio
import zlib
from datetime import UTC, datetime

import psycopg
import structlog

log = structlog.get_logger(__name__)
NAMESPACE = 0x5244  # "RD": keeps our locks apart from other users' of the same database
WAIT = 0.25
PING = 1.0
TIMEOUT = 5.0
FAILURES = (psycopg.Error, OSError, TimeoutError)


class Leadership:
    """This process's claim on one shard. `epoch` is 0 until it leads; `lost` is set when it must step down."""

    def __init__(self, conninfo: str, shard: str, holder: str) -> None:
        self.conninfo, self.shard, self.holder = conninfo, shard, holder
        self.epoch = 0
        self.lost = asyncio.Event()
        self.cut_off_since: datetime | None = None
        self._connection: psycopg.AsyncConnection | None = None
        self._holds_lock = False

    @property
    def leads(self) -> bool:
        """Whether this process may act for the shard."""
        return self.epoch > 0 and not self.lost.is_set()

    async def acquire(self, at_least: int = 0) -> int:
        """Wait for the lock, then raise the epoch above every one known (`at_least`: seen elsewhere); returns it."""
        waiting = False
        while True:
            try:
                if await self._try_lock():
                    self.epoch = await self._raise_epoch(at_least)
                    log.info("leader", shard=self.shard, epoch=self.epoch)
                    return self.epoch
                if not waiting:
                    log.info("standby", shard=self.shard)
                    waiting = True
            except FAILURES as error:
                await self._drop()
                log.warning("leadership_waits_for_postgresql", error=str(error).strip())
                await asyncio.sleep(PING)
            await asyncio.sleep(WAIT)

    async def hold(self) -> None:
        """Watch the claim until it is lost."""
        while not self.lost.is_set():
            try:
                await self._check()
                if self.cut_off_since is not None and self._holds_lock:
                    log.info("leadership_confirmed_again", shard=self.shard, epoch=self.epoch)
                    self.cut_off_since = None
            except FAILURES as error:
                await self._drop()
                if self.cut_off_since is None:
                    self.cut_off_since = datetime.now(UTC)
                    log.warning("leader_cut_off_from_postgresql", shard=self.shard, error=str(error).strip())
            await asyncio.sleep(PING)

    def superseded_by(self, epoch: int) -> None:
        """Step down: somebody leads with a newer epoch."""
        if epoch > self.epoch and not self.lost.is_set():
            log.warning("stepping_down", shard=self.shard, epoch=self.epoch, newer=epoch)
            self.lost.set()

    async def release(self) -> None:
        """Give the lock back, so that a standby takes over at once."""
        self.lost.set()
        await self._drop()

    async def _check(self) -> None:
        if not self._holds_lock:
            self._holds_lock = await self._try_lock()
        epoch = await self._known_epoch()
        if epoch is None:
            await self._raise_epoch(self.epoch - 1)
        elif epoch != self.epoch:
            self.superseded_by(epoch)

    async def _try_lock(self) -> bool:
        async with asyncio.timeout(TIMEOUT):
            if self._connection is None or self._connection.closed:
                self._connection = await psycopg.AsyncConnection.connect(
                    self.conninfo,
                    autocommit=True,
                    connect_timeout=3,
                    keepalives_idle=5,
                    keepalives_interval=2,
                    keepalives_count=3,
                    application_name="riskdesk-leader",
                )
            cursor = await self._connection.execute(
                "SELECT pg_try_advisory_lock(%s, %s)", [NAMESPACE, zlib.crc32(self.shard.encode()) - 2**31]
            )
            row = await cursor.fetchone()
        self._holds_lock = bool(row and row[0])
        return self._holds_lock

    async def _known_epoch(self) -> int | None:
        assert self._connection is not None
        async with asyncio.timeout(TIMEOUT):
            cursor = await self._connection.execute(
                "SELECT epoch FROM monitoring_leadership WHERE shard = %s", [self.shard]
            )
            row = await cursor.fetchone()
        return int(row[0]) if row else None

    async def _raise_epoch(self, at_least: int) -> int:
        assert self._connection is not None
        async with asyncio.timeout(TIMEOUT):
            cursor = await self._connection.execute(
                """
                INSERT INTO monitoring_leadership (shard, epoch, holder, since) VALUES (%(s)s, %(a)s + 1, %(h)s, now())
                ON CONFLICT (shard) DO UPDATE
                SET epoch = greatest(monitoring_leadership.epoch, %(a)s) + 1, holder = %(h)s, since = now()
                RETURNING epoch
                """,
                {"s": self.shard, "a": at_least, "h": self.holder},
            )
            row = await cursor.fetchone()
        assert row is not None
        return int(row[0])

    async def _drop(self) -> None:
        connection, self._connection, self._holds_lock = self._connection, None, False
        if connection is not None:
            try:
                async with asyncio.timeout(2):
                    await connection.close()
            except FAILURES as error:
                log.info("leader_connection_closed_badly", error=str(error).strip())

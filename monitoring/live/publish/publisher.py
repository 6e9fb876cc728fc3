"""Hands the live book to Redis from a thread of its own: one transaction a batch, merged while Redis is slow or away.

The loop only calls `offer`. What is not yet written waits as the newest bytes of each account, so an outage costs no
more memory than the book itself. After any failure, and whenever Redis turns out to have lost or changed its data,
everything is written again under a new generation. A newer leader's epoch found in Redis is told to `superseded`.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import redis
import structlog

from monitoring import metrics
from monitoring.live.publish import EventRow, ServerRow

log = structlog.get_logger(__name__)
STREAM_LENGTH = 600
ROWS_A_BATCH = 1_000
EVENTS_KEPT = 500
HISTORY_POINTS = 2_000
HISTORY_BUDGET = 4_000_000  # points of all accounts together
HISTORY_TTL = 86_400
RETRY = 0.25
_pack = msgspec.msgpack.Encoder().encode


class RawBatch(msgspec.Struct, array_like=True):
    """`publish.Batch` with its rows already packed."""

    epoch: int
    version: int
    ts_ms: int
    rows: list[msgspec.Raw]
    removed: list[str]
    events: list[EventRow]
    servers: list[ServerRow]
    warnings: list[str]


@dataclass(slots=True)
class Parcel:
    """What one tick of the monitor hands over; rows, states and points are packed and by public id."""

    at: datetime
    rows: dict[str, bytes] = field(default_factory=dict)
    states: dict[str, bytes] = field(default_factory=dict)
    points: dict[str, bytes] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    events: list[EventRow] = field(default_factory=list)
    servers: list[ServerRow] | None = None  # None: as before
    warnings: list[str] = field(default_factory=list)
    health: bytes = b"{}"


class Publisher:
    """The writer of one shard's keys; see the package for what they hold."""

    def __init__(self, client: redis.Redis, shard: str, epoch: int, *, superseded: Callable[[int], None]) -> None:
        self.client, self.shard, self.epoch = client, shard, epoch
        self.failing_since: datetime | None = None
        self.error = ""
        self.published_at: datetime | None = None
        self._superseded = superseded
        self._version = 0
        self._generation = ""
        self._whole: dict[str, bytes] = {}  # every row, for a full copy after an outage
        self._whole_states: dict[str, bytes] = {}
        self._rows: dict[str, bytes] = {}
        self._states: dict[str, bytes] = {}
        self._points: dict[str, bytes] = {}
        self._removed: set[str] = set()
        self._events: deque[EventRow] = deque(maxlen=EVENTS_KEPT)
        self._servers: list[ServerRow] = []
        self._latest: Parcel | None = None
        self._pushes: dict[str, int] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._keys = {name: f"riskdesk:{shard}:{name}" for name in ("live", "rows", "state", "meta", "epoch")}

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def offer(self, parcel: Parcel) -> None:
        """Hand over one tick's changes; never blocks on Redis."""
        with self._lock:
            self._whole.update(parcel.rows)
            self._whole_states.update(parcel.states)
            self._rows.update(parcel.rows)
            self._states.update(parcel.states)
            self._points.update(parcel.points)
            for public_id in parcel.removed:
                self._whole.pop(public_id, None)
                self._whole_states.pop(public_id, None)
                self._rows.pop(public_id, None)
            self._removed |= parcel.removed
            self._events.extend(parcel.events)
            if parcel.servers is not None:
                self._servers = parcel.servers
            self._latest = parcel
        self._wake.set()

    def close(self, patience: float = 3.0) -> None:
        """Write what waits and stop."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=patience)

    def _run(self) -> None:
        while True:
            self._wake.wait(1.0)
            self._wake.clear()
            stopping = self._stopping
            try:
                self._flush()
                self._works()
            except redis.WatchError:
                self._generation = ""  # another leader writes: look again at whose turn it is
            except Exception as error:  # whatever it is: the desk says so, and it is tried again
                if not isinstance(error, redis.RedisError | OSError):
                    log.exception("publisher_failed")
                self._failed(error)
                if not stopping:
                    time.sleep(RETRY)
            if stopping:
                return

    def _flush(self) -> None:
        if self._latest is None:
            return
        started = time.perf_counter()
        if not self._may_write():
            return
        if not self._generation:
            self._write_everything()
        while self._write_some():
            pass
        self.published_at = datetime.now(UTC)
        metrics.PUBLISH_SECONDS.observe(time.perf_counter() - started)

    def _may_write(self) -> bool:
        """Whether no newer leader has written; notices a Redis that lost our data."""
        with self.client.pipeline(transaction=False) as pipe:
            pipe.get(self._keys["epoch"])
            pipe.hget(self._keys["meta"], "generation")
            epoch, generation = pipe.execute()
        if epoch is not None and int(epoch) > self.epoch:
            self._superseded(int(epoch))
            return False
        if self._generation and (generation is None or generation.decode() != self._generation):
            log.warning("redis_lost_the_live_book", shard=self.shard)
            self._generation = ""
        return True

    def _write_everything(self) -> None:
        with self._lock:
            self._rows, self._states = dict(self._whole), dict(self._whole_states)
        generation = f"{self.epoch}-{secrets.token_hex(6)}"
        with self.client.pipeline(transaction=True) as pipe:
            self._claim(pipe)
            pipe.delete(self._keys["rows"])
            pipe.hset(self._keys["meta"], mapping={"generation": generation, "epoch": self.epoch})
            pipe.sadd("riskdesk:shards", self.shard)
            pipe.execute()
        self._generation = generation

    def _write_some(self) -> bool:
        """One transaction; whether more waits."""
        with self._lock:
            parcel = self._latest
            assert parcel is not None
            rows = _take(self._rows)
            states, self._states = self._states, {}
            points, self._points = self._points, {}
            removed, self._removed = self._removed, set()
            events = list(self._events)
            self._events.clear()
            more = bool(self._rows)
        batch = RawBatch(
            self.epoch, self._version + 1, int(parcel.at.timestamp() * 1000),
            [msgspec.Raw(row) for row in rows.values()], sorted(removed), events, self._servers, parcel.warnings,
        )  # fmt: skip
        try:
            self._send(batch, rows, states, points, parcel.health)
        except BaseException:
            with self._lock:  # what came meanwhile is newer
                self._rows, self._states = rows | self._rows, states | self._states
                self._points = points | self._points
                self._removed |= removed
                self._events.extendleft(reversed(events[: EVENTS_KEPT - len(self._events)]))
            raise
        self._version += 1
        metrics.PUBLISHED_ROWS.inc(len(rows))
        return more

    def _send(
        self, batch: RawBatch, rows: dict[str, bytes], states: dict[str, bytes], points: dict[str, bytes], health: bytes
    ) -> None:
        head = _pack(msgspec.structs.replace(batch, rows=[], events=[]))
        with self.client.pipeline(transaction=True) as pipe:
            self._claim(pipe)
            pipe.xadd(self._keys["live"], {"b": _pack(batch)}, maxlen=STREAM_LENGTH, approximate=True)
            if rows:
                pipe.hset(self._keys["rows"], mapping=rows)  # type: ignore[arg-type]  # stubs know no dict[str, bytes]
            if states:
                pipe.hset(self._keys["state"], mapping=states)  # type: ignore[arg-type]  # as above
            if batch.removed:
                pipe.hdel(self._keys["rows"], *batch.removed)
            pipe.hset(self._keys["meta"], mapping={"head": head, "health": health})
            for public_id, point in points.items():
                self._push_point(pipe, public_id, point)
            pipe.execute()

    def _claim(self, pipe: Any) -> None:
        """Make the transaction fail if a newer leader wrote since we looked: the key is set at each takeover."""
        pipe.watch(self._keys["epoch"])
        held = pipe.get(self._keys["epoch"])
        pipe.multi()
        if held is not None and int(held) > self.epoch:
            raise redis.WatchError("a newer leader writes")
        if held is None or int(held) < self.epoch:
            pipe.set(self._keys["epoch"], self.epoch)

    def _push_point(self, pipe: Any, public_id: str, point: bytes) -> None:
        key = f"riskdesk:{self.shard}:history:{public_id}"
        count = self._pushes.get(public_id, 0)
        self._pushes[public_id] = count + 1
        pipe.rpush(key, point)
        if count % 16 == 0:  # trimming each time would double the commands
            kept = max(240, min(HISTORY_POINTS, HISTORY_BUDGET // max(1, len(self._whole)))) - 16
            pipe.ltrim(key, -kept, -1)
            pipe.expire(key, HISTORY_TTL)

    def _failed(self, error: Exception) -> None:
        metrics.PUBLISH_FAILURES.inc()
        self._generation = ""  # what of the last batch arrived is unknown
        self.error = str(error)
        if self.failing_since is None:
            self.failing_since = datetime.now(UTC)
            log.warning("publisher_waits_for_redis", error=str(error))

    def _works(self) -> None:
        if self.failing_since is not None:
            log.info("publisher_writes_again", version=self._version)
            self.failing_since, self.error = None, ""


def _take(rows: dict[str, bytes]) -> dict[str, bytes]:
    """Take up to ROWS_A_BATCH rows out of `rows`."""
    if len(rows) <= ROWS_A_BATCH:
        taken = dict(rows)
        rows.clear()
        return taken
    return {public_id: rows.pop(public_id) for public_id in list(rows)[:ROWS_A_BATCH]}


def connect(url: str) -> redis.Redis:
    """A client that gives up soon: Redis may be away, the live path must not notice."""
    return redis.Redis.from_url(
        url, socket_timeout=2.0, socket_connect_timeout=1.0, health_check_interval=0, retry_on_timeout=False
    )

"""The threads that keep a replica: one tails the shards' streams, one listens for notices; both outlive Redis."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import msgspec
import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from monitoring.live.publish import AccountRow, Batch
from monitoring.replica.store import Replica

SHARDS_KEY = "riskdesk:shards"
ALERTS_CHANNEL = "riskdesk:alerts"
PEOPLE_STREAM = "riskdesk:people"  # accounts.permissions writes {"user": id} to it
BLOCK_MS = 500
CHECK_EVERY = 1.0  # seconds between looks at the set of shards and their generations
RETRY_FIRST, RETRY_CAP = 0.1, 2.0
INCOMPLETE = b"\0incomplete"
RECENT = 300  # stream entries looked through for events at a full copy

log = structlog.get_logger(__name__)
_batch = msgspec.msgpack.Decoder(Batch)
_health = msgspec.json.Decoder(dict[str, Any])
_row = msgspec.msgpack.Decoder(AccountRow)
Notice = Callable[[str, bytes], None]  # "alerts" or "people", and what it says


class Tail:
    """Follows the live book of `url` into `replica` until `stop`; Redis away is a state, not an error."""

    def __init__(self, replica: Replica, url: str, notice: Notice | None = None) -> None:
        self.replica = replica
        self._url = url
        self._notice = notice or (lambda name, payload: None)
        self._stop = threading.Event()
        self._looked = 0.0
        self._threads = [
            threading.Thread(target=self._keep, args=(step,), name=f"replica-{name}", daemon=True)
            for name, step in (("tail", self._follow), ("notices", self._listen))
        ]
        self.looked = threading.Event()  # set once Redis was asked, whatever the answer
        self.copies = 0  # full copies taken, for tests and /metrics

    def start(self) -> None:
        """Begin to follow."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join(5)

    def _keep(self, step: Callable[[redis.Redis], None]) -> None:
        """Run `step` on a connection for ever; after a failure try again, later each time."""
        wait = RETRY_FIRST
        while not self._stop.is_set():
            client = redis.Redis.from_url(
                self._url, socket_timeout=5, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
            )
            began = monotonic()
            try:
                step(client)
            except (redis.RedisError, OSError) as error:
                if step == self._follow:
                    self.replica.away(type(error).__name__)
                    self.looked.set()
                if wait == RETRY_FIRST:  # said once, not at each try
                    log.warning("replica_redis_away", error=str(error))
            except msgspec.MsgspecError as error:
                log.error("replica_entry_refused", error=str(error))
            finally:
                client.close()
            if monotonic() - began > 5:
                wait = RETRY_FIRST
            self._stop.wait(wait)
            wait = min(wait * 2, RETRY_CAP)

    # -- the streams -----------------------------------------------------------------------------------------------

    def _follow(self, client: redis.Redis) -> None:
        places: dict[str, str] = {}
        self._looked = 0.0
        newest: Any = client.xrevrange(PEOPLE_STREAM, count=1)
        people = newest[0][0].decode() if newest else "0-0"
        self._notice("people", b"")  # what was missed while away
        self.replica.back()
        while not self._stop.is_set():
            if monotonic() - self._looked >= CHECK_EVERY:
                self._look(client, places)
            streams: dict[Any, Any] = {f"riskdesk:{name}:live": last for name, last in places.items()}
            answer: Any = client.xread({**streams, PEOPLE_STREAM: people}, count=100, block=BLOCK_MS)
            for key, entries in answer:
                if key.decode() == PEOPLE_STREAM:
                    people = entries[-1][0].decode()
                    for _, values in entries:
                        self._notice("people", values.get(b"user", b""))
                else:
                    self._take(client, places, key.decode().split(":")[1], entries)

    def _look(self, client: redis.Redis, places: dict[str, str]) -> None:
        """Find new shards, and shards whose data are not the ones that were copied."""
        self._looked = monotonic()
        members: Any = client.smembers(SHARDS_KEY)
        for name in sorted(member.decode() for member in members):
            answer: Any = client.hmget(f"riskdesk:{name}:meta", "generation", "health")
            generation, health = answer
            if health:
                self.replica.shard(name).health = _health.decode(health)
            if name not in places or generation != self.replica.shard(name).generation:
                places[name] = self._copy(client, name)
        self.looked.set()

    def _take(self, client: redis.Redis, places: dict[str, str], name: str, entries: list[Any]) -> None:
        for entry_id, values in entries:
            places[name] = entry_id.decode()
            if not self.replica.apply(name, _batch.decode(values[b"b"])):
                places[name] = self._copy(client, name)
                return

    def _copy(self, client: redis.Redis, name: str) -> str:
        """Take a full copy in one transaction; the stream's last id belongs to exactly these rows."""
        stream = f"riskdesk:{name}:live"
        with client.pipeline(transaction=True) as pipe:
            pipe.xrevrange(stream, count=RECENT)
            pipe.hgetall(f"riskdesk:{name}:rows")
            pipe.hgetall(f"riskdesk:{name}:meta")
            entries, rows, meta = pipe.execute()
        recent = [_batch.decode(values[b"b"]) for _, values in reversed(entries)]
        head = recent[-1] if recent else None
        if head is None and b"head" in meta:
            head = _batch.decode(meta[b"head"])
        complete = self.replica.load(name, (_row.decode(row) for row in rows.values()), head, recent)
        # An incomplete copy is taken again at the next look, until the monitor has filled Redis.
        self.replica.shard(name).generation = meta.get(b"generation") if complete else INCOMPLETE
        self.copies += 1
        log.info("replica_copied", shard=name, accounts=len(rows))
        return entries[0][0].decode() if entries else "0-0"

    # -- notices ---------------------------------------------------------------------------------------------------

    def _listen(self, client: redis.Redis) -> None:
        with client.pubsub(ignore_subscribe_messages=True) as listener:  # type: ignore[no-untyped-call]  # redis-py has no types here
            listener.subscribe(ALERTS_CHANNEL)
            self._notice("alerts", b"")  # what was missed while away
            while not self._stop.is_set():
                message = listener.get_message(timeout=BLOCK_MS / 1000)
                if message:
                    self._notice("alerts", message["data"])

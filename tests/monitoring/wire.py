"""A monitor's pen for tests: writes the live wire of `live.publish` into Redis, without a monitor."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import time
from typing import Any

import msgspec
import redis

from monitoring.live.publish import AccountRow, Batch, EventRow, PositionRow, ReadingRow, ServerRow

SIZE = 10_000_000  # 100,000.00
encode = msgspec.msgpack.encode


def reading(rule: str, used: int, state: str = "ok") -> ReadingRow:
    """A loss rule's answer with a share used in ten-thousandths."""
    return ReadingRow(rule, 0, "static", state, 9_500_000, 9_600_000, SIZE, 100_000, used, "<", "fail", "a sentence")


def account(public_id: str, rev: int = 1, **changes: Any) -> AccountRow:
    """A row: an account of 100,000.00 USD with nothing used; `daily_used` and `max_used` in ten-thousandths."""
    daily, most = changes.get("daily_used", 0), changes.get("max_used", 0)
    worst = max(daily or 0, most or 0)
    severity = changes.pop("severity", sum(worst >= step for step in (5000, 8000, 9000, 10_000)))
    state = changes.pop("state", ("ok", "ok", "warned", "warned", "breached")[severity])
    names = ("ok", "ok", "warned", "warned", "breached")

    def named(used: int | None) -> str:
        return names[sum((used or 0) >= step for step in (5000, 8000, 9000, 10_000))]

    values: dict[str, Any] = {
        "public_id": public_id,
        "rev": rev,
        "login": public_id.removeprefix("sim-"),
        "server": "sim",
        "trader": "L. Fischer",
        "trader_id": None,
        "plan": "two-step",
        "phase": "Phase 1",
        "currency": "USD",
        "digits": 2,
        "size": SIZE,
        "balance": SIZE,
        "equity": SIZE,
        "credit": 0,
        "day_pl": 0,
        "open_pl": 0,
        "daily_used": 0,
        "daily_floor": 9_500_000,
        "max_used": 0,
        "max_floor": 9_000_000,
        "headroom": 500_000,
        "severity": severity,
        "state": state,
        "stale": False,
        "status": "connected",
        "open_positions": 0,
        "updated_ms": int(time() * 1000),
        "received_ms": int(time() * 1000),
        "locked": False,
        "enforcement": "",
        "enforcement_mode": "live",
        "rule_set_version": 1,
        "next_reset_ms": None,
        "reset_zone": "Europe/Prague",
        "reason": "",
        "readings": [reading("daily_loss", daily or 0, named(daily)), reading("max_loss", most or 0, named(most))],
        "positions": [PositionRow("1", "EURUSD", "BUY", 1.0, 1.1, 1.1, None, None, 0.0, 0.0, None)],
        "day_start_balance": SIZE,
        "day_start_equity": SIZE,
        "high_water": None,
    }
    row = {**values, **changes}
    row.setdefault("breached_today", row["severity"] >= 4)
    return AccountRow(**row)


def server(name: str = "sim", **changes: Any) -> ServerRow:
    """A connected feed."""
    values: dict[str, Any] = dict.fromkeys(ServerRow.__struct_fields__, 0)
    values |= {"server": name, "kind": "simulator", "state": "connected", "since_ms": 1_000, "reason": ""}
    values |= {"lag_ms": 120, "last_frame_ms": 1_000, "refusals": {}, "enforcement_mode": "live"}
    values |= {"last_refusal": "", "rules_refusal": ""}
    return ServerRow(**{**values, **changes})


def event(key: str, public_id: str, kind: str = "warned", severity: int = 2) -> EventRow:
    """An event of the daily loss rule."""
    return EventRow(key, public_id, kind, "daily_loss", int(time() * 1000), severity, f"{kind}: daily loss", 8000)


class Wire:
    """One shard's publisher."""

    def __init__(self, url: str, shard: str = "main", generation: str = "g1") -> None:
        self.client = redis.Redis.from_url(url)
        self.shard, self.generation = shard, generation
        self.epoch, self.version = 1, 0
        self.rows: dict[str, AccountRow] = {}
        self.feeds, self.warnings = [server()], list[str]()  # as last given: every batch repeats them
        self._lock = threading.RLock()
        self._end = threading.Event()

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Write an empty batch twice a second meanwhile, as a monitor whose accounts are quiet."""

        def beat() -> None:
            while not self._end.wait(0.5):
                self.publish()

        self._end.clear()
        heart = threading.Thread(target=beat)
        heart.start()
        try:
            yield
        finally:
            self.stop_beating()
            heart.join()

    def stop_beating(self) -> None:
        """Fall silent."""
        self._end.set()

    def put(self, *public_ids: str, **changes: Any) -> None:
        """Publish accounts with a later rev."""
        found = [self.rows.get(public_id) for public_id in public_ids]
        revs = [row.rev + 1 if row else 1 for row in found]
        self.publish([account(public_id, rev, **changes) for public_id, rev in zip(public_ids, revs, strict=True)])

    def publish(
        self,
        rows: Iterable[AccountRow] = (),
        *,
        removed: Iterable[str] = (),
        events: Iterable[EventRow] = (),
        servers: Iterable[ServerRow] | None = None,
        warnings: Iterable[str] = (),
        skip: int = 0,
    ) -> Batch:
        """Write one batch as the monitor does; `skip` loses that many versions before it."""
        with self._lock:
            return self._publish(list(rows), list(removed), list(events), servers, list(warnings), skip)

    def _publish(
        self,
        rows: list[AccountRow],
        removed: list[str],
        events: list[EventRow],
        servers: Iterable[ServerRow] | None,
        warnings: list[str],
        skip: int,
    ) -> Batch:
        self.version += 1 + skip
        feeds = self.feeds = self.feeds if servers is None else list(servers)
        self.warnings = warnings or self.warnings
        batch = Batch(self.epoch, self.version, int(time() * 1000), rows, removed, events, feeds, self.warnings)
        head = msgspec.structs.replace(batch, rows=[])
        self.rows.update({row.public_id: row for row in rows})
        with self.client.pipeline(transaction=True) as pipe:
            pipe.sadd("riskdesk:shards", self.shard)
            if rows:
                pipe.hset(f"riskdesk:{self.shard}:rows", mapping={row.public_id: encode(row) for row in rows})
            if removed:
                pipe.hdel(f"riskdesk:{self.shard}:rows", *removed)
            pipe.hset(f"riskdesk:{self.shard}:meta", mapping={"head": encode(head), "generation": self.generation})
            pipe.xadd(f"riskdesk:{self.shard}:live", {"b": encode(batch)}, maxlen=600)
            pipe.execute()
        return batch

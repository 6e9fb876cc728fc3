"""The book as this web process knows it: rows, order, figures, health; every method may be called from any thread."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic, time
from typing import Any

from monitoring.live.publish import AccountRow, Batch, EventRow, ServerRow
from monitoring.replica.cells import Cells, cells
from monitoring.replica.columns import Columns
from monitoring.replica.kpis import Kpis, summarize
from monitoring.replica.query import DeskQuery

STALE_AFTER = 3.0  # seconds without a batch: the monitor writes at least one a second
EVENTS_KEPT = 500
WINDOWS_KEPT = 64


@dataclass(frozen=True, slots=True)
class Change:
    """What one batch changed; `rising` when an account's severity rose (its row must move at once)."""

    ids: frozenset[str]
    removed: frozenset[str] = frozenset()
    rising: bool = False
    everything: bool = False
    events: tuple[EventRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the book in a query's order: `ids` and their rows, and how many accounts pass the filters."""

    ids: tuple[str, ...]
    rows: tuple[AccountRow, ...]
    total: int
    accounts: int


@dataclass(frozen=True, slots=True)
class Health:
    """How fresh the book is. `live` is connected, stale (the monitor is silent) or reconnecting (Redis is away)."""

    live: str
    since_ms: int | None
    data_ms: int | None  # the newest batch's own clock
    message: str
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Shard:
    """One stream's place, and what it said last."""

    name: str
    last_id: str = "0-0"
    epoch: int = 0
    version: int | None = None
    generation: bytes | None = None
    ts_ms: int | None = None
    heard: float = field(default_factory=monotonic)
    ids: set[str] = field(default_factory=set)
    servers: dict[str, ServerRow] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    health: dict[str, Any] = field(default_factory=dict)  # the monitor's own /healthz


class Replica:
    """Holds the rows of every shard. `tail.Tail` writes to it; views and consumers read."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._rows: dict[str, AccountRow] = {}
        self._columns = Columns()
        self._shards: dict[str, Shard] = {}
        self._events: deque[EventRow] = deque(maxlen=EVENTS_KEPT)
        self._event_keys: OrderedDict[str, None] = OrderedDict()
        self._cells: dict[str, tuple[AccountRow, Cells]] = {}
        self._subscribers: dict[int, Callable[[Change], None]] = {}
        self._next_subscriber = 0
        self._windows: dict[tuple[DeskQuery, int, int], tuple[int, Window]] = {}
        self._settled: frozenset[str] = frozenset()
        self._away: tuple[int, str] | None = None
        self.version = 0  # rises with every change of this copy

    # -- reading ---------------------------------------------------------------------------------------------------

    def view(self, query: DeskQuery, offset: int = 0, limit: int = 200) -> Window:
        """The rows from `offset` in the query's order, `limit` at most; one computation for equal asks."""
        key = (query, offset, limit)
        with self._lock:
            kept = self._windows.get(key)
            if kept and kept[0] == self.version:
                return kept[1]
            slots = self._columns.select(query)
            ids = self._columns.top(slots, query, offset + limit, self._settled)[offset:]
            rows = tuple(self._rows[public_id] for public_id in ids)
            window = Window(tuple(ids), rows, len(slots), len(self._rows))
            if len(self._windows) >= WINDOWS_KEPT:
                self._windows.clear()
            self._windows[key] = (self.version, window)
            return window

    def row(self, public_id: str) -> AccountRow | None:
        """One account, or None if the monitor does not know it."""
        return self._rows.get(public_id)

    def rows(self) -> list[AccountRow]:
        """Every account, in no order."""
        with self._lock:
            return list(self._rows.values())

    def cells(self, row: AccountRow) -> Cells:
        """The row as text, made once per row however many browsers show it."""
        kept = self._cells.get(row.public_id)
        if kept is not None and kept[0] is row:
            return kept[1]
        made = cells(row)
        self._cells[row.public_id] = (row, made)
        return made

    def kpis(self) -> Kpis:
        """The figures over the whole book, at least the strip's eight."""
        with self._lock:
            rows, servers = list(self._rows.values()), self.servers()
        return summarize(rows, servers)

    def events(self, limit: int = 50) -> list[EventRow]:
        """The newest events first, as far back as this process has heard."""
        with self._lock:
            return list(self._events)[: max(limit, 0)]

    def servers(self) -> list[ServerRow]:
        """Every upstream's feed health, by name."""
        with self._lock:
            found = [server for shard in self._shards.values() for server in shard.servers.values()]
        return sorted(found, key=lambda server: server.server)

    def news(self, row: AccountRow) -> str:
        """A mark that changes whenever something of note happens to an account: its event timeline is then old."""
        with self._lock:
            newest = next((event.key for event in self._events if event.public_id == row.public_id), "")
        return f"{newest}|{row.enforcement}|{row.state}"

    def choices(self, name: str) -> list[str]:
        """The values that accounts have in `phase`, `plan` or `server`, for filter lists."""
        with self._lock:
            return sorted({value for row in self._rows.values() if (value := str(getattr(row, name)))})

    def health(self) -> Health:
        """How fresh the book is, and what the monitor itself suffers from."""
        with self._lock:
            warnings = tuple(dict.fromkeys(w for shard in self._shards.values() for w in shard.warnings))
            newest = max((shard.ts_ms for shard in self._shards.values() if shard.ts_ms), default=None)
            if self._away:
                since, reason = self._away
                return Health("reconnecting", since, newest, f"Redis is unreachable ({reason})", warnings)
            if not self._shards or newest is None:
                return Health("stale", None, None, "No monitor has published yet", warnings)
            silent = [shard for shard in self._shards.values() if monotonic() - shard.heard > STALE_AFTER]
            if silent:
                oldest = min(silent, key=lambda shard: shard.ts_ms or 0)
                return Health("stale", oldest.ts_ms, newest, f"The monitor of {oldest.name} is silent", warnings)
            return Health("connected", None, newest, "", warnings)

    def monitors(self) -> dict[str, dict[str, Any]]:
        """What each shard's monitor last said of itself; not ready when it is silent."""
        with self._lock:
            silent = {shard.name: monotonic() - shard.heard > STALE_AFTER for shard in self._shards.values()}
            found = {shard.name: dict(shard.health) for shard in self._shards.values()}
        away = self._away is not None
        return {
            name: {**said, "ready": bool(said.get("ready")) and not silent[name] and not away}
            for name, said in found.items()
        }

    # -- hearing of changes ----------------------------------------------------------------------------------------

    def subscribe(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Have `callback` called, in the replica's thread, after each change; it must only note and return.

        Returns what ends the subscription. Consumers hand over with `loop.call_soon_threadsafe`.
        """
        with self._lock:
            number = self._next_subscriber = self._next_subscriber + 1
            self._subscribers[number] = callback
        return lambda: self._unsubscribe(number)

    def settle(self, public_ids: Iterable[str]) -> None:
        """Name the breached accounts that somebody has acknowledged: they no longer stay on top of every order."""
        with self._lock:
            if self._settled == (named := frozenset(public_ids)):
                return
            self._settled = named
            self.version += 1
        self._tell(Change(frozenset(), rising=True))

    # -- writing: the tail's thread only ---------------------------------------------------------------------------

    def shard(self, name: str) -> Shard:
        """The shard's place, made at the first ask."""
        with self._lock:
            return self._shards.setdefault(name, Shard(name))

    def load(self, name: str, rows: Iterable[AccountRow], head: Batch | None, recent: Iterable[Batch] = ()) -> bool:
        """Replace a shard's rows by a full copy; False if the copy lacks accounts (Redis is being filled again).

        Rows that an incomplete copy lacks stay as they were: the desk never goes blank.
        """
        with self._lock:
            shard = self.shard(name)
            fresh = {row.public_id: row for row in rows}
            complete = head is None or len(fresh) >= sum(server.accounts for server in head.servers)
            gone = shard.ids - fresh.keys() if complete else set()
            rising = sum(self._put(row) for row in fresh.values()) > 0
            for public_id in gone:
                self._drop(public_id)
            shard.ids = set(fresh) if complete else shard.ids | fresh.keys()
            for batch in recent:
                self._take_events(batch.events)
            if head is not None:
                self._take_head(shard, head)
            self.version += 1
        self._tell(Change(frozenset(fresh), frozenset(gone), rising, everything=True))
        return complete

    def apply(self, name: str, batch: Batch) -> bool:
        """Apply the next batch of a shard; False if it does not follow the last one (a full copy is needed)."""
        with self._lock:
            shard = self.shard(name)
            if shard.version is not None and batch.epoch == shard.epoch and batch.version <= shard.version:
                return True
            if shard.version is not None and (batch.epoch, batch.version) != (shard.epoch, shard.version + 1):
                return False
            rising = False
            for row in batch.rows:
                known = self._rows.get(row.public_id)
                if known is None or row.rev >= known.rev:
                    rising |= self._put(row)
                    shard.ids.add(row.public_id)
            for public_id in batch.removed:
                self._drop(public_id)
                shard.ids.discard(public_id)
            fresh = self._take_events(batch.events)
            self._take_head(shard, batch)
            self.version += 1
        ids = frozenset(row.public_id for row in batch.rows)
        self._tell(Change(ids, frozenset(batch.removed), rising, events=fresh))
        return True

    def away(self, reason: str) -> None:
        """Say that Redis cannot be reached; the rows stay."""
        with self._lock:
            if self._away is None:
                self._away = (int(time() * 1000), reason)

    def back(self) -> None:
        """Say that Redis answers again."""
        with self._lock:
            self._away = None

    # -- inside ----------------------------------------------------------------------------------------------------

    def _put(self, row: AccountRow) -> bool:
        known = self._rows.get(row.public_id)
        self._rows[row.public_id] = row
        self._columns.put(row)
        return row.severity > (known.severity if known else 0)

    def _drop(self, public_id: str) -> None:
        self._rows.pop(public_id, None)
        self._cells.pop(public_id, None)
        self._columns.remove(public_id)

    def _take_head(self, shard: Shard, batch: Batch) -> None:
        shard.epoch, shard.version, shard.ts_ms = batch.epoch, batch.version, batch.ts_ms
        shard.heard = monotonic()
        shard.warnings = tuple(batch.warnings)
        if batch.servers:
            shard.servers = {server.server: server for server in batch.servers}

    def _take_events(self, events: Iterable[EventRow]) -> tuple[EventRow, ...]:
        """Keep the events that are new, and return them."""
        fresh = tuple(event for event in events if event.key not in self._event_keys)
        for event in fresh:
            self._events.appendleft(event)
            self._event_keys[event.key] = None
            if len(self._event_keys) > EVENTS_KEPT * 2:
                self._event_keys.popitem(last=False)
        return fresh

    def _tell(self, change: Change) -> None:
        with self._lock:
            callbacks = list(self._subscribers.values())
        for callback in callbacks:
            callback(change)

    def _unsubscribe(self, number: int) -> None:
        with self._lock:
            self._subscribers.pop(number, None)

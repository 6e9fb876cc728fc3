"""Risk events and enforcements into PostgreSQL, in order and once, by a thread with a connection of its own.

The live path never waits for it: `put` appends to a bounded queue. When PostgreSQL is away longer than memory lasts,
the queue is let go and the records are read back from the journal; a restart begins the same way, after the last
record that the journal knows to be recorded.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import psycopg
import structlog

from monitoring import metrics
from monitoring.live.recorder.records import AnyRecord, EventRecord
from monitoring.live.recorder.sql import write

log = structlog.get_logger(__name__)
LIMIT = 20_000
BATCH = 500
GATHER = 0.01  # one commit for what comes together; and the loop is left alone right after a breach
BACKOFF = (0.1, 2.0)
HINTED = frozenset({"warned", "stepped_up", "cleared", "breached", "resumed", "target_reached", "violated"})
Numbered = tuple[int, AnyRecord]


class Recorder:
    """`committed` is the number of the last record that PostgreSQL has; `failing_since` is None while it works."""

    def __init__(
        self,
        conninfo: str,
        *,
        reread: Callable[[int], Iterator[Numbered]],
        hint: Callable[[str], None],
        committed: int = 0,
        limit: int = LIMIT,
    ) -> None:
        self.conninfo, self.committed, self.limit = conninfo, committed, limit
        self.failing_since: datetime | None = None
        self.error = ""
        self._reread, self._hint = reread, hint
        self._queue: deque[Numbered] = deque()
        self._newest = committed
        self._behind = True  # start is recovery: first what the journal has and PostgreSQL may lack
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._connection: psycopg.Connection[Any] | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self, newest: int) -> None:
        """Begin; `newest` is the number of the journal's last record."""
        self._newest = max(self._newest, newest)
        self._thread.start()
        self._wake.set()

    def put(self, n: int, record: AnyRecord, *, wake: bool = True) -> None:
        """Hand over a record that the journal has under `n`; never blocks.

        In the order of the numbers: `committed` says that everything up to it is in PostgreSQL, so a record that comes
        behind a greater number would be taken for recorded by a restart in between.
        """
        with self._lock:
            if n <= self._newest:
                log.error("recorder_out_of_order", n=n, newest=self._newest)
            self._newest = max(self._newest, n)
            self._queue.append((n, record))
            if len(self._queue) > self.limit:
                if not self._behind:
                    log.warning("recorder_falls_back_on_journal", waiting=len(self._queue))
                self._behind = True
                self._queue.popleft()
        if wake:
            self._wake.set()

    def wake(self) -> None:
        """Have what was put without waking written now."""
        self._wake.set()

    @property
    def waiting(self) -> int:
        """How many records wait, at most (numbers are shared with other kinds of journal lines)."""
        with self._lock:
            return self._newest - self.committed if self._behind else len(self._queue)

    def drained(self) -> bool:
        """Whether everything handed over is in PostgreSQL."""
        with self._lock:
            return not self._behind and not self._queue

    def close(self, patience: float = 3.0) -> None:
        """Write what waits if PostgreSQL takes it within `patience` seconds, then stop."""
        deadline = time.monotonic() + patience
        while not self.drained() and self.failing_since is None and time.monotonic() < deadline:
            self._wake.set()
            time.sleep(0.02)
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=patience)

    def _run(self) -> None:
        pause = BACKOFF[0]
        while not self._stopping:
            if self._wake.wait(1.0) and not self._stopping:
                time.sleep(GATHER)
            self._wake.clear()
            try:
                self._work_off()
                pause = BACKOFF[0]
            except Exception as error:  # whatever it is: the desk says so, and it is tried again
                if not isinstance(error, psycopg.Error | OSError):
                    log.exception("recorder_failed")
                self._failed(error)
                time.sleep(pause)
                pause = min(pause * 2, BACKOFF[1])
                self._wake.set()
        if self._connection is not None:
            self._connection.close()

    def _work_off(self) -> None:
        if self._behind:
            self._catch_up()
        while not self._stopping:
            with self._lock:
                if self._behind:
                    self._wake.set()
                    return
                batch = list(islice(self._queue, BATCH))
            if not batch:
                return
            self._write_all(batch)
            with self._lock:
                done = {n for n, _ in batch}
                while self._queue and self._queue[0][0] in done:
                    self._queue.popleft()

    def _catch_up(self) -> None:
        """Read the journal from where PostgreSQL ends until the live end is reached, then switch to the queue."""
        written: set[int] = set()  # of what is queued as well
        while not self._stopping:
            with self._lock:
                newest, oldest = self._newest, self._queue[0][0] if self._queue else self._newest + 1
            records = self._reread(self.committed)
            while batch := list(islice(records, BATCH)):
                self._write_all(batch)
                written.update(n for n, _ in batch if n >= oldest)
                if self._told_to_stop():
                    return
            with self._lock:
                # What the journal lacks, because its disk refused, stays in the queue whatever its number.
                self._queue = deque(item for item in self._queue if item[0] not in written)
                if self._newest == newest:
                    self._behind = False
                    return

    def _write_all(self, batch: list[Numbered]) -> None:
        made: list[uuid.UUID] = []
        connection = self._connected()
        try:
            with connection.transaction(), connection.cursor() as cursor:
                for _, record in batch:
                    self._note(write(cursor, record), record, made)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except psycopg.Error:
            made.clear()
            self._one_by_one(connection, batch, made)
        self.committed = max(self.committed, batch[-1][0])
        self._works_again()
        for event_id in made:
            self._hint(str(event_id))

    def _one_by_one(self, connection: psycopg.Connection[Any], batch: list[Numbered], made: list[uuid.UUID]) -> None:
        """One bad record must not hold up the others: it is told in the log, and stays in the journal."""
        for n, record in batch:
            try:
                with connection.transaction(), connection.cursor() as cursor:
                    self._note(write(cursor, record), record, made)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                raise
            except psycopg.Error as error:
                metrics.RECORDER_FAILURES.inc()
                log.error("record_refused", n=n, record=type(record).__name__, error=str(error).strip())

    def _told_to_stop(self) -> bool:
        return self._stopping

    def _note(self, event_id: uuid.UUID | None, record: AnyRecord, made: list[uuid.UUID]) -> None:
        if event_id is not None and isinstance(record, EventRecord) and record.event in HINTED:
            made.append(event_id)
        metrics.RECORDED.labels(type(record).__name__).inc()

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = psycopg.connect(
                self.conninfo, autocommit=True, connect_timeout=3, application_name="riskdesk-recorder",
                options="-c statement_timeout=15000",
            )  # fmt: skip
        return self._connection

    def _failed(self, error: Exception) -> None:
        metrics.RECORDER_FAILURES.inc()
        self.error = str(error).strip()
        if self.failing_since is None:
            self.failing_since = datetime.now(UTC)
            log.warning("recorder_waits_for_postgresql", error=self.error, waiting=self.waiting)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _works_again(self) -> None:
        if self.failing_since is not None:
            log.info("recorder_writes_again", waiting=self.waiting)
            self.failing_since, self.error = None, ""

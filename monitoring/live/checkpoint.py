"""Rule state that outlives the process: floors do not fall and warnings do not repeat after a kill -9.

Each account's state goes to three places, each time under a mark that rises by one: with every published batch into
Redis (100 ms), every second into PostgreSQL, and into the journal together with every event and, before the batch that
shows it leaves, whenever a high-water mark rose. So whatever anybody was shown, told or acted upon is on disk first.
Start takes the newest of the three for each account, by (epoch, mark), and goes on from there: what the upstream
remembers of the time since is replayed (`fxsocket/catchup.py`), and a REST read then brings the present. See
`docs/recovery.md` for what that makes up for and what it does not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
import redis
import structlog

from monitoring import metrics
from monitoring.engine.snapshot import AccountState

log = structlog.get_logger(__name__)
EVERY = 1.0
STATE = "state"
_encode = msgspec.msgpack.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(AccountState).decode


class Saved(msgspec.Struct, frozen=True, array_like=True):
    """One account's state and when it was so; greater (epoch, mark) is newer."""

    epoch: int
    mark: int
    state: bytes


class StateRecord(msgspec.Struct, frozen=True):
    """The same in the journal."""

    public_id: str
    epoch: int
    mark: int
    state: bytes

    @property
    def saved(self) -> Saved:
        """Without its address."""
        return Saved(self.epoch, self.mark, self.state)


_decode_saved = msgspec.msgpack.Decoder(Saved).decode


def pack_state(state: AccountState) -> bytes:
    """The state as bytes."""
    return _encode(state)


def pack_saved(saved: Saved) -> bytes:
    """What the Redis hash of states holds."""
    return _encode(saved)


def unpack_state(packed: bytes) -> AccountState | None:
    """The state of the bytes; None, and a word in the log, where an older release wrote something else."""
    try:
        return _decode_state(packed)
    except msgspec.DecodeError as error:
        log.warning("checkpoint_unreadable", error=str(error))
        return None


def newest(*sources: dict[str, Saved]) -> dict[str, Saved]:
    """For each public id the newest of all."""
    found: dict[str, Saved] = {}
    for source in sources:
        for public_id, saved in source.items():
            known = found.get(public_id)
            if known is None or (saved.epoch, saved.mark) > (known.epoch, known.mark):
                found[public_id] = saved
    return found


def from_redis(client: redis.Redis, shard: str) -> dict[str, Saved]:
    """What Redis holds; raises redis.RedisError."""
    found: dict[str, Saved] = {}
    rows: Any = client.hgetall(f"riskdesk:{shard}:state")
    for key, packed in rows.items():
        try:
            found[key.decode()] = _decode_saved(packed)
        except msgspec.DecodeError as error:
            log.warning("checkpoint_unreadable", source="redis", account=key.decode(), error=str(error))
    return found


def from_postgres(conninfo: str) -> dict[str, Saved]:
    """What PostgreSQL holds, every account's; raises psycopg.Error."""
    with psycopg.connect(conninfo, connect_timeout=3) as connection:
        rows = connection.execute(
            "SELECT a.public_id, c.epoch, c.version, c.state FROM monitoring_checkpoint c"
            " JOIN accounts_account a ON a.id = c.account_id"
        )
        return {public_id: Saved(epoch, mark, bytes(state)) for public_id, epoch, mark, state in rows}


def from_journal(records: Iterable[StateRecord]) -> dict[str, Saved]:
    """The newest state of each account among journal records in any order."""
    found: dict[str, Saved] = {}
    for record in records:
        known = found.get(record.public_id)
        if known is None or (record.epoch, record.mark) > (known.epoch, known.mark):
            found[record.public_id] = record.saved
    return found


class Checkpoints:
    """Writes what changed into PostgreSQL every second, from a thread. `put` never blocks; the newest state wins."""

    def __init__(self, conninfo: str, *, every: float = EVERY) -> None:
        self.conninfo, self.every = conninfo, every
        self.saved_at: datetime | None = None
        self.covered_n = 0  # every state in the journal up to this number is in PostgreSQL
        self._pending: dict[int, Saved] = {}
        self._n = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._connection: psycopg.Connection[Any] | None = None
        self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def put(self, states: Iterable[tuple[int, Saved]], n: int) -> None:
        """Hand over states by account key; `n` is the journal's newest number at that moment."""
        with self._lock:
            self._pending.update(states)
            self._n = n

    def close(self, patience: float = 3.0) -> None:
        """Save once more and stop."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=patience)

    def _run(self) -> None:
        failing = False
        while True:
            stopping = self._stop.wait(self.every)
            started = time.monotonic()
            try:
                self._save()
                if failing:
                    log.info("checkpoints_saved_again")
                failing = False
            except Exception as error:  # whatever it is: it is told and tried again
                if not isinstance(error, psycopg.Error | OSError):
                    log.exception("checkpoint_thread_failed")
                metrics.CHECKPOINT_FAILURES.inc()
                if not failing:
                    log.warning("checkpoint_failed", error=str(error).strip())
                failing = True
                self._drop()
            if (took := time.monotonic() - started) > self.every:
                log.warning("checkpoint_slow", seconds=round(took, 2))
            if stopping:
                self._drop()
                return

    def _save(self) -> None:
        with self._lock:
            pending, self._pending, n = self._pending, {}, self._n
        try:
            if pending:
                self._write(pending)
        except Exception:
            with self._lock:
                self._pending = pending | self._pending
            raise
        self.covered_n = n
        self.saved_at = datetime.now(UTC)

    def _write(self, pending: dict[int, Saved]) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self.conninfo, autocommit=True, connect_timeout=3, application_name="riskdesk-checkpoint"
            )
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute(
                "CREATE TEMP TABLE states (account_id bigint, epoch int, version bigint, state bytea) ON COMMIT DROP"
            )
            with cursor.copy("COPY states FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["int8", "int4", "int8", "bytea"])
                for account, saved in pending.items():
                    copy.write_row((account, saved.epoch, saved.mark, saved.state))
            cursor.execute(
                """
                INSERT INTO monitoring_checkpoint AS held (account_id, epoch, version, state, saved_at)
                SELECT s.account_id, s.epoch, s.version, s.state, now() FROM states s
                  JOIN accounts_account a ON a.id = s.account_id ORDER BY s.account_id
                ON CONFLICT (account_id) DO UPDATE
                SET epoch = excluded.epoch, version = excluded.version, state = excluded.state, saved_at = now()
                WHERE (held.epoch, held.version) < (excluded.epoch, excluded.version)
                """
            )

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

"""Start, restart and takeover are one path: checkpoint, journal, book, then the upstream's own word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psycopg
import redis
import structlog

from monitoring.live import checkpoint, journal
from monitoring.live.checkpoint import STATE, Saved, StateRecord
from monitoring.live.journal import Journal
from monitoring.live.recorder.records import ENFORCEMENT, TYPES, AnyRecord, EnforcementRecord
from monitoring.models import Enforcement

log = structlog.get_logger(__name__)
RECORDED = "recorded"
T = TypeVar("T")


class RecordedRecord(msgspec.Struct, frozen=True):
    """The journal's note that PostgreSQL has every record up to `n`."""

    n: int


@dataclass(slots=True)
class Memory:
    """What the earlier run left."""

    states: dict[str, Saved] = field(default_factory=dict)
    enforcements: dict[str, EnforcementRecord] = field(default_factory=dict)
    recorded: int = 0
    epoch: int = 0  # the newest one seen anywhere

    def state(self, public_id: str) -> Any:
        """The account's newest state; None if there is none."""
        saved = self.states.get(public_id)
        return None if saved is None else checkpoint.unpack_state(saved.state)


def remember(directory: Path, shard: str, conninfo: str, client: redis.Redis) -> Memory:
    """Read all three memories; one that is away is told in the log and made up for by the others."""
    memory = _from_journal(directory, shard)
    sources = [memory.states]
    try:
        sources.append(checkpoint.from_redis(client, shard))
        held: Any = client.get(f"riskdesk:{shard}:epoch")
        memory.epoch = max(memory.epoch, int(held or 0))
    except (redis.RedisError, ValueError) as error:  # away, or somebody else wrote what stands there
        log.warning("recovery_without_redis", error=str(error))
    try:
        sources.append(checkpoint.from_postgres(conninfo))
    except psycopg.Error as error:
        log.warning("recovery_without_postgresql", error=str(error).strip())
    memory.states = checkpoint.newest(*sources)
    memory.epoch = max([memory.epoch, *(saved.epoch for saved in memory.states.values())])
    log.info("recovered", accounts=len(memory.states), recorded=memory.recorded, epoch=memory.epoch)
    return memory


def _from_journal(directory: Path, shard: str) -> Memory:
    memory = Memory()
    states: list[StateRecord] = []
    if not directory.is_dir():
        return memory
    for record in journal.read(directory, shard):
        if record.kind == STATE and (state := _body(record, StateRecord)) is not None:
            states.append(state)
        elif record.kind == ENFORCEMENT and (enforcement := _body(record, EnforcementRecord)) is not None:
            memory.enforcements[enforcement.event_key] = enforcement
        elif record.kind == RECORDED and (recorded := _body(record, RecordedRecord)) is not None:
            memory.recorded = recorded.n
    memory.states = checkpoint.from_journal(states)
    return memory


def recordable(book: Journal, after: int) -> Iterator[tuple[int, AnyRecord]]:
    """The journal's records that belong into PostgreSQL, from `after` on."""
    for record in book.read(after):
        if (kind := TYPES.get(record.kind)) is not None and (body := _body(record, kind)) is not None:
            yield record.n, body


def _body(record: journal.Record, kind: type[T]) -> T | None:
    """What a record says; None, and a word in the log, where another release wrote something else."""
    try:
        return msgspec.json.decode(record.body, type=kind)
    except msgspec.DecodeError as error:
        log.warning("journal_record_unreadable", n=record.n, kind=record.kind, error=str(error))
        return None


def from_row(row: Enforcement, digits: int = 2) -> EnforcementRecord:
    """A stored enforcement as a record."""

    def minor(amount: Any) -> int | None:
        return None if amount is None else int(amount.scaleb(digits))

    return EnforcementRecord(
        event_key=row.event_key, account=row.account_id, state=row.state, requested_at=row.requested_at, digits=digits,
        sent_at=row.sent_at, accepted_at=row.accepted_at, flat_at=row.flat_at, locked_at=row.locked_at,
        attempts=row.attempts, equity_at_detection=minor(row.equity_at_detection),
        lowest_equity=minor(row.lowest_equity), equity_after=minor(row.equity_after), commands=list(row.commands),
        last_error=row.last_error,
    )  # fmt: skip

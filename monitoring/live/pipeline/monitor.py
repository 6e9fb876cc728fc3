"""A leader's whole run: recover, connect, judge, enforce, publish; until it is told to stop or loses its shard."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import redis
import structlog

from monitoring import metrics
from monitoring.engine.messages import Link
from monitoring.live.checkpoint import Checkpoints
from monitoring.live.enforcer import Enforcer
from monitoring.live.journal import Journal
from monitoring.live.leadership import Leadership
from monitoring.live.pipeline import Marks, Pipeline
from monitoring.live.pipeline.adoption import Adoption
from monitoring.live.pipeline.collect import Collector, server_row
from monitoring.live.pipeline.listener import Listener
from monitoring.live.pipeline.portions import keep_memory
from monitoring.live.pipeline.recovery import RECORDED, Memory, RecordedRecord, recordable
from monitoring.live.pipeline.roster import Roster
from monitoring.live.pipeline.second_line import SecondLine
from monitoring.live.publish.publisher import Parcel, Publisher
from monitoring.live.recorder import Recorder
from monitoring.live.recorder.records import ENFORCEMENT, EnforcementRecord
from monitoring.live.recording import Recording
from monitoring.live.rulesets import Book
from monitoring.upstream import registry
from monitoring.upstream.base import UpstreamConfig

log = structlog.get_logger(__name__)
TICK, CLOCK = 0.1, 1.0
RECORDED_EVERY = 2.0
FIRST_SYNC = 10.0  # how long a start waits without any progress before it says ready all the same


@dataclass(frozen=True, slots=True)
class Setup:
    """Where a monitor finds what it needs."""

    shard: str
    conninfo: str
    redis: redis.Redis
    journal_dir: Path
    upstream: UpstreamConfig
    hint: Callable[[str], None]  # told the id of each recorded event that alerting should look at
    recording_dir: Path | None = None  # where to record what is applied; None: not at all


class Monitor:
    """One leader. `run` returns when `stop` is set or leadership is lost."""

    def __init__(self, setup: Setup, leadership: Leadership, memory: Memory) -> None:
        self.setup, self.leadership, self.memory = setup, leadership, memory
        epoch = leadership.epoch
        self.marks = Marks(epoch)
        self.journal = Journal(setup.journal_dir, setup.shard, epoch)
        self.checkpoints = Checkpoints(setup.conninfo)
        self.publisher = Publisher(setup.redis, setup.shard, epoch, superseded=self._superseded)
        self.recorder = Recorder(
            setup.conninfo,
            reread=lambda after: recordable(self.journal, after),
            hint=setup.hint,
            committed=min(memory.recorded, self.journal.last_n),
        )
        self.enforcer = Enforcer(save=self._save_enforcement, clock=_now)
        self.enforcer.remember(memory.enforcements.values())
        connector = registry.connect(setup.upstream)
        self.pipeline = Pipeline(
            connector, shard=setup.shard, marks=self.marks, journal=self.journal, recorder=self.recorder,
            enforcer=self.enforcer,
        )  # fmt: skip
        self.recording: Recording | None = None
        if setup.recording_dir is not None:
            self.recording = self.pipeline.tape = Recording(setup.recording_dir, setup.shard, self.pipeline.snapshot)
        self.book = Book(setup.upstream.server, setup.upstream.kind)
        self.roster = Roster(self.book, self.pipeline, memory)
        self.adoption = Adoption(self.pipeline, self.roster)
        words = connector.rule_words
        self.second_line = None if words is None else SecondLine(self.pipeline, words)
        if self.second_line is not None:
            self.pipeline.on_rules = self.second_line.note
        self._book_changed = asyncio.Event()
        self._listener = Listener(setup.conninfo, setup.upstream.server, self._book_changed)
        self.collector = Collector(self.pipeline, self.checkpoints, self.journal)
        self.ready = False
        self._linked = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._recorded = 0
        self._recorded_at = 0.0
        self._servers_at = 0.0
        self._published_at = 0.0
        self._stall = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Lead until `stop` or the loss of the shard; what is unfinished is taken up by the next start."""
        metrics.LEADER.labels(self.setup.shard).set(1)
        metrics.EPOCH.labels(self.setup.shard).set(self.leadership.epoch)
        self.recorder.start(self.journal.last_n)
        self.checkpoints.start()
        self.publisher.start()
        tasks: list[asyncio.Task[Any]] = []
        try:
            await self.pipeline.execution.open()
            await self.roster.restore()
            self.pipeline.believe(_now())
            tasks = [asyncio.create_task(work, name=name) for name, work in self._works(stop)]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (error := task.exception()) is not None:
                    log.error("monitor_task_failed", task=task.get_name(), exc_info=error)
                    raise error
        finally:
            await self._shut_down(tasks)

    def health(self) -> dict[str, Any]:
        """What /healthz answers and the web passes on."""
        feed = self.pipeline.connector.feed.health
        return {
            "ready": self.ready,
            "leader": self.leadership.leads,
            "epoch": self.leadership.epoch,
            "accounts": len(self.pipeline.snapshot.accounts),
            "feeds": {self.pipeline.name: feed.state},
            "enforcement": {self.pipeline.name: self.pipeline.mode},
            "warnings": self.warnings(),
            "at_ms": int(_now().timestamp() * 1000),
        }

    def warnings(self) -> list[str]:
        """What the monitor itself suffers from, in words for the desk."""
        found = self.enforcer.warnings()
        if (since := self.recorder.failing_since) is not None:
            found.append(f"PostgreSQL unreachable since {since:%H:%M:%S} UTC: {self.recorder.waiting} records wait")
        elif (since := self.leadership.cut_off_since) is not None:
            found.append(f"PostgreSQL lost the leader's lock at {since:%H:%M:%S} UTC: the monitor goes on")
        if (since := self.publisher.failing_since) is not None:
            found.append(f"Redis unreachable since {since:%H:%M:%S} UTC")
        if self.journal.error is not None:
            found.append(f"The journal's disk refuses writes: {self.journal.error}")
        if self.recording is not None:
            found += self.recording.warnings()
        return found + self.roster.warnings() + self.adoption.warnings()

    def _works(self, stop: asyncio.Event) -> list[tuple[str, Coroutine[Any, Any, Any]]]:
        feed = self.pipeline.connector.feed
        feed.on_refusal = self.pipeline.refused
        feed.reached, feed.follows = self.pipeline.reached, self.pipeline.follows
        self.pipeline.hold_back_with(feed.hold)
        self.pipeline.on_link = self._link
        second = [("second line", self.second_line.run())] if self.second_line is not None else []
        return [
            *second,
            ("feed", feed.run(self.pipeline.deliver)),
            ("clock", self._every(CLOCK, self._clock)),
            ("publish", self._every(TICK, self._publish)),
            ("book", self._follow_book()),
            ("listener", self._listener.run()),
            ("adoption", self._every(CLOCK, self.adoption.follow)),
            ("readiness", self._get_ready()),
            ("leadership", self.leadership.hold()),
            ("stop", stop.wait()),
            ("lost", self.leadership.lost.wait()),
        ]

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        due = time.monotonic()
        while True:
            due = max(due + seconds, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            self._stall = max(self._stall, time.monotonic() - due)
            await work()

    async def _follow_book(self) -> None:
        """Each second, and at once when somebody says that the book has changed."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOCK):
                    await self._book_changed.wait()
            heard = self._book_changed.is_set()
            self._book_changed.clear()
            await self.roster.follow(heard=heard)

    async def _clock(self) -> None:
        now = _now()
        self.pipeline.tick(now)
        self.enforcer.sweep()
        self._note_recorded()
        metrics.LOOP_STALL.set(self._stall)
        self._stall = 0.0
        metrics.RECORDER_QUEUE.set(self.recorder.waiting)
        metrics.JOURNAL_ERRORS.set(self.journal.errors)
        metrics.JOURNAL_BYTES.set(self.journal.bytes_written)
        if self.checkpoints.saved_at is not None:
            metrics.CHECKPOINT_AGE.set((now - self.checkpoints.saved_at).total_seconds())

    async def _publish(self) -> None:
        """Changes each 100 ms; at least once a second a batch for the clock, with the servers' rows."""
        parcel = Parcel(at=_now())
        await self.collector.collect(parcel)
        parcel.events, self.pipeline.fresh_events = self.pipeline.fresh_events, []
        parcel.removed, self.roster.removed = self.roster.removed, set()
        now = time.monotonic()
        if now - self._servers_at >= 1.0:
            self._servers_at = now
            parcel.servers = [server_row(self.pipeline, parcel.at, self.second_line)]
        if parcel.rows or parcel.events or parcel.removed or parcel.servers:
            parcel.warnings = self.warnings()
            parcel.health = json.dumps(self.health()).encode()
            self.publisher.offer(parcel)

    async def _get_ready(self) -> None:
        """Ready means: recovered, and the upstream's present known, or clearly not to be had."""
        seen, deadline = (0, 0), time.monotonic() + FIRST_SYNC
        while time.monotonic() < deadline and not self._synced():
            await asyncio.sleep(0.1)
            if (now_seen := self._known_accounts()) != seen:  # ten thousand adoptions take their time
                seen, deadline = now_seen, time.monotonic() + FIRST_SYNC
        self.enforcer.sweep()
        keep_memory()
        self.ready = True
        accounts = len(self.pipeline.snapshot.accounts)
        log.info("ready", shard=self.setup.shard, accounts=accounts, mode=self.pipeline.mode)
        await asyncio.Event().wait()  # the other tasks decide when the run is over

    def _synced(self) -> bool:
        watched, known = self._known_accounts()
        return self._linked.is_set() and not self.pipeline.wants_listing and watched == known and self.roster.loaded

    def _known_accounts(self) -> tuple[int, int]:
        """How many accounts are watched, and of how many the upstream has told the figures."""
        accounts = self.pipeline.snapshot.accounts.values()
        return len(accounts), sum(account.figures is not None for account in accounts)

    def _link(self, link: Link) -> None:
        if link.state in {"connected", "alive"}:
            self._linked.set()

    def _note_recorded(self) -> None:
        """Tell the journal how far PostgreSQL is, and let go of files that nobody needs any more."""
        committed = self.recorder.committed
        if committed <= self._recorded or time.monotonic() - self._recorded_at < RECORDED_EVERY:
            return
        self._recorded, self._recorded_at = committed, time.monotonic()
        self.journal.append(RECORDED, _now(), RecordedRecord(committed))
        self.journal.prune(min(committed, self.checkpoints.covered_n))

    def _save_enforcement(self, record: EnforcementRecord) -> None:
        self._save_record(ENFORCEMENT, record)

    def _save_record(self, kind: str, record: Any) -> None:
        raw = msgspec.Raw(msgspec.json.encode(record))
        self.recorder.put(self.journal.append(kind, _now(), raw), record)

    def _superseded(self, epoch: int) -> None:
        """Called in the publisher's thread."""
        self._loop.call_soon_threadsafe(self.leadership.superseded_by, epoch)

    async def _shut_down(self, tasks: list[asyncio.Task[Any]]) -> None:
        self.ready = False
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.enforcer.close()
        await self._publish()  # the last word, so that a successor starts from it
        await asyncio.to_thread(self._close_threads)
        await self.pipeline.execution.close()
        self.book.close()
        metrics.LEADER.labels(self.setup.shard).set(0)

    def _close_threads(self) -> None:
        self.publisher.close()
        self.checkpoints.close()
        self.recorder.close()
        if self.recording is not None:
            self.recording.close()
        self.journal.append(RECORDED, _now(), RecordedRecord(self.recorder.committed))
        self.journal.close()


def _now() -> datetime:
    return datetime.now(UTC)

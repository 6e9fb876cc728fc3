"""Another version of the rules for 10,000 running accounts: from the move's commit to the last account judged by it.

A real PostgreSQL and Redis; the real listener, book, roster, pipeline, journal, recorder, checkpoints and publisher in
this process, updates flowing through them; the move in another, by the verb that the pages use. Nothing is enforced
(dry run). Every update that was sent must have been applied, in its order.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import django

from monitoring.engine.messages import AccountFigures, AccountUpdate, Clock, Link, Resync
from tests.bench.all_rules import positions
from tests.bench.mover import SERVER
from tests.bench.ratio import Ratio

ACCOUNTS, RATE, REPEATS = 10_000, 5_000, 3
NEAR = 100  # accounts between the floors of both versions: the change itself breaches them


@dataclass(slots=True)
class Run:
    """What one desk measured; seconds."""

    quiet: list[float] = field(default_factory=list)
    flowing: list[float] = field(default_factory=list)
    stalls: list[float] = field(default_factory=list)  # the longest time that the loop was held, with updates flowing
    sent: int = 0


def ratios() -> list[Ratio]:
    """The change in seconds (target of the issue), and what the flow of updates costs it."""
    logging.getLogger("monitoring").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="rdb-") as folder:
        os.environ["RISKDESK_TEST_STATE_DIR"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        django.setup()
        from django.conf import settings

        from riskdesk import services

        # Another benchmark may have set Django up already: the mover must find the servers of that state dir.
        os.environ["RISKDESK_TEST_STATE_DIR"] = str(settings.RISKDESK_STATE_DIR)
        servers = services.Services(services.layout(settings.RISKDESK_STATE_DIR), durable=False)
        servers.start()
        try:
            run = asyncio.run(measure(Path(folder), servers.where.urls.redis_url))
        finally:
            servers.stop()
            services.remove(settings.RISKDESK_STATE_DIR)
    quiet, flowing = min(run.quiet), min(run.flowing)  # the rounds that other work of the machine spoilt least
    figures = {
        "quiet s": quiet, "flowing s": flowing, "median s": median(run.flowing), "updates/s": RATE,
        "longest stall ms": max(run.stalls) * 1e3, "updates applied": run.sent,
    }  # fmt: skip
    words = f"seconds from the commit to the last of {ACCOUNTS:,} accounts, updates flowing"
    return [
        Ratio("rule_change_seconds", flowing, 1.0, words, higher_is_better=False, figures=figures),
        Ratio("rule_change_against_quiet", flowing / quiet, None, "the same / with nothing else flowing"),
    ]


async def measure(folder: Path, redis_url: str) -> Run:
    """Moves with and without updates flowing, in turn."""
    await mover("make", ACCOUNTS)
    run = Run()
    async with desk(folder, redis_url) as monitor:
        version = 1
        for _ in range(REPEATS):
            version += 1
            run.quiet.append(await change(monitor, version))
            version += 1
            async with flow(monitor) as feed:
                run.flowing.append(await change(monitor, version))
            run.stalls.append(feed.stall)
            run.sent += feed.sent
            check(monitor)
    return run


async def change(monitor: Monitor, version: int) -> float:
    """Move everybody to a version; seconds from the commit until the last account is judged by it."""
    monitor.wanted, monitor.reached = version, asyncio.Event()
    monitor.over = {one.id for one in monitor.pipeline.snapshot.accounts.values() if one.breached}
    answer = await mover("move", version)
    assert answer["moved"] == ACCOUNTS - len(monitor.over), answer
    await asyncio.wait_for(monitor.reached.wait(), 60)
    return float(monitor.at - answer["committed"])


def check(monitor: Monitor) -> None:
    """Nothing was missed, and the new rules judged those whom they concern."""
    snapshot = monitor.pipeline.snapshot
    assert (snapshot.counts.gaps, snapshot.counts.late, snapshot.counts.repeated) == (0, 0, 0), snapshot.counts
    missing = [one.id for one in snapshot.accounts.values() if one.last_seq != monitor.seqs[one.id]]
    assert not missing, missing[:5]
    breached = {one.id for one in snapshot.accounts.values() if one.breached}
    assert breached == {f"acc_{number}" for number in range(NEAR)}, len(breached)


class Monitor:
    """The parts of a monitor as it wires them, its upstream left out."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        from monitoring.live.checkpoint import Checkpoints
        from monitoring.live.enforcer import Enforcer
        from monitoring.live.journal import Journal
        from monitoring.live.pipeline import Marks, Pipeline
        from monitoring.live.pipeline.collect import Collector
        from monitoring.live.pipeline.listener import Listener
        from monitoring.live.pipeline.recovery import Memory, recordable
        from monitoring.live.pipeline.roster import Roster
        from monitoring.live.publish.publisher import Publisher, connect
        from monitoring.live.recorder import Recorder
        from monitoring.live.rulesets import Book
        from monitoring.management.commands.run_monitor import conninfo
        from monitoring.upstream import registry
        from monitoring.upstream.base import UpstreamConfig

        where = conninfo()
        connector = registry.connect(
            UpstreamConfig("fxsocket", "http://127.0.0.1:9/v1", "ws://127.0.0.1:9", "k", SERVER)
        )
        journal = self.journal = Journal(folder / "journal", SERVER, 1)
        self.recorder = Recorder(where, reread=lambda after: recordable(journal, after), hint=lambda event_id: None)
        self.enforcer = Enforcer(save=lambda record: None, clock=lambda: datetime.now(UTC))
        self.pipeline = Pipeline(
            connector, shard=SERVER, marks=Marks(1), journal=journal, recorder=self.recorder, enforcer=self.enforcer
        )
        self.checkpoints = Checkpoints(where)
        self.publisher = Publisher(connect(redis_url), SERVER, 1, superseded=lambda epoch: None)
        self.collector = Collector(self.pipeline, self.checkpoints, journal)
        self.book = Book(SERVER, "fxsocket")
        self.roster = Roster(self.book, self.pipeline, Memory())
        self.wake = asyncio.Event()
        self.listener = Listener(where, SERVER, self.wake)
        self.seqs: dict[str, int] = {}
        self.over: set[str] = set()  # accounts whose challenge ended by a version before: they keep what ended it
        self.wanted, self.at, self.reached = 0, 0.0, asyncio.Event()

    async def follow(self) -> None:
        """As `pipeline.monitor` does; notes when everybody is judged by the wanted version."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            await self.roster.follow(heard=True)
            at, accounts = time.time(), self.pipeline.snapshot.accounts.values()
            if all(account.rule_set.version == self.wanted or account.id in self.over for account in accounts):
                self.at = at
                self.reached.set()

    async def publish(self) -> None:
        """Each 100 ms."""
        from monitoring.live.publish.publisher import Parcel

        while True:
            await asyncio.sleep(0.1)
            parcel = Parcel(at=datetime.now(UTC))
            await self.collector.collect(parcel)
            parcel.events, self.pipeline.fresh_events = self.pipeline.fresh_events, []
            self.publisher.offer(parcel)

    async def tick(self) -> None:
        """Each second."""
        while True:
            now = datetime.now(UTC)
            self.pipeline.deliver(Clock(ts=now), now)
            self.pipeline.deliver(Link(ts=now, state="alive"), now)
            await asyncio.sleep(1)


@asynccontextmanager
async def desk(folder: Path, redis_url: str) -> AsyncIterator[Monitor]:
    """A monitor at work that knows every account's figures."""
    from monitoring.live.pipeline.portions import keep_memory

    monitor = Monitor(folder, redis_url)
    monitor.recorder.start(0)
    monitor.checkpoints.start()
    monitor.publisher.start()
    await monitor.roster.restore()
    now = datetime.now(UTC)
    monitor.pipeline.deliver(Link(ts=now, state="connected"), now)
    for number, account_id in enumerate(monitor.pipeline.entries):
        equity = equity_of(account_id)
        figures = AccountFigures(100_000.0, equity, 0.0, open_positions=20)
        truth = Resync(account_id=account_id, ts=now, data=figures, positions=positions(now), seq=1)
        monitor.pipeline.deliver(truth, now)
        monitor.seqs[account_id] = 1
        if number % 100 == 0:
            await asyncio.sleep(0)
    keep_memory()  # as the monitor does when it is ready
    works = [monitor.listener.run(), monitor.follow(), monitor.publish(), monitor.tick()]
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield monitor
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await monitor.enforcer.close()
        await monitor.pipeline.execution.close()
        monitor.publisher.close()
        monitor.checkpoints.close()
        monitor.recorder.close()
        monitor.journal.close()
        monitor.book.close()


def equity_of(account_id: str) -> float:
    """Between the daily floors of 4 and 5 percent for some, far from both for most."""
    return 95_500.0 if int(account_id.removeprefix("acc_")) < NEAR else 99_000.0


@dataclass(slots=True)
class Flow:
    """Updates of all accounts in turn, and how long the loop was away from them at most (seconds)."""

    sent: int = 0
    stall: float = 0.0


@asynccontextmanager
async def flow(monitor: Monitor) -> AsyncIterator[Flow]:
    """Updates at RATE while inside."""
    feed = Flow()
    task = asyncio.create_task(send(monitor, feed))
    await asyncio.sleep(1.0)
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def send(monitor: Monitor, feed: Flow) -> None:
    """Deliver what is due, a hundredth of a second's worth at a time; what the loop held up comes right after."""
    names = list(monitor.pipeline.entries)
    began = time.perf_counter()
    turn = began
    while True:
        await asyncio.sleep(0.002)
        clock = time.perf_counter()
        feed.stall = max(feed.stall, clock - turn - 0.002)
        due = int((clock - began) * RATE) - feed.sent
        now = datetime.now(UTC)
        for _ in range(due):
            name = names[feed.sent % len(names)]
            feed.sent += 1
            seq = monitor.seqs[name] = monitor.seqs[name] + 1
            figures = AccountFigures(100_000.0, equity_of(name) + feed.sent % 7, 0.0, open_positions=20)
            monitor.pipeline.deliver(AccountUpdate(account_id=name, ts=now, seq=seq, data=figures), now)
        turn = time.perf_counter()


async def mover(*words: Any) -> dict[str, Any]:
    """One run of the other process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.mover", *map(str, words), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, f"mover {words} failed"
    return dict(json.loads(output.splitlines()[-1]))

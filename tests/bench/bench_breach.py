"""From the breach frame to its close-all at the broker, 10,000 updates/s flowing, beside a direct POST of the same run.

The monitor's real pieces stand in this process: feed, decode, snapshot, rules, journal (on disk), enforcer, execution.
Only PostgreSQL and Redis are left out, for nothing on this path waits for them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import django

from monitoring.engine.messages import Clock
from monitoring.engine.ruleset import RuleSet, parse_rule_set
from monitoring.upstream import registry
from monitoring.upstream.base import UpstreamConfig
from tests.bench.bench_engine import DAILY, STATIC, document
from tests.bench.ratio import Ratio
from tests.waiting import aeventually

ACCOUNTS, BREACHES, RATE = 2000, 100, 10_000


def ratios() -> list[Ratio]:
    """p50 against the direct post's p50 (target of the issue); p99 against its p99, reported."""
    logging.getLogger("picows").setLevel(logging.WARNING)
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    try:
        measured = asyncio.run(measure())
    finally:
        if cores is not None:
            os.sched_setaffinity(0, cores)
    breach, direct = measured["breach"], measured["direct"]
    assert len(breach) == BREACHES, f"{len(breach)} of {BREACHES} breaches were closed"
    p50, p99 = median(breach), quantiles(breach, n=100)[98]
    floor50, floor99 = median(direct), quantiles(direct, n=100)[98]
    figures = {"p50 ms": p50, "p99 ms": p99, "direct p50 ms": floor50, "direct p99 ms": floor99}
    figures["updates/s"] = measured["rate"]
    words = "breach frame to close-all / direct post"
    return [
        Ratio("breach_to_close_p50", p50 / floor50, 5.0, f"{words}, p50", higher_is_better=False, figures=figures),
        Ratio("breach_to_close_p99", p99 / floor99, None, f"{words}, p99", higher_is_better=False),
    ]


async def measure() -> dict[str, Any]:
    """One run: `breach` and `direct` latencies in ms, and the `rate` that flowed."""
    rest = await start("rest", str(ACCOUNTS), str(BREACHES))
    stream = await start("stream", str(ACCOUNTS), str(BREACHES), str(RATE))
    others = [rest, stream]
    with tempfile.TemporaryDirectory() as folder:
        rest_port, stream_port = await number(rest), await number(stream)
        core(0)
        pipeline = monitor(rest_port, stream_port, Path(folder))
        feed = pipeline.connector.feed
        await pipeline.execution.open()
        tasks = [asyncio.create_task(feed.run(pipeline.deliver)), asyncio.create_task(tick(pipeline))]
        try:
            await aeventually(lambda: feed.health.frames > RATE / 2, what="the updates flow")
            poster = await start("post", str(rest_port), str(BREACHES))
            others.append(poster)
            sent: dict[str, Any] = json.loads(await asyncio.wait_for(line_of(stream), 60))
            await asyncio.wait_for(line_of(poster), 60)
            await aeventually(lambda: not pipeline.enforcer._tasks, what="every breach is enforced")
            found = json.loads(await pipeline.execution._get("/report"))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await pipeline.enforcer.close()
            await pipeline.execution.close()
            pipeline.journal.close()
            for process in others:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
    breach = [(arrived - sent["sent_at"][name]) * 1000 for name, arrived in found["closed_at"].items()]
    return {"breach": breach, "direct": [seconds * 1000 for seconds in found["direct"]], "rate": sent["rate"]}


def core(index: int) -> None:
    """Keep this process to one core: the monitor has one of its own, the other side shares the last.

    On two cores the scheduler else lets the woken broker wait behind the monitor, for up to a millisecond: a broker
    that stands elsewhere does not wait there.
    """
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[index]})


async def line_of(process: asyncio.subprocess.Process) -> bytes:
    """The next line that a process prints."""
    assert process.stdout is not None
    return await process.stdout.readline()


async def number(process: asyncio.subprocess.Process) -> int:
    """The port that a process prints first."""
    return int(await line_of(process))


async def start(*words: str) -> asyncio.subprocess.Process:
    """A process of the other side."""
    command = [sys.executable, "-m", "tests.bench.broker", *words]
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, limit=1 << 20, preexec_fn=lambda: core(-1)
    )


def monitor(rest_port: int, stream_port: int, folder: Path) -> Any:
    """The live path of one server, watching the broker's accounts, enforcement on."""
    os.environ["RISKDESK_TEST_STATE_DIR"] = str(folder)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()  # the live path imports the book's tables, though nothing here reads them
    from monitoring.live.enforcer import Enforcer
    from monitoring.live.journal import Journal
    from monitoring.live.pipeline import Marks, Pipeline
    from monitoring.live.recorder import Recorder

    rest, stream = f"http://127.0.0.1:{rest_port}/v1", f"ws://127.0.0.1:{stream_port}/v1/stream"
    connector = registry.connect(UpstreamConfig("fxsocket", rest, stream, "k"))
    journal = Journal(folder, "bench", 1)
    recorder = Recorder("", reread=lambda after: iter(()), hint=lambda key: None)
    enforcer = Enforcer(save=lambda record: None, clock=lambda: datetime.now(UTC))
    pipeline = Pipeline(connector, shard="bench", marks=Marks(1), journal=journal, recorder=recorder, enforcer=enforcer)
    pipeline.mode = "live"
    rule_set = parse_rule_set(document(DAILY, STATIC))
    for name in [f"f_{number}" for number in range(ACCOUNTS)] + [f"b_{number}" for number in range(BREACHES)]:
        pipeline.watch(entry(name, len(pipeline.entries) + 1, rule_set))
    return pipeline


def entry(name: str, number: int, rule_set: RuleSet) -> Any:
    """The account as the book would give it."""
    from monitoring.live.rulesets import Entry

    return Entry(
        pk=number, challenge=number, public_id=name, upstream_id=name, login=str(number), server="main", trader="T",
        trader_id=None, plan="two-step", phase="1", rule_set=rule_set, state="active", state_reason="",
        started_at=datetime.now(UTC),
    )  # fmt: skip


async def tick(pipeline: Any) -> None:
    """Time goes on: the clock of the monitor, once a second."""
    while True:
        now = datetime.now(UTC)
        pipeline.deliver(Clock(ts=now), now)
        pipeline.enforcer.sweep()
        await asyncio.sleep(1)

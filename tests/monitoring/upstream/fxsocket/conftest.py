"""Fixtures of the connector's tests: a fake upstream, and a running feed with everything that it delivers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import pytest

from monitoring.engine.messages import AccountUpdate, Link, Message, Resync
from monitoring.engine.rules import process
from monitoring.engine.ruleset import RuleSet
from monitoring.engine.snapshot import Snapshot
from monitoring.upstream.base import Reached, Refusal
from monitoring.upstream.fxsocket import stream
from monitoring.upstream.fxsocket.execution import FxSocketExecution
from monitoring.upstream.fxsocket.feed import FxSocketFeed, Timing
from tests.monitoring.upstream.fxsocket.fake import FakeUpstream

M = TypeVar("M", bound=Message)
QUICK = Timing(tick=0.05, ping=0.1, dead=0.5, stable=5.0, warm=60.0)


@dataclass
class Desk:
    """A feed at work and what it has delivered, in order."""

    feed: FxSocketFeed
    execution: FxSocketExecution
    delivered: list[Message] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    broken: Exception | None = None

    def deliver(self, message: Message, received_at: datetime) -> None:
        if self.broken is not None:
            raise self.broken
        self.delivered.append(message)

    def of(self, kind: type[M]) -> list[M]:
        return [message for message in self.delivered if isinstance(message, kind)]

    def states(self) -> list[str]:
        return [link.state for link in self.of(Link) if link.state != "alive"]

    def resyncs(self, account_id: str) -> list[Resync]:
        return [one for one in self.of(Resync) if one.account_id == account_id]

    def updates(self, account_id: str) -> list[AccountUpdate]:
        return [one for one in self.of(AccountUpdate) if one.account_id == account_id]


class Watch(Desk):
    """A desk that judges what it is given, as the live path does: a snapshot behind the feed."""

    def __init__(self, feed: FxSocketFeed, execution: FxSocketExecution, rule_set: RuleSet) -> None:
        super().__init__(feed, execution)
        self.snapshot = Snapshot("main")
        self.snapshot.hold = feed.hold
        self.snapshot.add("acc_1", rule_set)
        self.events: list[str] = []
        feed.follows = self.follows

    def follows(self, account_id: str) -> int | None:
        account = self.snapshot.accounts.get(account_id)
        return None if account is None else account.last_seq

    def deliver(self, message: Message, received_at: datetime) -> None:
        super().deliver(message, received_at)
        self.events += [event.event.value for event in process(self.snapshot, message)]
        for account_id in self.snapshot.drain_gaps():
            self.feed.request_resync(account_id)


Running = Callable[..., AbstractAsyncContextManager[Desk]]


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    fake = FakeUpstream()
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture(params=["picows", "websockets"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both websocket libraries in turn."""
    monkeypatch.setattr(stream, "LIBRARY", request.param)
    return str(request.param)


@asynccontextmanager
async def running(
    upstream: FakeUpstream,
    *,
    timing: Timing = QUICK,
    chance: Callable[[], float] = lambda: 0.2,
    reached: Callable[[], dict[str, Reached]] | None = None,
    judged_by: RuleSet | None = None,
) -> AsyncIterator[Desk]:
    """A feed on the fake upstream; ends with the block. `judged_by`: a `Watch` that judges acc_1."""
    execution = FxSocketExecution(upstream.config, connect_s=10.0, total_s=10.0)
    feed = FxSocketFeed(upstream.config, execution, timing=timing, chance=chance)
    desk = Desk(feed, execution) if judged_by is None else Watch(feed, execution, judged_by)
    desk.feed.reached = reached
    desk.feed.on_refusal = lambda refusal, received_at: desk.refused.append(refusal)
    desk.task = asyncio.create_task(desk.feed.run(desk.deliver))
    try:
        yield desk
    finally:
        desk.task.cancel()
        with suppress(asyncio.CancelledError, LookupError):
            await desk.task
        await execution.close()

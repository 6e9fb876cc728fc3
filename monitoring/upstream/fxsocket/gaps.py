"""A hole in an account's numbers: its messages wait until what is missing has been fetched, then go on in order.

The frame that was lost may have been a withdrawal, and judged without it the next one shows a loss that never was. So
nothing of that account is delivered past the hole, neither frames nor readings, before the upstream's own memory
(`GET /accounts/{id}/events?since_seq=`) has filled it, for at most `HOLD_S` seconds. What cannot be filled is judged as
it stands, and said in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from monitoring.engine.messages import AccountMessage, Resync
from monitoring.upstream.base import FeedHealth, Refusal, UpstreamError
from monitoring.upstream.fxsocket.decode import AHEAD, decode
from monitoring.upstream.fxsocket.execution import FxSocketExecution
from monitoring.upstream.fxsocket.wire import Control

HOLD_S = 3.0
HELD_MOST = 20_000  # messages of all accounts together; beyond it the next hole is judged as it stands
CONCURRENCY = 16
FAILURES = 3  # holes in a row that could not be filled: nothing is held for `PAUSE_S` seconds
PAUSE_S = 30.0
RETRY_S = 0.2

log = logging.getLogger(__name__)
Deliver = Callable[[AccountMessage], None]


class Gaps:
    """The accounts of one connection whose messages wait behind a hole."""

    def __init__(
        self,
        execution: FxSocketExecution,
        pass_on: Deliver,
        health: FeedHealth,
        *,
        changed: Callable[[], None],
        resync: Callable[[str], None],
    ) -> None:
        self._execution, self._pass_on, self._health = execution, pass_on, health
        self._changed, self._resync = changed, resync
        self._held: dict[str, deque[AccountMessage]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._turns = asyncio.Semaphore(CONCURRENCY)
        self._releasing = ""  # the account whose messages are let past the hole now
        self._size = self._failures = 0
        self._not_before = 0.0
        self._over = False  # what comes now is fetched after the next connect

    @property
    def holding(self) -> bool:
        """Whether any account waits."""
        return bool(self._held)

    def open(self, account_id: str, seq: int, message: AccountMessage) -> bool:
        """Hold a message that comes after a hole, `seq` being the newest number before it; False: let it pass."""
        if self._over or self.keep(message):
            return True
        loop = asyncio.get_running_loop()
        late = self._size >= HELD_MOST or loop.time() < self._not_before
        if self._group is None or late or account_id == self._releasing:
            return False
        self._held[account_id] = deque([message])
        self._size += 1
        self._group.create_task(self._fill(account_id, seq))
        self._changed()
        return True

    def keep(self, message: AccountMessage) -> bool:
        """Hold a message of an account that waits already."""
        queue = self._held.get(message.account_id)
        if queue is None:
            return False
        queue.append(message)
        self._size += 1
        return True

    async def run(self) -> None:
        """End with the connection, and the fetches with it: the next connect fetches what every account has missed."""
        async with asyncio.TaskGroup() as self._group:
            try:
                await asyncio.Event().wait()
            finally:
                self._over = True

    async def _fill(self, account_id: str, seq: int) -> None:
        frames: list[AccountMessage] = []
        told = False
        try:
            async with asyncio.timeout(HOLD_S), self._turns:
                frames = _following(account_id, seq, await self._fetch(account_id, seq))
            self._failures, told = 0, True
        except (UpstreamError, TimeoutError) as error:
            self._failures += 1
            if self._failures >= FAILURES:
                self._not_before = asyncio.get_running_loop().time() + PAUSE_S
            log.warning("what account %s missed after %d cannot be read: %s", account_id, seq, error or "too slow")
        self._release(account_id, seq, frames, told=told)

    async def _fetch(self, account_id: str, seq: int) -> list[bytes]:
        """What came after `seq`; an upstream that cannot say now is asked again while there is time."""
        while True:
            try:
                return await self._execution.read_events(account_id, seq)
            except UpstreamError as error:
                if error.permanent:
                    raise
                await asyncio.sleep(error.retry_after or RETRY_S)

    def _release(self, account_id: str, seq: int, frames: Sequence[AccountMessage], *, told: bool) -> None:
        """Deliver what was missed, then what waited; a hole that is still there is let pass, a second one is not.

        Not `told`, all of it passes: the upstream cannot say now, and nothing may wait for it twice.
        """
        queue = self._held.pop(account_id)
        self._size -= len(queue)
        for frame in frames:
            self._pass_on(frame)
        reached = top = seq + len(frames)
        if frames and not isinstance(queue[0], Resync):  # a reading ahead of frames that are still coming is no hole
            self._health.gaps += 1
            self._resync(account_id)  # as after any gap; where nothing was brought, the engine asks for it
        newest = seq
        for message in _in_turn(queue, top):
            number = message.seq or 0
            if not isinstance(message, Resync) and newest < number <= top:
                newest = number
                continue  # the upstream's memory had it too
            self._releasing = account_id if reached == seq or not told else ""
            self._pass_on(message)
            self._releasing = ""
            reached = max(reached, number)
        self._changed()


def _in_turn(queue: Sequence[AccountMessage], reached: int) -> list[AccountMessage]:
    """What waited: the frames that follow without a hole, then the rest, as a reading makes the frames in it late."""
    following: list[AccountMessage] = []
    rest: list[AccountMessage] = []
    for message in queue:
        if not isinstance(message, Resync) and message.seq == reached + 1:
            reached += 1
            following.append(message)
        else:
            rest.append(message)
    return following + rest


def _following(account_id: str, seq: int, frames: Sequence[bytes]) -> list[AccountMessage]:
    """The frames that follow on `seq` without a hole."""
    latest = datetime.now(UTC) + AHEAD
    found: list[AccountMessage] = []
    for frame in frames:
        message = decode(frame, latest)
        if isinstance(message, Refusal | Control | Resync) or message.account_id != account_id:
            break
        if message.seq != seq + 1 + len(found):
            break
        found.append(message)
    return found

"""What was missed while nobody listened, from the upstream's own memory: `GET /accounts/{id}/events?since_seq=`.

A withdrawal that nobody saw looks like a loss, and a peak that nobody saw lifts no floor: a reading of the present
tells neither. So after a connect, the accounts whose numbers went on meanwhile get the missed frames first, in order;
what arrives on the new socket is held until then, for at most `HOLD_S` seconds. Who is not reached by then, and whose
frames the upstream no longer has whole, gets the present only. A hole that shows later is filled by `gaps.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from monitoring.engine.messages import AccountMessage, Resync
from monitoring.upstream.base import Reached, Refusal, UpstreamError
from monitoring.upstream.fxsocket.decode import AHEAD, decode
from monitoring.upstream.fxsocket.execution import FxSocketExecution
from monitoring.upstream.fxsocket.wire import Control

HOLD_S = 3.0
HELD_MOST = 100_000  # messages; more are not worth waiting for
CONCURRENCY = 16
FAILURES = 3  # readings that fail in a row: this upstream does not offer it now
STEP = 200  # messages passed on before the loop gets its turn

log = logging.getLogger(__name__)
Emit = Callable[[AccountMessage], None]


class CatchUp:
    """Holds what arrives after one connect while the missed frames are fetched; `holding` tells whether it does."""

    def __init__(
        self, execution: FxSocketExecution, emit: Emit, pass_on: Emit, reached: Callable[[], dict[str, Reached]]
    ) -> None:
        self._execution, self._emit, self._pass_on, self._reached = execution, emit, pass_on, reached
        self._held: deque[AccountMessage] = deque()
        self._until = asyncio.get_running_loop().time() + HOLD_S
        self._over = asyncio.Event()
        self._failures = 0
        self.caught_up = 0
        self.holding = bool(reached())

    def hold(self, message: AccountMessage) -> None:
        """Keep a message of the new socket until `let_go`."""
        self._held.append(message)
        if len(self._held) >= HELD_MOST:
            self._over.set()

    async def fetch(self, rows: Sequence[Resync]) -> None:
        """Deliver what the listed accounts have missed, those whose balance moved first; then let go."""
        if not self.holding:
            return
        reached = self._reached()
        behind = [(row, reached[row.account_id]) for row in rows if _is_behind(row, reached.get(row.account_id))]
        behind.sort(key=lambda pair: pair[0].data.balance == pair[1].balance)
        queue = deque((row.account_id, mark.seq) for row, mark in behind)
        try:
            async with asyncio.timeout_at(self._until), asyncio.TaskGroup() as group:
                for _ in range(min(CONCURRENCY, len(queue))):
                    group.create_task(self._work_off(queue))
        except TimeoutError:
            log.warning("catching up took over %g s", HOLD_S)
        if behind:
            log.info("caught up with %d of %d accounts that had gone on", self.caught_up, len(behind))
        await self.let_go()

    async def expire(self) -> None:
        """Let go when it has lasted too long, whatever the listing does."""
        if self.holding:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._until):
                    await self._over.wait()
            await self.let_go()

    async def let_go(self) -> None:
        """Pass on what was held, in order; what arrives meanwhile goes behind it."""
        while self._held:
            for _ in range(min(STEP, len(self._held))):
                self._pass_on(self._held.popleft())
            await asyncio.sleep(0)
        self.holding = False
        self._over.set()

    async def _work_off(self, queue: deque[tuple[str, int]]) -> None:
        while queue and self._failures < FAILURES:
            account_id, seq = queue.popleft()
            try:
                frames = await self._execution.read_events(account_id, seq)
            except UpstreamError as error:
                self._failures += 1
                log.warning("missed events of account %s cannot be read: %s", account_id, error)
                continue
            self._failures = 0
            if self.holding and self._replay(account_id, seq, frames):
                self.caught_up += 1

    def _replay(self, account_id: str, seq: int, frames: Sequence[bytes]) -> bool:
        """Deliver frames that follow on `seq` without a hole; whether they did."""
        latest = datetime.now(UTC) + AHEAD
        messages: list[AccountMessage] = []
        for frame in frames:
            message = decode(frame, latest)
            if isinstance(message, Refusal | Control) or message.account_id != account_id:
                break
            if isinstance(message, Resync) or message.seq != seq + 1 + len(messages):
                break
            messages.append(message)
        for message in messages:
            self._emit(message)
        return bool(messages) and len(messages) == len(frames)


def _is_behind(row: Resync, mark: Reached | None) -> bool:
    return mark is not None and row.seq is not None and row.seq > mark.seq

"""Messages in: connect, watch the heartbeat, reconnect with backoff, and resync by REST after every connect and gap."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from monitoring.engine.messages import (
    AccountLifecycle,
    AccountMessage,
    ConnectionRestored,
    Link,
)
from monitoring.upstream.base import Deliver, FeedHealth, OnRefusal, Reached, Refusal, UpstreamConfig
from monitoring.upstream.fxsocket.backoff import STABLE_S, delay, slow
from monitoring.upstream.fxsocket.decode import decode
from monitoring.upstream.fxsocket.execution import FxSocketExecution
from monitoring.upstream.fxsocket.hot import hot_path
from monitoring.upstream.fxsocket.resync import Resyncer
from monitoring.upstream.fxsocket.stream import TOO_BIG, Ended, Sink, Stream, StreamRefused, open_stream, stream_url
from monitoring.upstream.fxsocket.wire import Control

BAD_KEY, NO_SCOPE, RESTART = 4401, 4403, 1012
State = Literal["connecting", "connected", "disconnected", "auth_failed", "maintenance"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """The feed's clocks, seconds; tests make them short."""

    tick: float = 1.0  # how often `alive` may be said
    ping: float = 5.0
    dead: float = 20.0  # two heartbeats without a frame or a pong: the socket is half open
    stable: float = STABLE_S
    warm: float = 20.0  # keep connections for commands open


@dataclass(frozen=True, slots=True)
class Setback:
    """Why there is no connection now, and how long to wait at the least; the backoff may be longer."""

    state: State
    reason: str
    wait: float = 0.0


class FxSocketFeed:
    """One upstream's websocket, for ever; see `Feed` in `base.py`."""

    def __init__(
        self,
        config: UpstreamConfig,
        execution: FxSocketExecution,
        *,
        timing: Timing | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.health = FeedHealth(since=datetime.now(UTC))
        self.on_refusal: OnRefusal | None = None
        self.reached: Callable[[], dict[str, Reached]] | None = None
        self.follows: Callable[[str], int | None] | None = None
        self._url = stream_url(config.ws_url)
        self._headers = {"Authorization": f"Bearer {config.key}"}
        self._execution = execution
        self._timing = timing or Timing()
        self._chance = chance
        self._known: set[str] = set()
        self._pongs = 0
        self._too_large = 0  # refusals of that kind before this connection
        self._resyncer: Resyncer | None = None
        self._deliver: Deliver = _nowhere

    async def run(self, deliver: Deliver) -> None:
        """Connect, reconnect and resync until cancelled; raises what `deliver` raises."""
        self._deliver = deliver
        self._execution.on_refusal = self._refused_truth
        await self._execution.open()
        self._link("connecting")
        attempt = 0
        while True:
            began = asyncio.get_running_loop().time()
            setback = await self._connection()
            if asyncio.get_running_loop().time() - began >= self._timing.stable:
                attempt = 0
            wait = max(delay(attempt, self._chance()), setback.wait)
            attempt += 1
            self.health.next_attempt_at = datetime.now(UTC) + timedelta(seconds=wait)
            self._link(setback.state, setback.reason)
            log.warning("upstream %s: %s; next attempt in %.2f s", setback.state, setback.reason, wait)
            await asyncio.sleep(wait)

    def request_resync(self, account_id: str) -> None:
        """Ask for a REST read of one account soon; while disconnected the next connect reads them all."""
        if self._resyncer is not None:
            self._resyncer.request(account_id)

    def hold(self, account_id: str, seq: int, message: AccountMessage) -> bool:
        """Keep a frame after a hole until what is missing is there; False: it is to be judged as it stands."""
        return self._resyncer is not None and self._resyncer.hold(account_id, seq, message)

    async def _connection(self) -> Setback:
        """One connection from upgrade to end."""
        resyncer = Resyncer(
            self._execution, self._emit, self._refused_truth, self.health, self._known,
            reached=self.reached or dict, follows=self.follows or (lambda account_id: None),
        )  # fmt: skip
        self._resyncer = resyncer
        take = hot_path(self._deliver, resyncer, self.health, self._other)
        sink = Sink(self._opened, take, self._pong)
        try:
            stream = await open_stream(self._url, self._headers, sink)
            try:
                return self._setback(await self._attend(stream, resyncer))
            finally:
                stream.abort()
        except StreamRefused as error:
            return self._not_let_in(error)
        except (OSError, TimeoutError) as error:
            return Setback("disconnected", f"{type(error).__name__}: {error}"[:200])
        finally:
            self._resyncer = None

    async def _attend(self, stream: Stream, resyncer: Resyncer) -> Ended:
        """Read until the stream ends or falls silent; a failure of our own ends the feed with its exception."""
        ended = asyncio.create_task(stream.ended())
        silent = asyncio.create_task(self._heartbeat(stream))
        tasks: set[asyncio.Task[Ended] | asyncio.Task[None]] = {
            ended,
            silent,
            asyncio.create_task(resyncer.run()),
            asyncio.create_task(self._keep_warm()),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            result = task.result()
            if result is not None:
                return result
        raise AssertionError("a task of the connection ended by itself")

    async def _heartbeat(self, stream: Stream) -> Ended:
        """Ping, say `alive` while things arrive, and end when nothing does.

        Silence is counted in ticks: a process that was suspended finds its frames before it calls the link dead.
        """
        timing, seen, quiet, since_ping = self._timing, -1, 0, 0.0
        while True:
            arrived = self.health.frames + self._pongs
            if arrived != seen:
                seen, quiet = arrived, 0
                now = datetime.now(UTC)
                self._deliver(Link(ts=now, state="alive"), now)
            else:
                quiet += 1
            if quiet * timing.tick >= timing.dead:
                return Ended(reason=f"nothing arrived for {timing.dead:g} s")
            if since_ping <= 0:
                stream.ping()
                since_ping = timing.ping
            since_ping -= timing.tick
            await asyncio.sleep(timing.tick)

    async def _keep_warm(self) -> None:
        while True:
            await self._execution.warm()
            await asyncio.sleep(self._timing.warm)

    def _other(self, data: bytes, stamp: datetime, latest: datetime) -> None:
        """A frame that the hot path did not pass."""
        message = decode(data, latest)
        if isinstance(message, Refusal):
            self._refused(message, stamp)
        elif isinstance(message, Control):
            self._control(message)
        else:
            self._rare(message, stamp)

    def _rare(self, message: AccountMessage, stamp: datetime) -> None:
        if self._resyncer is not None and self._resyncer.note(message):
            return  # held; a reading of everything is under way, so nothing else need be asked for
        self._deliver(message, stamp)
        asks = isinstance(message, ConnectionRestored) and message.data.resync_required
        if asks or isinstance(message, AccountLifecycle):
            self.request_resync(message.account_id)

    def _control(self, frame: Control) -> None:
        if frame.type == "warning":
            self.health.dropped += max(0, frame.dropped)
            if self._resyncer is not None and frame.dropped > 0:
                self._resyncer.request_all()
        elif frame.type == "error":
            log.warning("upstream says error %s: %s", frame.code[:80], frame.message[:200])

    def _refused(self, refusal: Refusal, stamp: datetime) -> None:
        """A frame: count it, and read the account's truth again, for what it would have said is not known."""
        self._count(refusal, stamp)
        if refusal.account_id in self._known:
            self.request_resync(refusal.account_id)

    def _refused_truth(self, refusal: Refusal) -> None:
        """A REST reading: count it; the resyncer decides when to read again."""
        self._count(Refusal(refusal.reason, f"REST: {refusal.detail}", refusal.account_id), datetime.now(UTC))

    def _count(self, refusal: Refusal, stamp: datetime) -> None:
        health = self.health
        health.refusals[refusal.reason] = health.refusals.get(refusal.reason, 0) + 1
        health.last_refusal = f"{refusal.reason}: {refusal.detail}"
        health.last_refusal_at = stamp
        if self.on_refusal is not None:
            self.on_refusal(refusal, stamp)

    def _pong(self) -> None:
        self._pongs += 1

    def _opened(self) -> None:
        self.health.connects += 1
        self._too_large = self.health.refusals.get("too_large", 0)
        self.health.next_attempt_at = None
        self._link("connected")

    def _emit(self, message: AccountMessage) -> None:
        self._deliver(message, datetime.now(UTC))

    def _link(self, state: State, reason: str = "") -> None:
        now = datetime.now(UTC)
        if self.health.state != state or self.health.reason != reason:
            self.health.since = now
        self.health.state, self.health.reason = state, reason
        self._deliver(Link(ts=now, state=state, reason=reason), now)

    def _setback(self, ended: Ended) -> Setback:
        words = f"closed with {ended.code} {ended.reason}".rstrip()[:200]
        # picows may still hand over the frame that it closed for: one frame is counted once.
        if ended.code == TOO_BIG and self.health.refusals.get("too_large", 0) == self._too_large:
            self._refused(Refusal("too_large", f"the socket had to be closed: {ended.reason}"), datetime.now(UTC))
        if ended.code in {BAD_KEY, NO_SCOPE}:
            return Setback("auth_failed", words, slow(self._chance()))
        if ended.code == RESTART:
            return Setback("disconnected", "the upstream restarts (1012)")
        return Setback("disconnected", words)

    def _not_let_in(self, refused: StreamRefused) -> Setback:
        if refused.status in {401, 403}:
            return Setback("auth_failed", f"the key is refused (HTTP {refused.status})", slow(self._chance()))
        state: State = "maintenance" if refused.status == 503 else "disconnected"
        return Setback(state, str(refused), refused.retry_after or 0.0)


def _nowhere(message: object, received_at: datetime) -> None:
    raise RuntimeError("the feed is not running")

"""The truth by REST: every account after each connect, one account after a gap; bounded, patient, in small steps.

One `Resyncer` lives as long as one connection. While an account's reading is under way its frames are noted, so that
the reading can be brought up to date before it is delivered (`overlay.py`).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from monitoring.engine.messages import AccountMessage, ConnectionFigures, ConnectionLost, Resync
from monitoring.upstream.base import FeedHealth, Reached, Refusal, UpstreamError
from monitoring.upstream.fxsocket.backoff import delay
from monitoring.upstream.fxsocket.catchup import CatchUp
from monitoring.upstream.fxsocket.execution import FxSocketExecution, UntrustedTruth
from monitoring.upstream.fxsocket.gaps import Gaps
from monitoring.upstream.fxsocket.overlay import Overlay

CONCURRENCY = 16  # readings at once
SPACING_S = 0.5  # between two readings of one account
UNTRUSTED_S = 10.0  # before a reading that was refused is tried again
LISTING_SPACING_S = 5.0
WANTED_MOST = 20_000  # single requests waiting; beyond it everything is listed anew
STEP = 200  # accounts settled before the loop gets its turn

log = logging.getLogger(__name__)
Emit = Callable[[AccountMessage], None]


class Resyncer:
    """Reads accounts and emits their truth; `known` outlives the connection and holds every account listed so far."""

    def __init__(
        self,
        execution: FxSocketExecution,
        emit: Emit,
        refused: Callable[[Refusal], None],
        health: FeedHealth,
        known: set[str],
        *,
        reached: Callable[[], dict[str, Reached]] = dict,
        follows: Callable[[str], int | None] = lambda account_id: None,
    ) -> None:
        self._execution = execution
        self._emit = emit
        self._refused = refused
        self._health = health
        self._known = known
        self._overlays: dict[str, Overlay] = {}
        self._rows: dict[str, Resync] = {}  # listed, positions still to be read
        self._listed: set[str] = set()
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._wanted: set[str] = set()
        self._read_at: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._not_before = 0.0  # the upstream said 429: nobody reads until then
        self._all_wanted = asyncio.Event()
        self.listing = True
        self._follows = follows
        self._catch_up = CatchUp(execution, emit, self._pass_on, reached)
        self._gaps = Gaps(execution, self._pass_on, health, changed=self._still_recording, resync=self.request)
        self.recording = True  # whether frames must be noted; read on the hot path

    def note(self, message: AccountMessage) -> bool:
        """Take note of a message of an account whose reading is under way; whether it is held and delivered later."""
        if self._catch_up.holding:
            self._catch_up.hold(message)
            return True
        if self._gaps.keep(message):
            return True
        overlay = self._overlay(message.account_id)
        if overlay is not None:
            overlay.note(message)
        return False

    def hold(self, account_id: str, seq: int, message: AccountMessage) -> bool:
        """Keep a frame that comes after a hole in the numbers until what is missing is there; False: let it pass."""
        return self._gaps.open(account_id, seq, message)

    def request(self, account_id: str, after: float = 0.0) -> None:
        """Ask for one account's truth in `after` seconds or when its turn comes; many requests become one."""
        if account_id in self._wanted or (self.listing and account_id not in self._listed):
            return
        if len(self._wanted) >= WANTED_MOST:
            self.request_all()
            return
        self._wanted.add(account_id)
        loop = asyncio.get_running_loop()
        wait = max(after, self._read_at.get(account_id, -SPACING_S) + SPACING_S - loop.time())
        if wait > 0:
            loop.call_later(wait, self._queue.put_nowait, account_id)
        else:
            self._queue.put_nowait(account_id)

    def request_all(self) -> None:
        """Ask for every account's truth: frames were lost and nobody knows whose."""
        self._all_wanted.set()

    async def run(self) -> None:
        """List everything, then serve requests, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listings())
            group.create_task(self._catch_up.expire())
            group.create_task(self._gaps.run())
            for _ in range(CONCURRENCY):
                group.create_task(self._reader())

    async def _listings(self) -> None:
        attempt = 0
        while True:
            try:
                await self._list_all()
            except UpstreamError as error:
                log.warning("listing the accounts failed: %s", error)
                wait = max(delay(attempt, 0.5 + random.random() / 2), error.retry_after or 0.0)
                attempt += 1
                await asyncio.sleep(wait)
                continue
            attempt = 0
            await asyncio.sleep(LISTING_SPACING_S)
            await self._all_wanted.wait()

    async def _list_all(self) -> None:
        self._all_wanted.clear()
        self._listed.clear()
        self._overlays.clear()
        self.listing = self.recording = True
        if self._catch_up.holding:
            rows = [account async for page in self._execution.pages() for account in page]
            await self._catch_up.fetch(rows)
            await self._take_rows(rows)
        else:
            async for page in self._execution.pages():
                await self._take_rows(page)
        self.listing = False
        self._health.resyncs += 1
        for account_id in self._known - self._listed:
            self._lose(account_id, "not_listed")
        self._known &= self._listed
        for account_id in [one for one in self._overlays if one not in self._wanted]:
            self.request(account_id)  # it sent frames, yet the listing did not have it: read it by itself
        self._still_recording()

    async def _take_rows(self, rows: list[Resync]) -> None:
        for place, account in enumerate(rows):
            self._take_row(account)
            if place % STEP == STEP - 1:
                await asyncio.sleep(0)

    def _pass_on(self, message: AccountMessage) -> None:
        """A message that was held: it is noted and delivered like any other."""
        if self._gaps.keep(message):
            return
        overlay = self._overlay(message.account_id)
        if overlay is not None:
            overlay.note(message)
        self._emit(message)

    def _take_row(self, account: Resync) -> None:
        account_id = account.account_id
        self._listed.add(account_id)
        self._known.add(account_id)
        if account.data.open_positions == 0:
            self._settle(account)
            return
        self._rows[account_id] = account
        self._overlays.setdefault(account_id, Overlay())
        if account_id not in self._wanted:
            self._wanted.add(account_id)
            self._queue.put_nowait(account_id)

    async def _reader(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            account_id = await self._queue.get()
            pause = self._not_before - loop.time()
            if pause > 0:
                await asyncio.sleep(pause)
            await self._read(account_id)

    async def _read(self, account_id: str) -> None:
        self._wanted.discard(account_id)
        row = self._rows.pop(account_id, None)
        if row is None:
            self._overlays[account_id] = Overlay()
            self._health.resyncs += 1
        self.recording = True
        self._read_at[account_id] = asyncio.get_running_loop().time()
        try:
            if row is not None:
                truth = replace(row, positions=await self._execution.read_positions(account_id))
            else:
                truth = await self._execution.read_account(account_id)
        except UntrustedTruth as error:
            self._forget(account_id)
            self._refused(error.refusal)
            self.request(account_id, UNTRUSTED_S)
        except UpstreamError as error:
            if row is not None:
                self._rows[account_id] = row  # its overlay goes on too: only the positions are asked for again
            else:
                self._forget(account_id)
            self._failed(account_id, error)
        else:
            self._failures.pop(account_id, None)
            self._known.add(account_id)
            self._settle(truth)
        self._still_recording()

    def _settle(self, truth: Resync) -> None:
        overlay = self._overlays.pop(truth.account_id, None)
        merged = truth if overlay is None else overlay.over(truth)
        if merged is None:
            self.request(truth.account_id)
        elif not self._is_ahead(merged):
            self._emit(merged)

    def _is_ahead(self, truth: Resync) -> bool:
        """Whether it waits for frames that it includes and that were not seen: one may have been a withdrawal."""
        followed = self._follows(truth.account_id)
        if self._gaps.keep(truth):
            return True
        if truth.seq is None or followed is None or truth.seq <= followed:
            return False
        return self._gaps.open(truth.account_id, followed, truth)

    def _failed(self, account_id: str, error: UpstreamError) -> None:
        if error.status in {404, 410}:
            self._forget(account_id)
            self._rows.pop(account_id, None)
            self._known.discard(account_id)
            self._lose(account_id, "not_found")
            return
        loop = asyncio.get_running_loop()
        if error.retry_after is not None:
            self._not_before = max(self._not_before, loop.time() + error.retry_after)
        failures = self._failures[account_id] = self._failures.get(account_id, 0) + 1
        log.warning("reading account %s failed (%d): %s", account_id, failures, error)
        self.request(account_id, error.retry_after or delay(failures, 0.5 + random.random() / 2))

    def _lose(self, account_id: str, reason: str) -> None:
        """An account that the upstream no longer has is not fresh, however well the link is."""
        self._emit(ConnectionLost(account_id=account_id, ts=datetime.now(UTC), data=ConnectionFigures(reason=reason)))

    def _overlay(self, account_id: str) -> Overlay | None:
        overlay = self._overlays.get(account_id)
        if overlay is None and self.listing and account_id not in self._listed:
            overlay = self._overlays[account_id] = Overlay()
        return overlay

    def _forget(self, account_id: str) -> None:
        self._overlays.pop(account_id, None)

    def _still_recording(self) -> None:
        self.recording = self.listing or self._gaps.holding or bool(self._overlays)

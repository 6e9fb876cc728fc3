"""One clock for all desk sockets of an event loop: computes each window once a tick and hands it to its browsers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from time import monotonic, time
from typing import Protocol
from weakref import WeakKeyDictionary

import structlog
from channels.db import database_sync_to_async

from monitoring import replica
from monitoring.consumers.windows import PROTOCOL, Delta, ViewGroup, encode, html_frame
from monitoring.replica import SEVERITY_WORDS, Change, DeskQuery, Health

TICK = 0.25  # seconds: 4 Hz
SOONEST = 0.05  # a rising severity need not wait for the tick
RANK_EVERY = 2.0
SECOND = 1.0
ALERTS_AT_ONCE = 20
TOLD = frozenset({"warned", "stepped_up", "breached", "violated"})

log = structlog.get_logger(__name__)


class Browser(Protocol):
    """A socket as the hub sees it."""

    group: ViewGroup | None

    def offer(self, delta: Delta, seq: int, ts: int | None) -> None:
        """Take the change of its window."""

    def note(self, kind: str, text: str, even_hidden: bool) -> None:
        """Take a text; the newest of a kind counts."""

    def look(self) -> None:
        """Once a second: close a socket that does not read."""


class Hub:
    """Ticks while there are browsers. Everything but `_changed` runs in the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.seq = 0
        self._live = ""  # what the last heartbeat said of the line
        self._loop = loop
        self._browsers: set[Browser] = set()
        self._groups: dict[tuple[DeskQuery, int, int], ViewGroup] = {}
        self._dirty: set[str] = set()
        self._everything = self._rising = self._rail_due = False
        self._events: list[dict[str, object]] = []
        self._wake = asyncio.Event()
        self._ticker: asyncio.Task[None] | None = None
        self._works: set[asyncio.Task[None]] = set()
        self._html: dict[str, str] = {}
        self._ended: list[Callable[[], None]] = []

    def join(self, browser: Browser) -> None:
        """Begin to serve a browser; the first starts the clock."""
        self._browsers.add(browser)
        if self._ticker is None:
            self._ended = [
                replica.get().subscribe(lambda change: self._from_thread(self._changed, change)),
                replica.listen("alerts", lambda payload: self._from_thread(self._alerts_changed)),
            ]
            self._ticker = self._loop.create_task(self._run())
        self.refresh(browser)

    def refresh(self, browser: Browser) -> None:
        """Send a browser the state of the line and every fragment as they are now: it has just come, or was hidden."""
        browser.note("hb", _heartbeat(replica.get().health()), even_hidden=True)
        for name, html in self._html.items():
            browser.note(f"html:{name}", html_frame(name, html), even_hidden=True)

    def leave(self, browser: Browser) -> None:
        """Stop serving a browser; the last one stops the clock."""
        self._browsers.discard(browser)
        browser.group = None
        self._forget_groups()
        if not self._browsers and self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
            self._html.clear()
            for end in self._ended:
                end()

    def window(self, query: DeskQuery, offset: int, limit: int) -> ViewGroup:
        """The shared window of a query, made at the first ask."""
        key = (query, offset, limit)
        if key not in self._groups:
            self._groups[key] = ViewGroup(replica.get(), query, offset, limit)
        return self._groups[key]

    def hold(self, browser: Browser, on: bool) -> Delta:
        """Hold or release the order for one browser; returns what brings its window up to the one it now shows."""
        group = browser.group
        if group is None or group.frozen is on:
            return Delta()
        if on:
            browser.group = group.frozen_copy()
            return Delta()
        shared = self.window(group.query, group.offset, group.limit)
        browser.group = shared
        return shared.since(group)

    # -- from the replica's thread ---------------------------------------------------------------------------------

    def _from_thread(self, call: Callable[..., None], *args: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *args)

    def _changed(self, change: Change) -> None:
        self._dirty |= change.ids
        self._everything |= change.everything or bool(change.removed)
        told = [_told(event.public_id, event) for event in change.events if event.event in TOLD]
        self._events = (self._events + told)[-ALERTS_AT_ONCE:]
        self._rail_due |= bool(told)
        if change.rising or told:
            self._rising = True
            self._wake.set()

    def _alerts_changed(self) -> None:
        self._rail_due = True
        self._wake.set()

    # -- the clock -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        ranked = second = 0.0
        while True:
            now = monotonic()
            if rank := self._rising or now - ranked >= RANK_EVERY:
                ranked = now
            self._tick(rank)
            if now - second >= SECOND:
                second = now
                self._each_second()
            if self._rail_due:
                self._rail_due = False
                self._work(self._push_html("alert-rail"))
            await asyncio.sleep(SOONEST)
            try:
                async with asyncio.timeout(TICK - SOONEST):
                    await self._wake.wait()
            except TimeoutError:
                pass  # nothing urgent: the next regular tick
            self._wake.clear()

    def _tick(self, rank: bool) -> None:
        dirty = None if self._everything else self._dirty
        rank |= self._everything
        self._dirty, self._everything, self._rising = set(), False, False
        self.seq += 1
        health = replica.get().health()
        if health.live != self._live:  # whether the figures may be trusted is told at once, not at the next second
            self._beat(health)
        ts = health.data_ms
        self._forget_groups()
        deltas: dict[int, Delta] = {}
        for browser in list(self._browsers):
            if (group := browser.group) is None:
                continue
            if id(group) not in deltas:
                deltas[id(group)] = group.tick(dirty, rank)
            browser.offer(deltas[id(group)], self.seq, ts)
        if self._events:
            text = encode({"v": PROTOCOL, "t": "alert", "events": self._events})
            self._events = []
            self._tell(f"alert:{self.seq}", text, even_hidden=True)

    def _beat(self, health: Health) -> None:
        self._live = health.live
        self._tell("hb", _heartbeat(health), even_hidden=True)

    def _each_second(self) -> None:
        self._beat(replica.get().health())
        for browser in list(self._browsers):
            browser.look()
        self._work(self._push_html("kpis"))
        self._work(self._push_html("banners"))

    def _forget_groups(self) -> None:
        used = {id(browser.group) for browser in self._browsers}
        self._groups = {key: group for key, group in self._groups.items() if id(group) in used}

    # -- fragments -------------------------------------------------------------------------------------------------

    def _work(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    async def _push_html(self, name: str) -> None:
        """Render a fragment in a worker thread and push it to everybody if it is another than before."""
        try:
            html = await database_sync_to_async(replica.render_fragment, thread_sensitive=False)(name)
        except Exception:  # a fragment without its database must not stop the figures
            log.exception("fragment_not_rendered", fragment=name)
            return
        if html and html != self._html.get(name):
            self._html[name] = html
            self._tell(f"html:{name}", html_frame(name, html), even_hidden=name == "alert-rail")

    def _tell(self, kind: str, text: str, even_hidden: bool) -> None:
        for browser in list(self._browsers):
            browser.note(kind, text, even_hidden)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub(loop)
    return _hubs[loop]


def _heartbeat(health: Health) -> str:
    frame = {"t": "hb", "ts": health.data_ms, "now": int(time() * 1000), "live": health.live}
    return encode({"v": PROTOCOL, **frame, "since": health.since_ms, "why": health.message})


def _told(public_id: str, event: object) -> dict[str, object]:
    """An event in the words of the page's live region."""
    row = replica.get().row(public_id)
    severity = min(max(int(getattr(event, "severity", 0)), 0), 4)
    return {
        "account": public_id,
        "login": row.login if row else public_id,
        "severity": severity,
        "word": SEVERITY_WORDS[severity],
        "reason": getattr(event, "reason", ""),
        "at": getattr(event, "at_ms", None),
    }

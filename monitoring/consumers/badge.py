"""How many alerts nobody has taken up and how many violations wait for a decision, told to the risk team's sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol
from weakref import WeakKeyDictionary

import structlog
from channels.db import database_sync_to_async
from django.db import DatabaseError

from monitoring import replica
from monitoring.consumers.windows import html_frame

ALERTS, REVIEWS = "alert-count", "review-count"  # fragments in the navigation of every page; alerts brings its own
AT_MOST_EVERY = 0.1  # seconds
REVIEWS_EVERY = 5.0  # nobody is told of a decision or of a flag's record: it is looked for

log = structlog.get_logger(__name__)


class Reader(Protocol):
    """A socket as the badge sees it."""

    def note(self, kind: str, text: str, even_hidden: bool) -> None:
        """Take a text; the newest of a kind counts."""


class Badge:
    """Listens while there are readers; runs in the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._readers: set[Reader] = set()
        self._html: dict[str, str] = {}
        self._changed = False
        self._looking: asyncio.Task[None] | None = None
        self._work: asyncio.Task[None] | None = None
        self._end_listening: Callable[[], None] | None = None

    def join(self, reader: Reader) -> None:
        """Begin to tell a socket; it gets the number at once."""
        self._readers.add(reader)
        if self._end_listening is None:
            self._end_listening = replica.listen("alerts", self._from_thread)
            self._looking = self._loop.create_task(self._look())
        for name, text in self._html.items():
            reader.note(f"html:{name}", text, even_hidden=True)
        self._alerts_changed()

    def leave(self, reader: Reader) -> None:
        """Stop telling a socket."""
        self._readers.discard(reader)
        if not self._readers and self._end_listening is not None:
            self._end_listening()
            self._end_listening, self._html = None, {}
            if self._looking is not None:
                self._looking.cancel()

    def _from_thread(self, payload: bytes) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._alerts_changed)

    def _alerts_changed(self) -> None:
        self._changed = True
        if self._work is None or self._work.done():
            self._work = self._loop.create_task(self._tell())

    async def _tell(self) -> None:
        while self._changed and self._readers:
            self._changed = False
            if not await self._push(ALERTS):
                return
            await asyncio.sleep(AT_MOST_EVERY)

    async def _look(self) -> None:
        while self._readers:
            await self._push(REVIEWS)
            await asyncio.sleep(REVIEWS_EVERY)

    async def _push(self, name: str) -> bool:
        """Render one and tell everybody if it is another than before; False if it cannot be counted."""
        try:
            html = await database_sync_to_async(replica.render_fragment)(name)
        except DatabaseError as error:
            log.warning("not_counted", fragment=name, error=str(error))
            return False
        text = html_frame(name, html)
        if html and text != self._html.get(name):
            self._html[name] = text
            for reader in list(self._readers):
                reader.note(f"html:{name}", text, even_hidden=True)
        return True


_badges: WeakKeyDictionary[asyncio.AbstractEventLoop, Badge] = WeakKeyDictionary()


def badge() -> Badge:
    """The badge of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _badges:
        _badges[loop] = Badge(loop)
    return _badges[loop]

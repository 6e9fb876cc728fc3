"""The feeds' socket: the state of every upstream and of RiskDesk's own processes, once a second."""

from __future__ import annotations

import asyncio
from time import monotonic, time
from urllib.parse import parse_qsl

from channels.db import database_sync_to_async
from django.template.loader import render_to_string

from accounts.permissions import SocketUser, may_watch_desk
from monitoring import replica
from monitoring.consumers.base import LiveConsumer
from monitoring.consumers.messages import Sub
from monitoring.consumers.windows import PROTOCOL, Delta, encode
from monitoring.replica.feeds import FeedQuery, feeds_page

EVERY = 1.0


class FeedsConsumer(LiveConsumer):
    """`/ws/feeds/`: the fragment `#feeds`, filtered and sorted as the page's query says."""

    refusal = "The feeds are for the risk team."

    async def allowed(self, user: SocketUser) -> bool:
        """The risk team."""
        return may_watch_desk(user.role)

    async def opened(self) -> None:
        """Begin to tell."""
        self.query: FeedQuery | None = None
        self.seq = 0
        self._html = ""
        self._spawn(self._run())

    async def subscribed(self, message: Sub) -> None:
        """Take the page's query."""
        asked = dict(parse_qsl(message.view))
        if said := FeedQuery.complaints(asked):
            self.refuse(" ".join(said))
        self.query = FeedQuery.parse(asked)
        self._html = ""

    async def _run(self) -> None:
        while True:
            self._beat()
            if self.query is not None and not self.pace.hidden and self.pace.in_flight is None:
                await self._show(self.query)
            self.look()
            await asyncio.sleep(EVERY)

    def _beat(self) -> None:
        health = replica.get().health()
        frame = {"t": "hb", "ts": health.data_ms, "now": int(time() * 1000), "live": health.live}
        self.note("hb", encode({"v": PROTOCOL, **frame, "since": health.since_ms, "why": health.message}), True)

    async def _show(self, query: FeedQuery) -> None:
        """Send the fragment, and an empty change after it whose acknowledgement says that the page keeps up."""
        html = await database_sync_to_async(_render, thread_sensitive=False)(query)
        if html == self._html:
            return
        self._html = html
        self.seq += 1
        self.note("html:feeds", encode({"v": PROTOCOL, "t": "html", "id": "feeds", "html": html}))
        self.outbox.put("frame", Delta().encode(self.seq, replica.get().health().data_ms))
        self.pace.restart(self.seq, monotonic())


def _render(query: FeedQuery) -> str:
    return render_to_string("monitoring/_feeds.html", feeds_page(replica.get(), query, int(time() * 1000)))[:]

"""The desk's socket: a window of the book that follows the query, the figures, the banners and the rail."""

from __future__ import annotations

from time import monotonic

from accounts.permissions import SocketUser, may_watch_desk
from monitoring import replica
from monitoring.consumers.base import LiveConsumer
from monitoring.consumers.hub import hub
from monitoring.consumers.messages import Sub
from monitoring.consumers.windows import Delta, ViewGroup
from monitoring.replica import DeskQuery


class DeskConsumer(LiveConsumer):
    """`/ws/desk/`: `sub` is answered by a `snap`, then by what changes."""

    refusal = "The desk is for the risk team."
    group: ViewGroup | None = None
    _wanted: Sub | None = None

    async def allowed(self, user: SocketUser) -> bool:
        """The risk team."""
        return may_watch_desk(user.role)

    async def opened(self) -> None:
        """Join the clock."""
        self.hub = hub()
        self.hub.join(self)

    async def closed(self) -> None:
        """Leave the clock."""
        hub().leave(self)

    async def subscribed(self, message: Sub) -> None:
        """Show a view: at once, or after the frame in flight, so that asking often costs nothing."""
        self._wanted = message
        if said := DeskQuery.complaints_of(message.view):
            self.refuse(" ".join(said))
        if self.pace.in_flight is None or self.group is None:
            self._show()

    async def shown(self) -> None:
        """Bring the fragments up to date."""
        self.hub.refresh(self)

    async def held(self, on: bool) -> None:
        """Hold the order, or rank at once."""
        if self._wanted is None and (delta := self.hub.hold(self, on)):
            self.offer(delta, self.hub.seq, replica.get().health().data_ms)

    def offer(self, delta: Delta, seq: int, ts: int | None) -> None:
        """As the base, but a view that waits goes first."""
        if self._wanted is None:
            super().offer(delta, seq, ts)
        elif self.pace.in_flight is None:
            self._show()

    def _show(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is None:
            return
        self.group = self.hub.window(DeskQuery.from_string(wanted.view), wanted.offset, wanted.limit)
        if wanted.hold:
            self.hub.hold(self, on=True)
        self.outbox.put("frame", self.group.snapshot(self.hub.seq, replica.get().health().data_ms))
        self.pace.restart(self.hub.seq, monotonic())

"""How fast one browser gets what: one unacknowledged update in flight, the rest merged, the newest note of a kind."""

from __future__ import annotations

import asyncio

from monitoring.consumers.windows import Delta

ACK_WITHIN = 30.0  # seconds, from a visible page
HEARD_WITHIN = 45.0  # a page pings every 15 s
HEARD_WITHIN_HIDDEN = 180.0  # browsers slow the timers of hidden tabs
OUTBOX_LIMIT = 50


class Pace:
    """What a browser has been sent, has acknowledged and is still owed. `now` is a monotonic clock in seconds."""

    def __init__(self, now: float) -> None:
        self.hidden = False
        self.in_flight: int | None = None
        self._newest = 0  # the highest seq ever sent
        self._sent_at = self._heard_at = now
        self._owed = Delta()

    def offer(self, delta: Delta, seq: int, ts: int | None, now: float) -> str | None:
        """The frame to send now, or None: the change is then kept and merged."""
        if self._owed:
            delta = self._owed = self._owed.merged(delta) if delta else self._owed
        elif not delta:
            return None
        if self.in_flight is not None or self.hidden:
            self._owed = delta
            return None
        self._owed = Delta()
        self.in_flight, self._newest, self._sent_at = seq, seq, now
        return delta.encode(seq, ts)

    def restart(self, seq: int, now: float) -> None:
        """A snapshot goes out: it holds all that was owed."""
        self._owed = Delta()
        self.in_flight, self._newest, self._sent_at = seq, seq, now

    def ack(self, seq: int) -> bool:
        """Note an acknowledgement; False for one of a frame that was never sent."""
        if seq > self._newest:
            return False
        if seq == self.in_flight:
            self.in_flight = None
        return True

    def heard(self, now: float) -> None:
        """The browser said something."""
        self._heard_at = now

    def show(self, hidden: bool, now: float) -> None:
        """The page was hidden or shown; the time to acknowledge begins anew when it is shown."""
        self.hidden, self._sent_at = hidden, now

    def lost(self, now: float) -> bool:
        """Whether the browser has stopped reading."""
        if now - self._heard_at > (HEARD_WITHIN_HIDDEN if self.hidden else HEARD_WITHIN):
            return True
        return self.in_flight is not None and not self.hidden and now - self._sent_at > ACK_WITHIN


class Outbox:
    """Texts on their way to one socket, the newest of each kind only, so that a slow one costs nobody anything."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._ready = asyncio.Event()

    def put(self, kind: str, text: str) -> None:
        """Queue a text, in place of an unsent one of its kind."""
        self._texts.pop(kind, None)
        self._texts[kind] = text
        if len(self._texts) > OUTBOX_LIMIT:
            del self._texts[next(iter(self._texts))]
        self._ready.set()

    async def take(self) -> str:
        """The oldest text, waiting for one."""
        while not self._texts:
            self._ready.clear()
            await self._ready.wait()
        return self._texts.pop(next(iter(self._texts)))

"""What every live socket does: gates at connect and again, pace and back-pressure, bad messages, a clean end.

Close codes: 4401 not signed in · 4403 the role does not allow it (audited) · 4400 twenty messages that made no sense ·
4008 the page stopped reading · 4012 this server stops (come again) · 4013 the database cannot be asked who you are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, ClassVar

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError

from accounts.audit import record_refusal
from accounts.permissions import SocketUser, may_watch_desk, socket_user
from monitoring import metrics, replica
from monitoring.consumers import farewell
from monitoring.consumers.badge import badge
from monitoring.consumers.messages import Ack, Hold, Message, Ping, Refused, Sub, Vis, decode
from monitoring.consumers.pace import Outbox, Pace
from monitoring.consumers.windows import PROTOCOL, Delta, encode

BAD_MESSAGES = 20
LOOK_AGAIN = 30.0  # seconds between looks at the session and role
ANONYMOUS, FORBIDDEN, NONSENSE, NOT_READING, LATER = 4401, 4403, 4400, 4008, 4013

log = structlog.get_logger(__name__)


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """Base of the live sockets. A subclass says who may (`allowed`) and what `sub` and `hold` do."""

    refusal: ClassVar[str] = "This socket is not for your role."
    user: SocketUser | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve, and be counted meanwhile."""
        sockets = metrics.WEB_SOCKETS.labels(type(self).__name__.removesuffix("Consumer"))
        sockets.inc()
        try:
            await super().__call__(scope, receive, send)
        finally:
            sockets.dec()

    # -- for subclasses --------------------------------------------------------------------------------------------

    async def allowed(self, user: SocketUser) -> bool:
        """Whether the user may have this socket; asked at connect and again."""
        raise NotImplementedError

    async def opened(self) -> None:
        """The user is known and may."""

    async def closed(self) -> None:
        """The socket has ended."""

    async def subscribed(self, message: Sub) -> None:
        """The page asks for a view."""

    async def shown(self) -> None:
        """The page was hidden and is visible again."""

    async def held(self, on: bool) -> None:
        """The page holds or releases its order."""

    # -- sending ---------------------------------------------------------------------------------------------------

    def offer(self, delta: Delta, seq: int, ts: int | None) -> None:
        """Send a change now, or owe it until the last one is acknowledged."""
        if text := self.pace.offer(delta, seq, ts, monotonic()):
            self.outbox.put("frame", text)

    def note(self, kind: str, text: str, even_hidden: bool = False) -> None:
        """Send what needs no acknowledgement; the newest of a kind counts."""
        if even_hidden or not self.pace.hidden:
            self.outbox.put(kind, text)

    def refuse(self, why: str) -> None:
        """Answer what cannot be done as it was asked."""
        self.outbox.put("error", encode({"v": PROTOCOL, "t": "error", "message": why}))

    def look(self) -> None:
        """Close a socket whose page stopped reading; called each second."""
        if self.pace.lost(monotonic()):
            self._spawn(self.end(NOT_READING))

    async def end(self, code: int) -> None:
        """Close the socket and stop what serves it."""
        self.user = None
        for task in list(self._tasks - {asyncio.current_task()}):
            task.cancel()
        await self.close(code=code)

    # -- the socket ------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Accept, so that the browser can read a close code, then ask who it is."""
        self.pace, self.outbox = Pace(monotonic()), Outbox()
        self._bad = 0
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._look_again = asyncio.Event()
        self._end_listening: Callable[[], None] | None = None
        await self.accept()
        try:
            self.user = await self._admit()
        except DatabaseError:
            log.exception("socket_user_unknown")
            await self.end(LATER)
            return
        if self.user is None:
            return
        self._end_listening = replica.listen("people", self._people_from_thread)
        farewell.join(id(self), self.end)
        self._spawn(self._send_all())
        self._spawn(self._keep_looking())
        if may_watch_desk(self.user.role):
            badge().join(self)
        await self.opened()

    async def disconnect(self, code: int) -> None:
        """End everything that was begun."""
        if self._end_listening:
            self._end_listening()
        farewell.leave(id(self))
        badge().leave(self)
        for task in list(self._tasks):
            task.cancel()
        await self.closed()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """A message of the browser; what makes no sense is answered, and ends the socket when it goes on."""
        if self.user is None:
            return
        self.pace.heard(monotonic())
        try:
            await self._do(decode(text_data, bytes_data))
        except Refused as refusal:
            self._bad += 1
            self.refuse(str(refusal))
            if self._bad >= BAD_MESSAGES:
                await self.end(NONSENSE)

    async def _do(self, message: Message) -> None:
        match message:
            case Ack(seq):
                if not self.pace.ack(seq):
                    raise Refused(f"frame {seq} was never sent")
            case Vis(hidden):
                was, self.pace.hidden = self.pace.hidden, hidden
                self.pace.show(hidden, monotonic())
                if was and not hidden:
                    await self.shown()
            case Sub():
                await self.subscribed(message)
            case Hold(on):
                await self.held(on)
            case Ping():
                pass

    async def _admit(self) -> SocketUser | None:
        """The user, if he may; else close, and write down a refusal."""
        user = await socket_user(self.scope)
        if user is None:
            await self.end(ANONYMOUS)
            return None
        if not await self.allowed(user):
            await self.end(FORBIDDEN)
            await database_sync_to_async(record_refusal)(user, self.scope["path"], self.refusal)
            return None
        return user

    def _people_from_thread(self, who: bytes) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._people, who)

    def _people(self, who: bytes) -> None:
        if not who or (self.user and who == str(self.user.id).encode()):
            self._look_again.set()

    async def _keep_looking(self) -> None:
        """Ask again who this is: every 30 s, and at once when somebody changed the user."""
        while self.user is not None:
            try:
                async with asyncio.timeout(LOOK_AGAIN):
                    await self._look_again.wait()
            except TimeoutError:
                pass  # the regular look
            self._look_again.clear()
            try:
                self.user = await self._admit()
            except DatabaseError as error:
                log.warning("socket_not_rechecked", error=str(error))

    async def _send_all(self) -> None:
        while True:
            await self.send(text_data=await self.outbox.take())
            metrics.WEB_FRAMES.inc()

    def _spawn(self, work: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

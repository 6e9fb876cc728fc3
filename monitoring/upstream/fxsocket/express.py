"""Connections that stand ready for commands: a request leaves in the caller's own turn of the loop.

A pooled client answers the question "which connection, which timeout, which redirect" anew for each request, and needs
turns of the loop for it; a breach has no time for that. Here a few lines are connected ahead, the request is written
to one of them at once, and only its answer is waited for. `h11` says what HTTP is; a line does one request at a time.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import NamedTuple

import h11
from yarl import URL

READY = 6  # lines that stand idle
MOST = 64  # lines in all, busy ones included
RENEW_S = 30.0  # an idle line is replaced before the upstream or something between gives it up silently
RETRY_S = 1.0
LARGEST_ANSWER = 8 << 20  # bytes


class Answer(NamedTuple):
    """What came back: `retry_after` is the header as it stands."""

    status: int
    retry_after: str | None
    body: bytes


class LineLost(Exception):
    """The connection ended, or spoke no HTTP, before the answer was whole: what was sent may have been done."""


class Line(asyncio.Protocol):
    """One connection; `busy` from the request to the end of its answer."""

    def __init__(self, express: Express) -> None:
        self._express = express
        self._http = h11.Connection(h11.CLIENT)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._head: h11.Response | None = None
        self._body = bytearray()
        self.idle_since = self._born = asyncio.get_running_loop().time()
        self._answered = False

    @property
    def cut_short(self) -> bool:
        """Whether the upstream ended it as soon as it stood, so that another would fare no better."""
        return not self._answered and asyncio.get_running_loop().time() - self._born < RETRY_S

    @property
    def usable(self) -> bool:
        """Whether a request may be written now."""
        return self._transport is not None and not self._transport.is_closing() and self._answer is None

    def send(self, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> asyncio.Future[Answer]:
        """Write a POST at once; the future fails with LineLost or TimeoutError."""
        assert self._transport is not None
        head = b"".join(b"%b: %b\r\n" % header for header in headers)
        self._transport.write(b"POST %b HTTP/1.1\r\n%b\r\n%b" % (target, head, body))
        # The bytes are under way; h11 only needs to know what was said, to understand the answer.
        self._http.send(h11.Request(method=b"POST", target=target, headers=headers))
        self._http.send(h11.Data(data=body))
        self._http.send(h11.EndOfMessage())
        self._answer = asyncio.get_running_loop().create_future()
        return self._answer

    def end(self) -> None:
        """Close; a request under way fails with LineLost."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Part of an answer, or something that nobody asked for: then the line ends."""
        try:
            self._http.receive_data(data)
            while (event := self._http.next_event()) is not h11.NEED_DATA and event is not h11.PAUSED:
                self._take(event)
                if isinstance(event, h11.ConnectionClosed):
                    return  # it would say so for ever
        except h11.RemoteProtocolError as error:
            self._fail(LineLost(f"no HTTP: {error}"))

    def eof_received(self) -> bool:
        """The upstream ends the connection; an answer without a length ends with it."""
        self.data_received(b"")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Over, for whatever reason."""
        self._fail(LineLost(f"connection lost: {exc or 'closed by the upstream'}"))
        self._express.gone(self)

    def _take(self, event: object) -> None:
        if isinstance(event, h11.Response):
            self._head, self._body = event, bytearray()
        elif isinstance(event, h11.Data):
            self._body += event.data
            if len(self._body) > LARGEST_ANSWER:
                raise h11.RemoteProtocolError(f"answer over {LARGEST_ANSWER} bytes")
        elif isinstance(event, h11.EndOfMessage):
            self._finish()
        elif isinstance(event, h11.ConnectionClosed):
            self._fail(LineLost("closed by the upstream"))

    def _finish(self) -> None:
        answer, head = self._answer, self._head
        self._answer = self._head = None
        self._answered = True
        again = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if again:
            self._http.start_next_cycle()
            self.idle_since = asyncio.get_running_loop().time()
        else:
            self.end()
        if answer is not None and not answer.done() and head is not None:
            waits = next(
                (value.decode("ascii", "replace") for name, value in head.headers if name == b"retry-after"), None
            )
            answer.set_result(Answer(head.status_code, waits, bytes(self._body)))
        if again:
            self._express.free(self)

    def _fail(self, error: LineLost) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()


class Express:
    """The lines to one upstream. `post` is None when none stands ready: the caller has a slower way."""

    def __init__(
        self, base: str, headers: dict[str, str], *, total_s: float, connect_s: float, ready: int = READY
    ) -> None:
        url = URL(base)
        self._host, self._port = url.host or "", url.port or 0
        self._tls = ssl.create_default_context() if url.scheme == "https" else None
        self._path = url.raw_path.rstrip("/")
        authority = url.raw_authority.rpartition("@")[2]
        given = {"Host": authority, **headers, "Content-Type": "application/json"}
        self._headers = [(name.encode(), value.encode()) for name, value in given.items()]
        self._total_s, self._connect_s, self._ready = total_s, connect_s, ready
        self._idle: deque[Line] = deque()
        self._lines: set[Line] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._cut = False  # a line was ended as soon as it stood

    def open(self) -> None:
        """Begin to keep lines ready; opening twice is harmless."""
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep(), name="express lines")

    async def close(self) -> None:
        """End every line; requests under way fail with LineLost."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for line in tuple(self._lines):
            line.end()

    @property
    def ready(self) -> int:
        """How many requests could leave at once."""
        return sum(line.usable for line in self._idle)

    def post(self, path: str, body: bytes, key: str) -> asyncio.Future[Answer] | None:
        """Write a POST to a line that stands ready; `path` and `key` are quoted already, `path` is below the base."""
        while self._idle:
            line = self._idle.popleft()
            if line.usable:
                break
        else:
            return None
        extra = [(b"Idempotency-Key", key.encode("ascii")), (b"Content-Length", b"%d" % len(body))]
        answer = line.send((self._path + path).encode("ascii"), [*self._headers, *extra], body)
        limit = asyncio.get_running_loop().call_later(self._total_s, self._late, line, answer)
        answer.add_done_callback(lambda _: limit.cancel())
        self._wanted.set()
        return answer

    def free(self, line: Line) -> None:
        """A line's answer is whole: it stands ready again, or goes when there are more than enough."""
        if len(self._idle) < self._ready:
            self._idle.append(line)
        else:
            line.end()

    def gone(self, line: Line) -> None:
        """A line has ended."""
        self._cut |= line.cut_short
        self._lines.discard(line)
        if line in self._idle:
            self._idle.remove(line)
        self._wanted.set()

    def _late(self, line: Line, answer: asyncio.Future[Answer]) -> None:
        if not answer.done():
            answer.set_exception(TimeoutError(f"no answer within {self._total_s:g} s"))
        line.end()

    async def _keep(self) -> None:
        """Connect what is missing, replace what stood idle long; an upstream that refuses is asked once a second."""
        while True:
            self._wanted.clear()
            refused = False
            while len(self._idle) < self._ready and len(self._lines) < MOST and not (refused or self._cut):
                refused = not await self._connect()
            if refused or self._cut:
                self._cut = False
                await asyncio.sleep(RETRY_S)
                continue
            try:
                # Not wait_for: before Python 3.12 it may swallow the cancellation that ends this task.
                async with asyncio.timeout(RENEW_S / 4):
                    await self._wanted.wait()
            except TimeoutError:
                self._renew()

    async def _connect(self) -> bool:
        loop = asyncio.get_running_loop()
        name = self._host if self._tls else None
        try:
            async with asyncio.timeout(self._connect_s):
                _, line = await loop.create_connection(
                    lambda: Line(self), self._host, self._port, ssl=self._tls, server_hostname=name
                )
        except (OSError, TimeoutError):
            return False  # the slower way says so in its result, and the feed's state says it to everybody
        self._lines.add(line)
        self._idle.append(line)
        return True

    def _renew(self) -> None:
        old = asyncio.get_running_loop().time() - RENEW_S
        for line in [line for line in self._idle if line.idle_since < old]:
            line.end()

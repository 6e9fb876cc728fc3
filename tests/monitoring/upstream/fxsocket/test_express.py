"""Lines that stand ready: the request leaves at once, whatever HTTP allows an answer to look like is understood."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from monitoring.upstream.fxsocket import express as module
from monitoring.upstream.fxsocket.express import READY, Express, LineLost
from tests.waiting import aeventually

BUSY = b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """A server that reads whole requests and writes what the test tells, piece by piece; b"" ends the connection."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.pieces: list[bytes] = [OK]
        self.gate = asyncio.Event()
        self.gate.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                await self.gate.wait()
                for piece in self.pieces:
                    if not piece:
                        return
                    writer.write(piece)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def express(peer: Peer, *, total_s: float = 10.0, ready: int = READY) -> AsyncIterator[Express]:
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    lines = Express(f"http://127.0.0.1:{port}/v1", {"X": "y"}, total_s=total_s, connect_s=10.0, ready=ready)
    lines.open()
    try:
        await aeventually(lambda: lines.ready == ready)
        yield lines
    finally:
        await lines.close()
        server.close()


async def test_the_request_leaves_before_anybody_awaits_its_answer() -> None:
    peer = Peer()
    async with express(peer) as lines:
        answer = lines.post("/accounts/a/close-all", b'{"a":1}', "k")
        assert answer is not None
        await aeventually(lambda: peer.requests)
        assert (await answer).status == 200
    head, _, body = peer.requests[0].partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    assert line == b"POST /v1/accounts/a/close-all HTTP/1.1"
    assert {b"X: y", b"Idempotency-Key: k", b"Content-Length: 7", b"Content-Type: application/json"} <= set(headers)
    assert body == b'{"a":1}'


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy"],
        [
            b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbu\r\n",
            b"2\r\nsy\r\n0\r\n\r\n",
        ],
        [b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nConnection: close\r\n\r\nbu", b"sy", b""],
        [b"HTTP/1.0 503 Busy\r\nRetry-After: 7\r\n\r\nbusy", b""],
        [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy"],
    ],
    ids=["length", "chunked", "until the end", "old", "continue"],
)
async def test_answers_of_every_form(pieces: list[bytes]) -> None:
    peer = Peer()
    peer.pieces = pieces
    async with express(peer) as lines:
        for _ in range(READY + 3):
            await aeventually(lambda: lines.ready)
            answer = lines.post("/x", b"{}", "k")
            assert answer is not None
            assert await answer == (503, "7", b"busy")


@pytest.mark.parametrize(
    "pieces", [[b""], [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", b""], [b"nonsense\r\n\r\n"]]
)
async def test_no_whole_answer_is_a_lost_line_and_another_takes_its_place(pieces: list[bytes]) -> None:
    peer = Peer()
    peer.pieces = pieces
    async with express(peer, ready=1) as lines:
        answer = lines.post("/x", b"{}", "k")
        assert answer is not None
        with pytest.raises(LineLost):
            await answer
        peer.pieces = [OK]
        await aeventually(lambda: lines.ready)
        again = lines.post("/x", b"{}", "k")
        assert again is not None
        assert (await again).status == 200


async def test_silence_is_a_timeout_and_ends_the_line() -> None:
    peer = Peer()
    peer.gate.clear()
    async with express(peer, total_s=0.2, ready=1) as lines:
        answer = lines.post("/x", b"{}", "k")
        assert answer is not None
        with pytest.raises(TimeoutError):
            await answer
        await aeventually(lambda: peer.connections >= 2 and lines.ready)
        peer.gate.set()


async def test_when_every_line_is_busy_the_caller_is_told() -> None:
    peer = Peer()
    peer.gate.clear()
    async with express(peer, ready=2) as lines:
        answers = [lines.post("/x", b"{}", "k") for _ in range(3)]
        assert [answer is None for answer in answers] == [False, False, True]
        peer.gate.set()
        for answer in answers[:2]:
            assert answer is not None
            assert (await answer).status == 200


async def test_closing_loses_what_is_under_way() -> None:
    peer = Peer()
    peer.gate.clear()
    async with express(peer, ready=1) as lines:
        answer = lines.post("/x", b"{}", "k")
        assert answer is not None
        await lines.close()
        with pytest.raises(LineLost):
            await answer
        peer.gate.set()


async def test_an_upstream_that_hangs_up_at_once_is_asked_with_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.2)
    calls: list[asyncio.StreamWriter] = []

    def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(writer)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    lines = Express(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", {}, total_s=1.0, connect_s=10.0)
    async with server:
        began = asyncio.get_running_loop().time()
        lines.open()
        await aeventually(lambda: len(calls) > 3 * READY)
        assert asyncio.get_running_loop().time() - began > 0.5
        await lines.close()

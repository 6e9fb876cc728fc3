"""The stream by `websockets`: slower, pure Python where it must be, the same behaviour."""

from __future__ import annotations

import asyncio
import logging

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as ws_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from monitoring.upstream.fxsocket.outcome import parse_retry_after
from monitoring.upstream.fxsocket.stream import ABNORMAL, HANDSHAKE_S, LARGEST_FRAME, Ended, Sink, StreamRefused

_log = logging.getLogger(__name__)
_log.setLevel(logging.INFO)  # at DEBUG the library writes the whole upgrade request, the key included


class _Stream:
    def __init__(self, connection: ClientConnection, sink: Sink) -> None:
        self._connection = connection
        self._sink = sink
        self._pings: set[asyncio.Task[None]] = set()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> Ended:
        try:
            while True:
                data = await self._connection.recv(decode=False)
                self._sink.take(data)
        except ConnectionClosed as error:
            closed = error.rcvd or error.sent
            return Ended(closed.code, closed.reason) if closed else Ended(ABNORMAL)
        finally:
            self._connection.transport.abort()

    def ping(self) -> None:
        task = asyncio.create_task(self._ping())
        self._pings.add(task)
        task.add_done_callback(self._pings.discard)

    async def _ping(self) -> None:
        try:
            await (await self._connection.ping())
        except ConnectionClosed:
            return  # the reader tells of the end
        self._sink.pong()

    def abort(self) -> None:
        self._connection.transport.abort()

    async def ended(self) -> Ended:
        return await asyncio.shield(self._reading)


async def connect(url: str, headers: dict[str, str], sink: Sink) -> _Stream:
    """Open the socket; StreamRefused when the upstream answers otherwise."""
    try:
        connection = await ws_connect(
            url,
            additional_headers=headers,
            max_size=LARGEST_FRAME,
            compression=None,
            open_timeout=HANDSHAKE_S,
            ping_interval=None,
            proxy=None,
            logger=_log,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        retry_after = parse_retry_after(error.response.headers.get("Retry-After"))
        raise StreamRefused(f"HTTP {status}", status, retry_after) from error
    except InvalidHandshake as error:
        raise StreamRefused(f"no answer to the upgrade: {error}") from error
    sink.opened()
    return _Stream(connection, sink)

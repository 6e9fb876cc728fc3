"""The stream by picows: frames are handled inside the read callback, no task, no queue."""

from __future__ import annotations

from picows import (
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSProtocolError,
    WSTransport,
    ws_connect,
)

from monitoring.upstream.fxsocket.outcome import parse_retry_after
from monitoring.upstream.fxsocket.stream import HANDSHAKE_S, LARGEST_FRAME, Ended, Sink, StreamRefused

READ_BUFFER = 32 << 10  # bytes: some 80 frames a read; a larger one costs more by cache than it saves in calls
_TEXT, _BINARY, _CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
_PONG, _CLOSE = WSMsgType.PONG, WSMsgType.CLOSE


class _Listener(WSListener):
    """Feeds the sink; puts fragments together, never more than LARGEST_FRAME of them."""

    def __init__(self, sink: Sink) -> None:
        self._take = sink.take
        self._sink = sink
        self._parts: bytearray | None = None
        self.ended = Ended()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._sink.opened()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        data = frame.get_payload_as_bytes()
        # RFC 6455: control frames are at most 125 bytes. `msg_type` is dear, so it is asked where size does not decide.
        if len(data) > 125 and frame.fin and self._parts is None:
            self._take(data)
            return
        kind = frame.msg_type
        if kind in (_TEXT, _BINARY, _CONTINUATION):
            self._fragment(data, frame.fin)
        elif kind is _PONG:
            self._sink.pong()
        elif kind is _CLOSE:
            self.ended = _closed(data)
            transport.disconnect()

    def _fragment(self, data: bytes, last: bool) -> None:
        parts = self._parts if self._parts is not None else bytearray()
        if len(parts) + len(data) <= LARGEST_FRAME:
            parts += data
        self._parts = None if last else parts
        if last:
            self._take(bytes(parts))


def _closed(payload: bytes) -> Ended:
    """Code and reason of a close frame; codes from 4000 are the upstream's own, which picows has no name for."""
    if len(payload) < 2:
        return Ended(1005)
    return Ended(int.from_bytes(payload[:2]), payload[2:].decode("utf-8", "replace"))


class _Stream:
    def __init__(self, transport: WSTransport, listener: _Listener) -> None:
        self._transport = transport
        self._listener = listener

    def ping(self) -> None:
        self._transport.send_ping()

    def abort(self) -> None:
        self._transport.disconnect(graceful=False)

    async def ended(self) -> Ended:
        try:
            await self._transport.wait_disconnected()
        except WSProtocolError as error:
            return Ended(int(error.code), str(error))
        return self._listener.ended


async def connect(url: str, headers: dict[str, str], sink: Sink) -> _Stream:
    """Open the socket; StreamRefused when the upstream answers otherwise. Redirects are not followed with our key."""
    try:
        transport, listener = await ws_connect(
            lambda: _Listener(sink),
            url,
            extra_headers=headers,
            max_frame_size=LARGEST_FRAME,
            websocket_handshake_timeout=HANDSHAKE_S,
            max_redirects=0,
            read_buffer_init_size=READ_BUFFER,
        )
    except WSHandshakeError as error:
        answer = error.response
        status = None if answer is None else int(answer.status)
        retry_after = None if answer is None else parse_retry_after(answer.headers.get("Retry-After"))
        raise StreamRefused(f"HTTP {status}" if status else "no answer to the upgrade", status, retry_after) from error
    if not isinstance(listener, _Listener):  # picows calls an end before the first byte a success, without a listener
        raise StreamRefused("no answer to the upgrade")
    return _Stream(transport, listener)

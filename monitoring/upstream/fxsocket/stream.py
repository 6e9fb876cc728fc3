"""One websocket to the upstream: picows, or `websockets` where picows has no wheel. Both hand bytes to a `Sink`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qs, urlsplit, urlunsplit

# Frames up to here are read whole so that decode can refuse them and the stream goes on; a larger one ends the socket.
LARGEST_FRAME = 64 << 20
HANDSHAKE_S = 5.0
LIBRARY = "picows"  # or "websockets", for tests and benchmarks of both
ABNORMAL = 1006
TOO_BIG = 1009

Take = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Sink:
    """Where a stream's arrivals go: `opened` first, then `take` each frame and `pong` each pong."""

    opened: Callable[[], None]
    take: Take
    pong: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a stream ended: a close code of RFC 6455 or of `upstream.md`, 1006 where there was none."""

    code: int = ABNORMAL
    reason: str = ""


class StreamRefused(Exception):
    """The upgrade was answered with something else than 101; `status` is its HTTP status, None without an answer."""

    def __init__(self, message: str, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Stream(Protocol):
    """An open websocket."""

    def ping(self) -> None:
        """Send a ping; the pong comes to the sink."""

    def abort(self) -> None:
        """Drop the connection at once: a half-open one answers no close frame."""

    async def ended(self) -> Ended:
        """Wait for the end; raises what a sink's callback raised."""


def stream_url(url: str) -> str:
    """The configured stream URL, for all accounts unless its query says which."""
    parts = urlsplit(url)
    if {"accounts", "account"} & parse_qs(parts.query, keep_blank_values=True).keys():
        return url
    query = f"{parts.query}&accounts=all" if parts.query else "accounts=all"
    return urlunsplit(parts._replace(query=query))


async def open_stream(url: str, headers: dict[str, str], sink: Sink) -> Stream:
    """Connect by the library at hand; StreamRefused or OSError when it cannot be."""
    if LIBRARY == "picows":
        try:
            from monitoring.upstream.fxsocket.stream_picows import connect
        except ImportError:  # no wheel for this platform
            pass
        else:
            return await connect(url, headers, sink)
    from monitoring.upstream.fxsocket.stream_websockets import connect as connect_websockets

    return await connect_websockets(url, headers, sink)

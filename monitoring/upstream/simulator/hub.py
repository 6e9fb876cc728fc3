"""Fan-out: each frame is made once and written to the sockets that want it, many frames in one write."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Iterable

from monitoring.upstream.simulator import wire
from monitoring.upstream.simulator.faults import FRAME_KINDS, Faults
from monitoring.upstream.simulator.frame_faults import FrameFaults
from monitoring.upstream.simulator.ledger import Account
from monitoring.upstream.simulator.market import Quote

ALIASES = {"position_open": "order_opened", "position_close": "order_closed"}
BUFFER_LIMIT = 8 * 1024 * 1024  # bytes that a reader may leave unread
STUCK_SECONDS = 10.0  # how long a reader may leave them unread


def ws_text(payload: bytes) -> bytes:
    """A whole, unmasked websocket text frame."""
    size = len(payload)
    if size < 126:
        return b"\x81" + bytes((size,)) + payload
    if size < 65536:
        return b"\x81\x7e" + struct.pack("!H", size) + payload
    return b"\x81\x7f" + struct.pack("!Q", size) + payload


class Reader:
    """One socket: what it wants, what waits to be written, how it fares."""

    def __init__(self, transport: asyncio.Transport, scope: frozenset[str] | None) -> None:
        self.transport = transport
        self.scope = scope  # what the key may see; None is everything
        self.all = False
        self.accounts: set[str] = set()
        self.left_out: set[str] = set()  # of all
        self.single = False  # opened as ?account=: order events too
        self.events: set[str] | None = None  # asked for by name; None is the default set
        self.without: set[str] = set()
        self.symbols: set[str] = set()
        self.pending: list[bytes] = []
        self.dropped = 0
        self.stuck_since: float | None = None
        self.half_open = False
        self.last_heard = time.monotonic()
        self.close_code: int | None = None
        self.closing = asyncio.Event()

    def watches(self, account: str) -> bool:
        """Whether this socket follows the account."""
        if self.scope is not None and account not in self.scope:
            return False
        return (self.all and account not in self.left_out) or account in self.accounts

    def wants(self, account: Account, kind: str) -> bool:
        """Whether this socket gets this kind of event of this account."""
        if kind in self.without or not self.watches(account.id):
            return False
        if self.events is not None:
            return kind in self.events
        if account.filter is not None:
            return kind in account.filter
        return self.single or not kind.startswith("order_")

    def close(self, code: int) -> None:
        """Ask the socket's own task to close it with this code."""
        if self.close_code is None:
            self.close_code = code
            self.closing.set()


class Hub:
    """All sockets of the stream."""

    def __init__(self, faults: Faults, buffer_limit: int = BUFFER_LIMIT, stuck_within: float = STUCK_SECONDS) -> None:
        self.readers: set[Reader] = set()
        self.faults = faults
        self.buffer_limit = buffer_limit
        self.stuck_within = stuck_within
        self.empty = asyncio.Event()
        self.empty.set()
        self.frame_faults = FrameFaults(faults)
        self._scheduled = False

    def join(self, reader: Reader) -> None:
        """A socket is served from now on."""
        self.readers.add(reader)
        self.empty.clear()

    def leave(self, reader: Reader) -> None:
        """A socket has ended."""
        self.readers.discard(reader)
        if not self.readers:
            self.empty.set()

    def deliver(self, account: Account, kind: str, frame: bytes) -> None:
        """Give one event to every socket that wants it, through the frame faults."""
        if not self.readers:
            return
        if self.faults.frames and self.faults.find(FRAME_KINDS, account.id):
            self._deliver_faulty(account, kind, frame)
            return
        if self.frame_faults.held:
            self._release(account)
        self._send(account, kind, (frame,))

    def _deliver_faulty(self, account: Account, kind: str, frame: bytes) -> None:
        now, later = self.frame_faults.apply(account.id, kind, frame)
        self._send(account, kind, now)
        if now:
            self._release(account)
        for seconds, frames in later:
            asyncio.get_running_loop().call_later(seconds, self._send, account, kind, frames)

    def _release(self, account: Account) -> None:
        """A held (reordered) frame goes out right behind the next one of its account."""
        for kind, frame in self.frame_faults.release(account.id):
            asyncio.get_running_loop().call_soon(self._send, account, kind, (frame,))

    def _send(self, account: Account, kind: str, frames: Iterable[bytes]) -> None:
        wanting = [reader for reader in self.readers if reader.wants(account, kind)]
        alias = ALIASES.get(kind)
        also = [r for r in self.readers if alias and r.wants(account, alias)] if alias else ()
        for payload in frames if wanting or also else ():
            data = ws_text(payload)
            for reader in wanting:
                self.put(reader, data)
            if also and alias:
                renamed = payload.replace(f'"type":"{kind}"'.encode(), f'"type":"{alias}"'.encode(), 1)
                for reader in also:
                    self.put(reader, ws_text(renamed))

    def tick(self, quotes: Iterable[Quote], now_ms: int) -> None:
        """Send the ticks that somebody subscribed to."""
        wanting = [reader for reader in self.readers if reader.symbols]
        if not wanting:
            return
        for quote in quotes:
            readers = [reader for reader in wanting if quote.symbol.name in reader.symbols]
            if readers:
                data = ws_text(wire.encode(wire.tick_frame(quote, now_ms)))
                for reader in readers:
                    self.put(reader, data)

    def put(self, reader: Reader, data: bytes) -> None:
        """Queue websocket bytes for one socket; they leave at the end of this turn of the loop."""
        if reader.half_open or reader.close_code is not None:
            return
        reader.pending.append(data)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Write what waits: one write a socket. Who does not read loses frames, is warned, and goes with 4429."""
        self._scheduled = False
        for reader in self.readers:
            if reader.pending:
                pending, reader.pending = reader.pending, []
                self._write(reader, pending)

    def _write(self, reader: Reader, pending: list[bytes]) -> None:
        transport = reader.transport
        if reader.close_code is not None or transport.is_closing():
            return
        waiting = transport.get_write_buffer_size()
        if waiting > (self.buffer_limit if reader.stuck_since is None else self.buffer_limit // 2):
            reader.dropped += len(pending)
            now = time.monotonic()
            reader.stuck_since = reader.stuck_since or now
            if now - reader.stuck_since > self.stuck_within:
                reader.close(4429)
            return
        if reader.dropped:
            pending.insert(0, ws_text(wire.encode({"type": "warning", "dropped": reader.dropped})))
            reader.dropped = 0
        reader.stuck_since = None
        transport.write(b"".join(pending))

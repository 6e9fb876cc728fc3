"""The sending side of the socket benchmarks, in a process of its own: REST for the listing, then frames at full speed.

Prints its port. `GET /v1/start` begins the flood on the open websocket; when all is sent, the socket is closed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import socket
import sys
import threading
from contextlib import suppress

ACCOUNTS = 1000
TS = "2026-11-20T10:00:00.000Z"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def payloads(count: int = 10_000) -> list[bytes]:
    """Account updates as the upstream sends them, of a thousand accounts in turn."""
    rng = random.Random(7)
    frames = []
    for number in range(count):
        name = f"acc_{number % ACCOUNTS}"
        profit = rng.randrange(-500_000, 500_000) / 100
        data = {
            "id": name, "account_id": name, "balance": 100000.0, "equity": round(100000.0 + profit, 2), "credit": 0.0,
            "profit": profit, "margin": 1200.0, "free_margin": round(98800.0 + profit, 2), "margin_level": 8229.19,
            "currency": "USD", "leverage": 100, "status": "connected", "open_positions": 2, "last_updated": TS,
        }  # fmt: skip
        frame = {"type": "account_update", "event_id": f"e_{number}", "seq": number // ACCOUNTS + 1, "ts": TS,
                 "account_id": name, "data": data}  # fmt: skip
        frames.append(json.dumps(frame, separators=(",", ":")).encode())
    return frames


def wire(frames: list[bytes]) -> bytes:
    """The frames as a server writes them: one text frame each, unmasked."""
    return b"".join(b"\x81\x7e" + len(frame).to_bytes(2) + frame for frame in frames)


def listing() -> bytes:
    """The accounts, all flat, so that the feed's resync asks for nothing more."""
    rows = [{"id": f"acc_{n}", "balance": 1.0, "equity": 1.0, "open_positions": 0, "seq": 0} for n in range(ACCOUNTS)]
    return json.dumps({"data": rows, "pagination": {}}).encode()


def main(total: int) -> None:
    """Serve until the flood is over."""
    frames = payloads()
    block, rounds = wire(frames), total // len(frames)
    start = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))
    print(server.getsockname()[1], flush=True)
    threading.Thread(target=end_with_the_parent, daemon=True).start()
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=(connection, block, rounds, start), daemon=True).start()


def end_with_the_parent() -> None:
    """Leave no process behind: our standard input closes when the benchmark ends, however it ends."""
    sys.stdin.buffer.read()
    os._exit(1)


def upgrade(key: str) -> bytes:
    """The answer that makes a connection a websocket (RFC 6455)."""
    accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"


def serve(connection: socket.socket, block: bytes, rounds: int, start: threading.Event) -> None:
    """One connection: HTTP requests, or a websocket that gets the flood."""
    reader = connection.makefile("rb")
    while True:
        request = reader.readline()
        if not request:
            return
        headers: dict[str, str] = {}
        while (head := reader.readline()) not in {b"\r\n", b""}:
            name, _, value = head.decode().partition(":")
            headers[name.strip().lower()] = value.strip()
        if "sec-websocket-key" in headers:
            connection.sendall(upgrade(headers["sec-websocket-key"]))
            start.wait()
            for _ in range(rounds):
                connection.sendall(block)
            connection.sendall(b"\x88\x02\x03\xe8")
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(5)
            with suppress(OSError):
                reader.read()
            os._exit(0)
        if b"/start" in request:
            start.set()
        body = listing() if b"/accounts" in request else b"{}"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        connection.sendall(head + body)


if __name__ == "__main__":
    main(int(sys.argv[1]))

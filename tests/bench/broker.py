"""The other side of the breach benchmark, in three processes of its own that share the system's clock.

`rest ACCOUNTS BREACHES` takes the commands and notes when each arrived; `stream ACCOUNTS BREACHES RATE` sends 10,000
updates/s and now and then a breach, and notes when; `post PORT COUNT` posts directly, as a client with nothing else to
do would. Each in a process of its own, so that none of them waits for another's interpreter. `rest` and `stream` print
their port, then one JSON line of what they noted, in seconds of the monotonic clock.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import BinaryIO

from tests.bench.flood import end_with_the_parent, upgrade

BURST_S = 0.002
BREACH_EVERY_S = 0.08
LISTING_S = 0.5  # the monitor reads the accounts before the stream begins
FRAME = (
    b'{"type":"account_update","event_id":"e_%d","seq":%d,"ts":"%s","account_id":"%s","data":{"id":"%s","account_id":"%s",'
    b'"balance":100000.0,"equity":%.2f,"credit":0.0,"profit":%.2f,"margin":1200.0,"free_margin":98750.25,'
    b'"margin_level":8229.19,"currency":"USD","leverage":100,"status":"connected","open_positions":1,"last_updated":"%s"}}'
)


class Stream:
    """Flowing accounts `f_0…`, breaching ones `b_0…`."""

    def __init__(self, accounts: int, breaches: int, rate: int) -> None:
        self.flow = [f"f_{number}".encode() for number in range(accounts)]
        self.breaches, self.rate = breaches, rate
        self.seq: dict[bytes, int] = {}
        self.sent_at: dict[str, float] = {}
        self.updates = 0

    def frame(self, name: bytes, profit: float) -> bytes:
        """The next update of an account, as a server frames it."""
        seq = self.seq[name] = self.seq.get(name, 0) + 1
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
        self.updates += 1
        text = FRAME % (self.updates, seq, now, name, name, name, 100000.0 + profit, profit, now)
        return b"\x81\x7e" + len(text).to_bytes(2) + text

    def run(self, connection: socket.socket) -> None:
        """Bursts at the rate; a breach every `BREACH_EVERY_S`, alone in its packet, between two bursts."""
        rng, place, breach = random.Random(7), 0, 0
        per_burst = int(self.rate * BURST_S)
        time.sleep(LISTING_S)
        began = due = time.perf_counter()
        breach_due = began + 1.0  # the first second warms both sides up
        while breach < self.breaches:
            names = [self.flow[(place + step) % len(self.flow)] for step in range(per_burst)]
            place += per_burst
            connection.sendall(b"".join(self.frame(name, rng.randrange(-100_000, 100_000) / 100) for name in names))
            if time.perf_counter() >= breach_due:
                name = f"b_{breach}"
                frame = self.frame(name.encode(), -20000.0)
                self.sent_at[name] = time.perf_counter()
                connection.sendall(frame)
                breach, breach_due = breach + 1, breach_due + BREACH_EVERY_S
            due += BURST_S
            if (pause := due - time.perf_counter()) > 0:
                time.sleep(pause)
        rate = self.updates / (time.perf_counter() - began)
        print(json.dumps({"sent_at": self.sent_at, "rate": rate}), flush=True)

    def serve(self, connection: socket.socket) -> None:
        """The monitor's websocket."""
        _, headers, _ = request(connection.makefile("rb"))
        connection.sendall(upgrade(headers["sec-websocket-key"]))
        threading.Thread(target=drain, args=(connection,), daemon=True).start()
        self.run(connection)


class Rest:
    """The accounts, and what was asked of them."""

    def __init__(self, accounts: int, breaches: int) -> None:
        self.names = [f"f_{n}" for n in range(accounts)] + [f"b_{n}" for n in range(breaches)]
        self.breaches = breaches
        self.closed_at: dict[str, float] = {}
        self.direct: list[float] = []

    def serve(self, connection: socket.socket) -> None:
        """One connection, for as long as it lives."""
        reader = connection.makefile("rb")
        with suppress(OSError, EOFError):
            while True:
                line, headers, arrived = request(reader)
                body = self.answer(line, headers, arrived)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    def answer(self, line: bytes, headers: dict[str, str], arrived: float) -> bytes:
        """What the connector asks for."""
        method, path, _ = line.decode().split(" ", 2)
        parts = path.partition("?")[0].split("/")
        if method == "POST":
            if "x-sent" in headers:
                self.direct.append(arrived - float(headers["x-sent"]))
            elif parts[-1] == "close-all":
                self.closed_at.setdefault(parts[-2], arrived)
            return b'{"requested":1,"closed":1,"failed":0,"results":[]}'
        if parts[-1] == "report":
            return json.dumps({"closed_at": self.closed_at, "direct": self.direct}).encode()
        if parts[-1] == "positions":
            return b'{"data":[],"pagination":{}}'
        if parts[-1] == "accounts":
            return json.dumps({"data": [self.row(name) for name in self.names], "pagination": {}}).encode()
        return json.dumps(self.row(parts[-1])).encode() if "accounts" in parts else b"{}"

    def row(self, name: str) -> dict[str, object]:
        """An account as REST gives it: flat, and locked once it was closed; like the vendor's, without `seq`."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        closed = name in self.closed_at
        money = 80000.0 if closed else 100000.0
        return {"id": name, "balance": money, "equity": money, "open_positions": 0, "last_updated": now,
                "locked": closed, "lock_reason": "event" if closed else None, "currency": "USD"}  # fmt: skip


def request(reader: BinaryIO) -> tuple[bytes, dict[str, str], float]:
    """One HTTP request: its line, headers, and when it began to arrive; EOFError at the end."""
    line = reader.readline()
    arrived = time.perf_counter()
    if not line:
        raise EOFError
    headers: dict[str, str] = {}
    while (head := reader.readline()) not in {b"\r\n", b""}:
        name, _, value = head.decode().partition(":")
        headers[name.strip().lower()] = value.strip()
    reader.read(int(headers.get("content-length", "0")))
    return line, headers, arrived


def drain(connection: socket.socket) -> None:
    """Take what the monitor says (pings), and nothing more."""
    with suppress(OSError):
        while connection.recv(4096):
            pass


def listen(serve: Callable[[socket.socket], None]) -> None:
    """Accept for ever; ends with the parent."""
    threading.Thread(target=end_with_the_parent, daemon=True).start()
    server = socket.create_server(("127.0.0.1", 0))
    print(server.getsockname()[1], flush=True)
    while True:
        connection, _ = server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def post(port: int, count: int) -> None:
    """POST directly with the standard library's client, kept alive, at the breaches' pace but not at their moments."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = b'{"delete_pending":true}'
    for _ in range(count):
        time.sleep(BREACH_EVERY_S * 1.03)
        headers = {"Authorization": "Bearer k", "Content-Type": "application/json", "X-Sent": repr(time.perf_counter())}
        with suppress(OSError):
            connection.request("POST", "/v1/accounts/d/close-all", body, headers)
            connection.getresponse().read()
    print("done", flush=True)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[2:]]
    if sys.argv[1] == "rest":
        listen(Rest(*numbers).serve)
    elif sys.argv[1] == "stream":
        listen(Stream(*numbers).serve)
    else:
        post(*numbers)
        os._exit(0)

"""The other side of the breach benchmark, in a process of its own: 10,000 updates/s, now and then a breach, a clock.

`serve ACCOUNTS BREACHES RATE` prints its port, then one JSON line of latencies in ms when all is done: `breach` from
the sending of the breach frame to the arrival of its close-all, `direct` from the sending of a plain POST by the third
process (`post PORT COUNT`) to its arrival. Both end at the same line of the same server.
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
from contextlib import suppress
from datetime import UTC, datetime
from typing import BinaryIO

from tests.bench.flood import end_with_the_parent, upgrade

BURST_S = 0.002
BREACH_EVERY_S = 0.08
FRAME = (
    b'{"type":"account_update","event_id":"e_%d","seq":%d,"ts":"%s","account_id":"%s","data":{"id":"%s","account_id":"%s",'
    b'"balance":100000.0,"equity":%.2f,"credit":0.0,"profit":%.2f,"margin":1200.0,"free_margin":98750.25,'
    b'"margin_level":8229.19,"currency":"USD","leverage":100,"status":"connected","open_positions":1,"last_updated":"%s"}}'
)


class Broker:
    """Flowing accounts `f_0…`, breaching ones `b_0…`; `seq` and positions as far as the connector asks."""

    def __init__(self, accounts: int, breaches: int, rate: int) -> None:
        self.flow = [f"f_{number}".encode() for number in range(accounts)]
        self.breaches, self.rate = breaches, rate
        self.seq: dict[bytes, int] = {}
        self.sent_at: dict[str, float] = {}
        self.breach: list[float] = []
        self.direct: list[float] = []
        self.closed: set[str] = set()
        self.begin = threading.Event()
        self.done = threading.Event()
        self.updates = 0
        self.flowed_s = 0.0

    def frame(self, name: bytes, profit: float) -> bytes:
        """The next update of an account, as a server frames it."""
        seq = self.seq[name] = self.seq.get(name, 0) + 1
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
        self.updates += 1
        text = FRAME % (self.updates, seq, now, name, name, name, 100000.0 + profit, profit, now)
        return b"\x81\x7e" + len(text).to_bytes(2) + text

    def stream(self, connection: socket.socket) -> None:
        """Bursts at the rate; a breach every `BREACH_EVERY_S`, alone in its packet."""
        rng, place, breach = random.Random(7), 0, 0
        per_burst = int(self.rate * BURST_S)
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
        self.flowed_s = time.perf_counter() - began
        time.sleep(1.0)  # what is on its way may arrive
        self.done.set()

    def answer(self, line: bytes, headers: dict[str, str], arrived: float) -> bytes:
        """The REST side."""
        method, path, _ = line.decode().split(" ", 2)
        parts = path.partition("?")[0].split("/")
        if method == "POST":
            if "x-sent" in headers:
                self.direct.append((arrived - float(headers["x-sent"])) * 1000)
            elif parts[-1] == "close-all" and parts[-2] not in self.closed:
                self.breach.append((arrived - self.sent_at[parts[-2]]) * 1000)
                self.closed.add(parts[-2])
            return b'{"requested":1,"closed":1,"failed":0,"results":[]}'
        if parts[-1] == "positions":
            return b'{"data":[],"pagination":{}}'
        if parts[-1] == "accounts":
            names = [name.decode() for name in self.flow] + [f"b_{number}" for number in range(self.breaches)]
            return json.dumps({"data": [self.row(name) for name in names], "pagination": {}}).encode()
        return json.dumps(self.row(parts[-1])).encode() if "accounts" in parts else b"{}"

    def row(self, name: str) -> dict[str, object]:
        """An account as REST gives it: flat, and locked once it was closed."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        closed = name in self.closed
        equity = 80000.0 if name in self.sent_at else 100000.0
        return {"id": name, "balance": 100000.0 if not closed else 80000.0, "equity": equity, "open_positions": 0,
                "seq": self.seq.get(name.encode(), 0), "last_updated": now, "locked": closed,
                "lock_reason": "event" if closed else None, "currency": "USD"}  # fmt: skip

    def serve(self, connection: socket.socket) -> None:
        """One connection, for as long as it lives."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader: BinaryIO = connection.makefile("rb")
        with suppress(OSError):
            while line := reader.readline():
                arrived = time.perf_counter()
                headers: dict[str, str] = {}
                while (head := reader.readline()) not in {b"\r\n", b""}:
                    name, _, value = head.decode().partition(":")
                    headers[name.strip().lower()] = value.strip()
                reader.read(int(headers.get("content-length", "0")))
                if "sec-websocket-key" in headers:
                    connection.sendall(upgrade(headers["sec-websocket-key"]))
                    self.begin.wait()
                    self.stream(connection)
                    return
                if b"/begin" in line:
                    self.begin.set()
                body = self.answer(line, headers, arrived)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def serve(accounts: int, breaches: int, rate: int) -> None:
    """Run until every breach was sent and what was measured is printed."""
    sys.setswitchinterval(0.0005)  # the thread that takes the time waits less for the one that sends
    broker = Broker(accounts, breaches, rate)
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    print(port, flush=True)

    def accept() -> None:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=broker.serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    threading.Thread(target=end_with_the_parent, daemon=True).start()
    broker.done.wait()
    rate_seen = broker.updates / broker.flowed_s
    print(json.dumps({"breach": broker.breach, "direct": broker.direct, "rate": rate_seen}), flush=True)
    os._exit(0)


def post(port: int, count: int) -> None:
    """POST directly with the standard library's client, kept alive, at the breaches' pace but not at their moments."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(count):
        time.sleep(BREACH_EVERY_S * 1.03)
        body = b'{"delete_pending":true}'
        headers = {"Authorization": "Bearer k", "Content-Type": "application/json", "X-Sent": repr(time.perf_counter())}
        try:
            connection.request("POST", "/v1/accounts/d/close-all", body, headers)
            connection.getresponse().read()
        except OSError:
            return


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[2:]]
    if sys.argv[1] == "serve":
        serve(*numbers)
    else:
        post(*numbers)

"""A Slack of our own on loopback, with scripted faults; it knows what a human would have seen."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

PATH = "/services/T0RISK/B0DESK/s3cretS3cretS3cret"


@dataclass(frozen=True)
class Answer:
    """One scripted answer; the default is Slack's yes.

    `shown`: whether the message reached the channel all the same. `reset`: drop the connection in place of an answer.
    `late`: answer only after `release()`. `hang`: never, the connection ends with `release()`.
    `trickle`: one header byte at a time, for ever.
    """

    status: int = 200
    body: str = "ok"
    headers: tuple[tuple[str, str], ...] = ()
    shown: bool = False
    reset: bool = False
    hang: bool = False
    late: bool = False
    trickle: bool = False


OK = Answer(shown=True)


@dataclass
class FakeSlack:
    """The ground truth: every request received, and the messages that a human saw."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)
    shown_at: list[float] = field(default_factory=list)  # epoch seconds of each shown message
    plan: deque[Answer] = field(default_factory=deque)
    always: Answer = OK
    _lock: Lock = field(default_factory=Lock)
    _released: Event = field(default_factory=Event)

    def script(self, *answers: Answer) -> None:
        """Give these answers to the next requests, then the standing one."""
        with self._lock:
            self.plan.extend(answers)

    def texts(self) -> list[str]:
        """The shown messages' texts, in order."""
        with self._lock:
            return [str(message["text"]) for message in self.shown]

    def received(self) -> int:
        """How many requests came, answered or not."""
        with self._lock:
            return len(self.requests)

    def release(self) -> None:
        """Let hanging requests end."""
        self._released.set()

    def take(self, body: dict[str, Any]) -> Answer:
        """Note a request and say how to answer it."""
        with self._lock:
            answer = self.plan.popleft() if self.plan else self.always
            self.requests.append(body)
            if answer.shown:
                self.shown.append(body)
                self.shown_at.append(time.time())
            return answer

    def wait(self) -> None:
        """Until released."""
        self._released.wait(30)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        slack = self.server.slack
        if self.path != PATH:
            self._say(404, "no_service")
            return
        try:
            message = json.loads(body)
        except ValueError:
            self._say(400, "invalid_payload")
            return
        answer = slack.take(message)
        if answer.hang or answer.late:
            slack.wait()
        if answer.trickle:
            self._trickle()
        if answer.reset or answer.hang or answer.trickle:
            # A reset in place of a farewell.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self._say(answer.status, answer.body, answer.headers)

    def _trickle(self) -> None:
        try:
            self.connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self.server.slack._released.wait(0.2):
                self.connection.sendall(b"x")
        except OSError:
            self.close_connection = True

    def _say(self, status: int, body: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        data = body.encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, slack: FakeSlack) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.slack = slack

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the script."""


@contextmanager
def fake_slack() -> Iterator[FakeSlack]:
    """A running one; `url` is what RISKDESK_SLACK_WEBHOOK_URL takes."""
    slack = FakeSlack()
    server = _Server(slack)
    slack.url = f"http://127.0.0.1:{server.server_port}{PATH}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield slack
    finally:
        slack.release()
        server.shutdown()
        server.server_close()
        thread.join(5)

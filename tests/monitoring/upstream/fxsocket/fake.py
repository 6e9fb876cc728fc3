"""A scripted upstream on real sockets: what the connector must survive and no sane upstream would do on request."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict, deque
from datetime import UTC, datetime
from typing import Any

from aiohttp import WSMsgType, web

from monitoring.upstream.base import UpstreamConfig

KEY = "k-secret-7f3a"
Answer = tuple[int, dict[str, str], Any]


def now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def row(account_id: str, **changes: Any) -> dict[str, Any]:
    """An account as REST gives it."""
    return {
        "id": account_id, "account_id": account_id, "login": "70001", "name": "A. Trader", "group": "demo",
        "currency": "USD", "balance": 100000.0, "equity": 100000.0, "credit": 0.0, "profit": 0.0, "margin": 0.0,
        "status": "connected", "open_positions": 0, "locked": False, "lock_reason": None, "locked_until": None,
        "seq": 10, "last_updated": now_text(),
    } | changes  # fmt: skip


def update(account_id: str, seq: int | None, equity: float = 100000.0, **changes: Any) -> dict[str, Any]:
    """An account_update frame."""
    data = {"balance": 100000.0, "equity": equity, "currency": "USD"} | changes
    frame = {"type": "account_update", "ts": now_text(), "account_id": account_id, "data": data}
    return frame if seq is None else frame | {"seq": seq, "event_id": f"e_{account_id}_{seq}"}


def position(ticket: int, **changes: Any) -> dict[str, Any]:
    """An open position."""
    return {"id": f"pos_{ticket}", "ticket": ticket, "symbol": "EURUSD", "type": "BUY", "volume": 1.0} | changes


class FakeUpstream:
    """REST and websocket on one free port; answers can be put in place of the usual ones, one request each."""

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, Any]] = {}
        self.positions: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.answers: dict[str, deque[Answer]] = defaultdict(deque)
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.times: list[float] = []  # when each of them came (time.monotonic)
        self.sockets: list[web.WebSocketResponse] = []
        self.upgrades: list[web.Request] = []
        self.refuse_upgrade: Answer | None = None
        self.close_with: int | None = None  # every new socket ends at once with this code
        self.answers_pings = True
        self.page_size = 1000
        self.hold: dict[str, asyncio.Event] = {}  # path -> the answer waits for it
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/v1/stream", self._stream)
        app.router.add_route("*", "/v1/{path:.*}", self._rest)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self.drop()
            await self._runner.cleanup()

    @property
    def config(self) -> UpstreamConfig:
        base = f"127.0.0.1:{self.port}/v1"
        return UpstreamConfig("fxsocket", f"http://{base}", f"ws://{base}/stream", KEY)

    async def send(self, frame: dict[str, Any] | str | bytes) -> None:
        """Send one frame on the newest socket."""
        text = json.dumps(frame) if isinstance(frame, dict) else frame
        if isinstance(text, bytes):
            await self.sockets[-1].send_bytes(text)
        else:
            await self.sockets[-1].send_str(text)

    async def drop(self, code: int | None = None) -> None:
        """End every socket: with a close code, or by cutting the connection."""
        sockets, self.sockets = self.sockets, []
        for socket in sockets:
            if code is None:
                transport = socket.get_extra_info("transport") or socket._req.transport  # type: ignore[union-attr]
                if transport is not None:
                    transport.abort()
            else:
                await socket.close(code=code)

    def asked(self, path: str) -> int:
        """How many requests of that path there were."""
        return len(self.asked_at(path))

    def asked_at(self, path: str) -> list[float]:
        """When the requests of that path came (time.monotonic): measured here, however late a test may look."""
        return [at for one, at in zip(self.requests, self.times, strict=True) if one[1].partition("?")[0] == path]

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self.upgrades.append(request)
        if self.refuse_upgrade is not None:
            status, headers, body = self.refuse_upgrade
            return web.json_response(body, status=status, headers=headers)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.sockets.append(socket)
        if self.close_with is not None:
            await socket.close(code=self.close_with)
        async for message in socket:
            if message.type == WSMsgType.PING and self.answers_pings:
                await socket.pong(message.data)
        return socket

    async def _rest(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        body = await request.json() if request.can_read_body else None
        self.times.append(time.monotonic())
        self.requests.append((request.method, request.path_qs.removeprefix("/v1/"), dict(request.headers), body))
        if path in self.hold:
            await self.hold[path].wait()
        if self.answers[path]:
            status, headers, reply = self.answers[path].popleft()
            if status == 0:
                assert request.transport is not None
                request.transport.abort()
            text = reply if isinstance(reply, str) else json.dumps(reply)
            return web.Response(status=status or 200, headers=headers, text=text, content_type="application/json")
        return self._usual(path, request)

    def _usual(self, path: str, request: web.Request) -> web.Response:
        parts = path.split("/")
        if path == "accounts":
            start = int(request.query.get("cursor", "0"))
            end = start + self.page_size
            rows = list(self.accounts.values())
            more = end < len(rows)
            pagination = {"limit": self.page_size, "next_cursor": str(end) if more else None, "has_more": more}
            return web.json_response({"data": rows[start:end], "pagination": pagination})
        if path == "healthz":
            return web.json_response({"status": "ok"})
        if len(parts) > 1 and parts[1] in self.accounts:
            if parts[2:] == ["positions"]:
                return web.json_response({"data": self.positions[parts[1]], "pagination": {}})
            if len(parts) == 2:
                one = self.accounts[parts[1]]
                return web.json_response({"data": one, **one})
            return web.json_response({"data": {"success": True}})
        return web.json_response({"error": "not_found", "message": path}, status=404)

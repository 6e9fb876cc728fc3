"""What the simulator's tests talk with: REST, control and sockets, as any client would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from monitoring.upstream.simulator.server import DEFAULT_KEY, Simulator
from tests.waiting import PATIENCE

SCOPED_KEY = "scoped_key"


@dataclass
class Answer:
    """A reply: status, JSON body (None if there is none), headers."""

    status: int
    body: Any
    headers: dict[str, str]


class Socket:
    """One stream socket; `until` reads on to the first frame that fits."""

    def __init__(self, raw: ClientWebSocketResponse) -> None:
        self.raw = raw
        self.seen: list[dict[str, Any]] = []

    async def frame(self, within: float = PATIENCE) -> dict[str, Any]:
        """The next frame as JSON."""
        message = await asyncio.wait_for(self.raw.receive(), within)
        assert message.type is WSMsgType.TEXT, f"{message.type} {message.data} {message.extra}"
        found: dict[str, Any] = json.loads(message.data)
        self.seen.append(found)
        return found

    async def text(self, within: float = PATIENCE) -> str:
        """The next frame as it came."""
        message = await asyncio.wait_for(self.raw.receive(), within)
        assert message.type is WSMsgType.TEXT, message
        return str(message.data)

    async def until(self, kind: str, account: str | None = None, **data: Any) -> dict[str, Any]:
        """The next frame of this type (and account, and data)."""
        while True:
            frame = await self.frame()
            if frame["type"] != kind or account not in (None, frame.get("account_id")):
                continue
            if all(frame["data"].get(name) == value for name, value in data.items()):
                return frame

    async def say(self, **body: Any) -> None:
        """Send one client frame."""
        await self.raw.send_str(json.dumps(body))

    async def closed(self, within: float = PATIENCE) -> int | None:
        """Read to the end; the close code."""
        while True:
            message = await asyncio.wait_for(self.raw.receive(), within)
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return self.raw.close_code


class Desk:
    """Everything a test needs of one simulator."""

    def __init__(self, simulator: Simulator, session: ClientSession) -> None:
        self.simulator = simulator
        self.session = session

    async def api(
        self, method: str, path: str, body: Any = None, *, key: str | None = DEFAULT_KEY, raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """One call of the dialect."""
        sent = dict(headers or {}) | ({"Authorization": f"Bearer {key}"} if key else {})
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        async with self.session.request(method, self.simulator.url + path, data=data, headers=sent) as response:
            text = await response.text()
            return Answer(response.status, json.loads(text) if text else None, dict(response.headers))

    async def control(self, method: str, path: str, body: Any = None) -> Answer:
        """One call of the control API."""
        data = None if body is None else json.dumps(body).encode()
        async with self.session.request(method, self.simulator.control_url + path, data=data) as response:
            text = await response.text()
            return Answer(response.status, json.loads(text) if text else None, dict(response.headers))

    async def account(self, account_id: str = "acc_t", **fields: Any) -> Any:
        """A fresh account without a trader of its own."""
        answer = await self.control("POST", "/accounts", {"id": account_id, "balance": 100000, **fields})
        assert answer.status == 201, answer
        return answer.body

    async def trade(self, account_id: str = "acc_t", volume: float = 1.0, kind: str = "BUY", **fields: Any) -> Any:
        """Open EURUSD for the account by the control API; its truth afterwards."""
        body = {"symbol": "EURUSD", "type": kind, "volume": volume, **fields}
        answer = await self.control("POST", f"/accounts/{account_id}/positions", body)
        assert answer.status == 201, answer
        return answer.body

    async def fault(self, kind: str, **fields: Any) -> Any:
        """Inject a fault."""
        answer = await self.control("POST", "/faults", {"kind": kind, **fields})
        assert answer.status == 201, answer
        return answer.body

    @asynccontextmanager
    async def socket(
        self, query: str = "?accounts=all", key: str = DEFAULT_KEY, **options: Any
    ) -> AsyncIterator[Socket]:
        """A stream socket."""
        headers = {"Authorization": f"Bearer {key}"}
        async with self.session.ws_connect(self.simulator.url + "/stream" + query, headers=headers, **options) as raw:
            socket = Socket(raw)
            yield socket

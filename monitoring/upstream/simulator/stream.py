"""The websocket: /v1/stream, its actions, its heartbeat and its close codes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from decimal import Decimal
from typing import Any

from aiohttp import WSMsgType, web

from monitoring.upstream.simulator import wire
from monitoring.upstream.simulator.api import scope_of, service_of
from monitoring.upstream.simulator.errors import Refused
from monitoring.upstream.simulator.hub import Reader, ws_text
from monitoring.upstream.simulator.parse import Body, body_of, texts
from monitoring.upstream.simulator.service import Service

MAX_MESSAGE = 1024 * 1024
WORDS = {4401: "bad key", 4403: "scope", 4408: "no pong", 4429: "slow consumer", 1012: "restart"}
KINDS = frozenset({
    "account_update", "position_open", "position_modified", "position_close", "order_opened", "order_closed",
    "order_update", "order_rejected", "connection_lost", "connection_restored", "auth_failed", "rule_breach",
    "risk_rules_updated", "close_all_result", "account_locked", "account_unlocked", "account_lifecycle",
    "balance_operation", "tick",
})  # fmt: skip


async def stream(request: web.Request) -> web.WebSocketResponse:
    """Serve one socket until it ends."""
    service = service_of(request)
    socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=MAX_MESSAGE, timeout=2.0)
    await socket.prepare(request)
    transport = request.transport
    assert isinstance(transport, asyncio.Transport)
    reader = Reader(transport, scope_of(request))
    try:
        _open(reader, service, request)
    except Refused as refusal:
        await socket.close(code=4403 if refusal.status == 403 else 4404, message=refusal.message.encode()[:120])
        return socket
    service.hub.join(reader)
    _greet(reader, service)
    listener = asyncio.create_task(_listen(socket, reader, service))
    keeper = asyncio.create_task(_keep(socket, reader, service))
    try:
        await asyncio.wait({listener, keeper}, return_when=asyncio.FIRST_COMPLETED)
        await _stop(listener)
        await _stop(keeper)
        if reader.close_code is not None:
            await _say_goodbye(socket, reader, reader.close_code)
    finally:
        listener.cancel()
        keeper.cancel()
        service.hub.leave(reader)
    return socket


async def _stop(task: asyncio.Task[None]) -> None:
    """End a task of the socket; its own failure is raised."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _say_goodbye(socket: web.WebSocketResponse, reader: Reader, code: int) -> None:
    """Send the close frame and wait a little for the peer's; one that reads nothing is cut off."""
    try:
        await asyncio.wait_for(socket.close(code=code, message=WORDS.get(code, "").encode()), 3.0)
    except TimeoutError:
        reader.transport.abort()


def _open(reader: Reader, service: Service, request: web.Request) -> None:
    """The accounts of the query: ?accounts=all, ?accounts=id,id or ?account=id; none is valid too."""
    several, one = request.query.get("accounts"), request.query.get("account")
    if several == "all":
        reader.all = True
    elif several:
        reader.accounts = {service.account(name.strip(), reader.scope).id for name in several.split(",")}
    if one:
        reader.accounts.add(service.account(one, reader.scope).id)
        reader.single = not several


def _greet(reader: Reader, service: Service) -> None:
    service.sessions += 1
    followed = [account.id for account in service.visible(reader.scope) if reader.watches(account.id)]
    data = {"protocol": "fxsocket-v1", "session": f"s_{service.sessions}", "accounts": followed,
            "heartbeat_s": service.heartbeat}  # fmt: skip
    _say(reader, service, {"type": "hello", "ts": wire.iso(service.world.events.now_ms()), "data": data})
    if reader.all and service.world.director is not None:
        service.world.director.begin()


async def _listen(socket: web.WebSocketResponse, reader: Reader, service: Service) -> None:
    async for message in socket:
        if reader.half_open:
            continue
        reader.last_heard = time.monotonic()
        if message.type is WSMsgType.PING:
            await socket.pong(message.data)
        elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            raw = message.data.encode() if isinstance(message.data, str) else message.data
            _say(reader, service, _answer(reader, service, raw))


async def _keep(socket: web.WebSocketResponse, reader: Reader, service: Service) -> None:
    """Ping each heartbeat; ends when nothing comes back, or when somebody asks for the close."""
    while reader.close_code is None:
        try:
            await asyncio.wait_for(reader.closing.wait(), service.heartbeat)
        except TimeoutError:
            if reader.half_open:
                continue
            if time.monotonic() - reader.last_heard > service.pong_within:
                reader.close(4408)
            elif reader.stuck_since is None:
                await socket.ping()


def _answer(reader: Reader, service: Service, raw: bytes) -> wire.Json:
    """The reply to one client frame; bad ones get an `error` frame and the socket lives on."""
    req_id: Any = None
    try:
        body = _plain(body_of(raw))
        req_id = body.get("req_id")
        match body.get("action"):
            case "ping":
                return {"type": "pong", "t": body.get("t")}
            case "subscribe":
                return _subscribe(reader, service, body)
            case "unsubscribe":
                return _unsubscribe(reader, body)
            case action:
                raise Refused(400, "bad_request", f"unknown action {action!r}")
    except Refused as refusal:
        code = refusal.reason if refusal.status in (403, 404) else "bad_request"
        return {"type": "error", "code": code, "message": refusal.message, "req_id": req_id}


def _plain(value: Any) -> Any:
    """With floats for Decimals, which would come back as strings: `t` and `req_id` are echoed as they came."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def _subscribe(reader: Reader, service: Service, body: Body) -> wire.Json:
    accounts, events, symbols = texts(body, "accounts"), texts(body, "events"), texts(body, "symbols")
    found = {name if name == "all" else service.account(name, reader.scope).id for name in accounts}
    named = {service.world.broker.quote(name).symbol.name for name in symbols}
    for kind in events:
        if kind not in KINDS:
            raise Refused.invalid("events", f"unknown event {kind!r}")
    reader.all = reader.all or "all" in found
    reader.accounts |= found - {"all"}
    reader.left_out = set() if "all" in found else reader.left_out - found
    reader.symbols |= named
    if events:
        reader.events = (reader.events or set()) | set(events)
        reader.without -= set(events)
    return _subscribed("subscribed", reader, body)


def _unsubscribe(reader: Reader, body: Body) -> wire.Json:
    accounts, events = set(texts(body, "accounts")), set(texts(body, "events"))
    if "all" in accounts:
        reader.all, reader.accounts, reader.left_out = False, set(), set()
    reader.accounts -= accounts
    if reader.all:
        reader.left_out |= accounts
    reader.symbols -= {name.upper() for name in texts(body, "symbols")}
    reader.without |= events
    if reader.events is not None:
        reader.events -= events
    return _subscribed("unsubscribed", reader, body)


def _subscribed(kind: str, reader: Reader, body: Body) -> wire.Json:
    accounts = ["all"] if reader.all else sorted(reader.accounts)
    data = {"accounts": accounts, "symbols": sorted(reader.symbols),
            "events": None if reader.events is None else sorted(reader.events)}  # fmt: skip
    if reader.left_out:
        data["without"] = sorted(reader.left_out)
    return {"type": kind, "req_id": body.get("req_id"), "data": data}


def _say(reader: Reader, service: Service, body: wire.Json) -> None:
    service.hub.put(reader, ws_text(wire.encode(body)))

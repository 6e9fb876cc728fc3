"""The shell of every REST call: keys, rate limits, faults, errors, the log of commands."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from monitoring.upstream.simulator import wire
from monitoring.upstream.simulator.errors import Refused
from monitoring.upstream.simulator.faults import Fault
from monitoring.upstream.simulator.ledger import Account
from monitoring.upstream.simulator.parse import Body, body_of, decode, digits
from monitoring.upstream.simulator.service import SERVICE, Service

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Scope = frozenset[str] | None
SCOPE = web.RequestKey("scope", object)
COMMAND = web.RequestKey("command", dict[str, Any])
REQUEST_ID = web.RequestKey("request_id", str)
COMMANDS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
DROPPED = frozenset({"drop_socket"})
ANSWERED = frozenset({"http_429", "http_503", "http_hang", "http_reset"})
COMMANDED = frozenset({"http_504", "http_504_executes"})


def reply(data: wire.Json, status: int = 200) -> web.Response:
    """An object, under `data` and mirrored at the top level."""
    return json_response({"data": data, **data}, status)


def json_response(body: Any, status: int = 200) -> web.Response:
    """Any JSON."""
    return web.Response(body=wire.encode(body), status=status, content_type="application/json")


def listing(request: web.Request, rows: list[wire.Json], default: int = 100, **extra: Any) -> web.Response:
    """A page of `rows` by ?limit= (at most 1000) and ?cursor=, in the list envelope."""
    return json_response(page(request, rows, default) | extra)


def page(request: web.Request, rows: list[Any], default: int = 100) -> dict[str, Any]:
    """The page's `data` and `pagination`."""
    limit, start = query_int(request, "limit", default, 1, 1000), query_int(request, "cursor", 0, 0, 10**12)
    chosen = rows[start : start + limit]
    more = start + limit < len(rows)
    cursor = str(start + limit) if more else None
    return {"data": chosen, "pagination": {"limit": limit, "next_cursor": cursor, "has_more": more}}


def query_int(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query; 422 when it is none or out of range."""
    given = request.query.get(name)
    if given is None:
        return default
    value = digits(given)
    if value is None or not least <= value <= most:
        raise Refused.invalid(name, f"{name} is not a whole number from {least} to {most}: {given[:40]!r}")
    return value


def service_of(request: web.Request) -> Service:
    """The running simulator."""
    return request.app[SERVICE]


def scope_of(request: web.Request) -> Scope:
    """What the request's key may see; None is everything."""
    scope = request.get(SCOPE)
    return scope if isinstance(scope, frozenset) else None


def account_of(request: web.Request) -> Account:
    """The account named in the path, if the key may see it."""
    return service_of(request).account(request.match_info["id"], scope_of(request))


def ready(account: Account) -> Account:
    """The account, if it is connected; Refused 503 otherwise."""
    if account.status != "connected":
        raise Refused(503, "terminal_not_ready", f"account {account.id} is {account.status}", retry_after=5)
    return account


async def body_in(request: web.Request) -> Body:
    """The request's JSON object."""
    return body_of(await raw_in(request))


async def raw_in(request: web.Request) -> bytes:
    """The request's body; Refused 400 when it cannot be unpacked."""
    try:
        return await request.read()
    except web.RequestPayloadError as error:
        raise Refused(400, "bad_request", f"the body cannot be read: {error}") from error


def concern(request: web.Request, account: Account) -> None:
    """Note in the log of commands which account this one is about, where the path does not say it."""
    request[COMMAND]["account"] = account.id


@web.middleware
async def shell(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Around every call of the public port."""
    service = service_of(request)
    service.requests += 1
    request[REQUEST_ID] = f"req_{service.requests}"
    if request.method in COMMANDS:
        service.commands.append(_received(service, request))
    headers: dict[str, str] = {"X-Request-Id": request[REQUEST_ID]}
    try:
        response = await _guarded(request, handler, service, headers)
    except Refused as refusal:
        response = _refusal(request, refusal)
    except web.HTTPException as error:
        response = _refusal(request, http_refusal(error))
    if request.method in COMMANDS:
        _note_answer(service, request, response)
    if not response.prepared:
        response.headers.update(headers)
    return response


async def _guarded(request: web.Request, handler: Handler, service: Service, headers: dict[str, str]) -> web.Response:
    key = _key_of(request, service)
    remaining, reset = service.limit.take(key or "")  # who has no valid key shares one count
    headers |= {"X-RateLimit-Limit": str(service.limit.limit), "X-RateLimit-Remaining": str(max(0, remaining)),
                "X-RateLimit-Reset": str(reset)}  # fmt: skip
    if request.method in COMMANDS:
        _note_body(request, await raw_in(request))
    if key is None and request.path != "/v1/healthz":
        raise Refused(401, "unauthorized", "a valid 'Authorization: Bearer' key is required")
    request[SCOPE] = service.keys.get(key) if key is not None else None
    if remaining < 0:
        raise Refused(429, "rate_limited", f"more than {service.limit.limit} requests a minute", retry_after=reset)
    fault = _fault_for(request, service)
    if fault is not None and fault.kind != "http_504_executes":
        await _strike(request, service, fault)
    response = await _idempotent(request, handler, service)
    if fault is not None and fault.kind == "http_504_executes":
        service.faults.strike(fault)
        raise Refused(504, "timeout", "the terminal did not answer in time; the request may still be carried out")
    return response


def _key_of(request: web.Request, service: Service) -> str | None:
    """The valid key that the request came with, if any."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    revoked = service.faults.find(frozenset({"key_revoked"}), None)
    return key.strip() if scheme.lower() == "bearer" and key.strip() in service.keys and not revoked else None


def _fault_for(request: web.Request, service: Service) -> Fault | None:
    if request.path.endswith("/stream"):
        named = {*request.query.get("accounts", "").split(","), request.query.get("account", "")}
        return next((f for name in (None, *sorted(named)) if (f := service.faults.find(DROPPED, name))), None)
    kinds = ANSWERED | COMMANDED if request.method in COMMANDS else ANSWERED
    return service.faults.find(kinds, request.match_info.get("id"), request.path)


async def _strike(request: web.Request, service: Service, fault: Fault) -> None:
    service.faults.strike(fault)
    after = fault.extra.get("retry_after", 1)
    match fault.kind:
        case "http_429":
            raise Refused(429, "rate_limited", "too many requests", retry_after=after)
        case "http_503" | "drop_socket":
            raise Refused(503, "terminal_not_ready", "the terminal is not ready", retry_after=after)
        case "http_504":
            raise Refused(504, "timeout", "the terminal did not answer in time")
        case "http_hang":
            # Until the fault is over or the client goes away (aiohttp cancels the handler then).
            rest = None if fault.until is None else max(0.0, fault.until - time.monotonic())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(service.faults.calm.wait(), rest)
        case "http_reset":
            if request.transport is not None:
                request.transport.abort()
            raise Refused(503, "terminal_not_ready", "the connection was reset")


async def _idempotent(request: web.Request, handler: Handler, service: Service) -> web.Response:
    """Runs the handler once for an Idempotency-Key; a repetition gets the first answer."""
    key = request.headers.get("Idempotency-Key", "")
    if not key or request.method != "POST" or not request.path.endswith(("/orders", "/close", "/close-all")):
        return await handler(request)  # type: ignore[return-value]  # a StreamResponse only for the stream
    digest = hashlib.sha256(request.path.encode() + b"\n" + await request.read()).hexdigest()
    name = request.headers.get("Authorization", "") + key
    found = service.recall(name, digest)
    if found is not None:
        again = web.Response(body=found.body, status=found.status, content_type="application/json")
        again.headers["Idempotent-Replayed"] = "true"
        return again
    entry = service.remembered[name]
    try:
        response = await handler(request)
    except BaseException:
        # Refused or cut off before it did anything: the key stays free for another attempt.
        service.remembered.pop(name, None)
        raise
    entry.status, entry.body = response.status, _bytes(response)
    return response  # type: ignore[return-value]


def _refusal(request: web.Request, refusal: Refused) -> web.Response:
    response = json_response(refusal.body(request[REQUEST_ID]), refusal.status)
    after = refusal.detail.get("retry_after")
    if after is not None:
        response.headers["Retry-After"] = str(max(0, round(float(after))))
    if refusal.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _bytes(response: web.StreamResponse) -> bytes:
    body = response.body if isinstance(response, web.Response) else b""
    return body if isinstance(body, bytes) else b""


def http_refusal(error: web.HTTPException) -> Refused:
    """What aiohttp itself refuses, in the dialect's words."""
    code = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}.get(error.status, "bad_request")
    return Refused(error.status, code, error.reason)


def _received(service: Service, request: web.Request) -> dict[str, Any]:
    """One line of the log of commands: there from the first moment, `status` null until it is answered."""
    entry: dict[str, Any] = {
        "request_id": request[REQUEST_ID],
        "method": request.method,
        "path": request.path,
        "account": request.match_info.get("id") if "/accounts/" in request.path else None,
        "body": None,
        "idempotency_key": request.headers.get("Idempotency-Key"),
        "received_at": wire.iso(service.world.events.now_ms()),
        "answered_at": None,
        "status": None,
        "answer": None,
    }
    request[COMMAND] = entry
    return entry


def _note_body(request: web.Request, raw: bytes) -> None:
    body = _json_or_text(raw)
    request[COMMAND]["body"] = body
    if request[COMMAND]["account"] is None and isinstance(body, dict):
        request[COMMAND]["account"] = body.get("account_id")


def _note_answer(service: Service, request: web.Request, response: web.StreamResponse) -> None:
    answer = _bytes(response)
    request[COMMAND] |= {
        "answered_at": wire.iso(service.world.events.now_ms()),
        "status": response.status,
        "answer": msgspec.Raw(answer) if answer else None,
    }


def _json_or_text(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return decode(raw, exact=False)
    except ValueError:
        return raw.decode("utf-8", "replace")

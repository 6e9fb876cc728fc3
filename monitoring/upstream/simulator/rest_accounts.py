"""REST: accounts, their positions, locks, rules, history."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from monitoring.upstream.simulator import wire
from monitoring.upstream.simulator.api import (
    account_of,
    body_in,
    json_response,
    listing,
    page,
    query_int,
    reply,
    scope_of,
    service_of,
)
from monitoring.upstream.simulator.errors import Refused
from monitoring.upstream.simulator.ledger import Account
from monitoring.upstream.simulator.parse import cents, instant, text, texts, whole
from monitoring.upstream.simulator.risk_rules import RiskRules, Watch, parse_rules
from monitoring.upstream.simulator.stream import KINDS


async def list_accounts(request: web.Request) -> web.Response:
    """GET /accounts?status=&group=&limit=&cursor="""
    status, group = request.query.get("status"), request.query.get("group")
    chosen = [
        account
        for account in service_of(request).visible(scope_of(request))
        if status in (None, account.status) and group in (None, account.group)
    ]
    found = page(request, chosen)
    found["data"] = [wire.account_object(account) for account in found["data"]]
    return json_response(found)


async def create_account(request: web.Request) -> web.Response:
    """POST /accounts: 201 with status connecting; it connects (or fails to sign in) a second later."""
    service, body = service_of(request), await body_in(request)
    if scope_of(request) is not None:
        raise Refused(403, "forbidden", "a key for chosen accounts makes no new ones")
    login = body.get("login")
    login = str(login) if isinstance(login, int) and not isinstance(login, bool) else text(body, "login", required=True)
    password, server = text(body, "password", required=True), text(body, "server") or "Simulator-Demo"
    if len(service.world.accounts) >= service.account_cap:
        raise Refused(402, "account_cap_reached", f"the plan allows {service.account_cap} accounts")
    if password == "invalid":
        raise Refused(400, "invalid_credentials", "login or password is wrong")
    if "unknown" in server.lower():
        raise Refused(400, "server_not_found", f"there is no trading server {server!r}")
    balance = cents(body, "balance")
    if (balance or 0) < 0:
        raise Refused.invalid("balance", "balance is not negative at the start")
    account_id = next(
        name for name in (f"acc_r{number}" for number in service.names) if name not in service.world.accounts
    )
    account = service.world.add(
        account_id, login, text(body, "name") or text(body, "nickname"), text(body, "group") or "two-step/phase-1",
        10_000_000 if balance is None else balance, whole(body, "leverage", least=1) or 100,
    )  # fmt: skip
    account.server, account.mine, account.status = server, True, "connecting"
    service.world.lifecycle(account, "created")
    _connect_soon(request, account, password)
    return reply(wire.account_object(account), 201)


def _connect_soon(request: web.Request, account: Account, password: str) -> None:
    world = service_of(request).world

    def connect() -> None:
        if account.id not in world.accounts or account.status != "connecting" or account.attempt != attempt:
            return
        if password == "wrong":
            account.status = "error"
            data = {"id": account.id, "code": "invalid_credentials", "message": "the broker refused the password"}
            world.events.emit(account, "auth_failed", data, force=True)
        else:
            world.restore(account)

    account.attempt += 1
    attempt = account.attempt
    account.lost_at = world.events.now_ms() / 1000
    asyncio.get_running_loop().call_later(1.0, connect)


async def get_account(request: web.Request) -> web.Response:
    """GET /accounts/{id}"""
    return reply(wire.account_object(account_of(request)))


async def first_account(request: web.Request) -> web.Response:
    """GET /account: the key's first account."""
    visible = service_of(request).visible(scope_of(request))
    if not visible:
        raise Refused(404, "account_not_found", "the key has no account")
    return reply(wire.account_object(visible[0]))


async def patch_account(request: web.Request) -> web.Response:
    """PATCH /accounts/{id} {"name"?, "group"?, "leverage"?}"""
    account, body = account_of(request), await body_in(request)
    for name in body.keys() - {"name", "nickname", "group", "leverage"}:
        raise Refused.invalid(name, f"{name} cannot be changed")
    leverage = whole(body, "leverage", least=1)
    account.name = text(body, "name") or text(body, "nickname") or account.name
    account.group = text(body, "group") or account.group
    account.leverage = leverage or account.leverage
    service_of(request).world.lifecycle(account, "updated")
    return reply(wire.account_object(account))


async def delete_account(request: web.Request) -> web.Response:
    """DELETE /accounts/{id}: 204."""
    service_of(request).world.remove(account_of(request))
    return web.Response(status=204)


async def put_credentials(request: web.Request) -> web.Response:
    """PUT /accounts/{id}/credentials {"password","server"?}: 202, then connection_restored or auth_failed."""
    account, body = account_of(request), await body_in(request)
    password = text(body, "password", required=True)
    account.server = text(body, "server") or account.server
    account.status = "connecting"
    _connect_soon(request, account, password)
    return reply(wire.account_object(account), 202)


async def list_positions(request: web.Request) -> web.Response:
    """GET /accounts/{id}/positions; `seq` and `as_of` say what the list includes."""
    account = account_of(request)
    rows = [wire.position_object(position) for position in account.positions.values()]
    as_of = wire.iso(service_of(request).world.events.now_ms())
    return listing(request, rows, 1000, account_id=account.id, seq=account.seq, as_of=as_of)


async def lock(request: web.Request) -> web.Response:
    """POST /accounts/{id}/lock {"until","reason"}"""
    account, body = account_of(request), await body_in(request)
    until, reason = instant(body.get("until"), "until"), text(body, "reason", longest=2000)
    service_of(request).world.broker.lock(account, reason, until)
    return reply(wire.account_object(account))


async def unlock(request: web.Request) -> web.Response:
    """POST /accounts/{id}/unlock {"reason"?}"""
    account, body = account_of(request), await body_in(request)
    service_of(request).world.broker.unlock(account, text(body, "reason", longest=2000))
    return reply(wire.account_object(account))


async def get_rules(request: web.Request) -> web.Response:
    """GET /accounts/{id}/risk-rules"""
    history = service_of(request).world.broker.rules_history.get(account_of(request).id)
    return reply(history[-1]["rules"] if history else _builtins(RiskRules()))


async def put_rules(request: web.Request) -> web.Response:
    """PUT /accounts/{id}/risk-rules: replaces them; the version rises by one."""
    service, account, body = service_of(request), account_of(request), await body_in(request)
    rules = parse_rules({key: _plain(value) for key, value in body.items() if key != "version"})
    history = service.world.broker.rules_history.setdefault(account.id, [])
    rules.version = len(history) + 1
    watch = service.world.broker.watches[account.id] = Watch(rules)
    watch.begin(account, service.world.events.now())
    shown = _builtins(rules)
    history.append({"version": rules.version, "at": wire.iso(service.world.events.now_ms()), "rules": shown})
    service.world.events.emit(account, "risk_rules_updated", {"id": account.id, **shown})
    return reply(shown)


async def rules_history(request: web.Request) -> web.Response:
    """GET /accounts/{id}/risk-rules/history"""
    return listing(request, service_of(request).world.broker.rules_history.get(account_of(request).id, []))


async def put_filter(request: web.Request) -> web.Response:
    """POST /accounts/{id}/subscribe {"events":[..]}: the account's lasting filter."""
    account, body = account_of(request), await body_in(request)
    events = texts(body, "events")
    for kind in events:
        if kind not in KINDS:
            raise Refused.invalid("events", f"unknown event {kind!r}")
    account.filter = frozenset(events) if events else None
    return reply(_filter(account))


async def get_filter(request: web.Request) -> web.Response:
    """GET /accounts/{id}/subscribe"""
    return reply(_filter(account_of(request)))


async def delete_filter(request: web.Request) -> web.Response:
    """DELETE /accounts/{id}/subscribe: back to the default events."""
    account = account_of(request)
    account.filter = None
    return reply(_filter(account))


async def list_trades(request: web.Request) -> web.Response:
    """GET /accounts/{id}/trades?from=&to=&limit=&cursor=&type="""
    account = account_of(request)
    begin, end = (instant(request.query.get(name), name) for name in ("from", "to"))
    low = int(begin.timestamp() * 1000) if begin else 0
    high = int(end.timestamp() * 1000) if end else 1 << 62
    kind = request.query.get("type", "").lower()
    chosen = [t for t in account.trades if low <= t.close_time < high and kind in ("", t.kind.lower())]
    found = page(request, chosen)  # kept in the order of booking
    found["data"] = [wire.trade_object(trade) for trade in found["data"]]
    return json_response(found)


async def list_events(request: web.Request) -> web.Response:
    """GET /accounts/{id}/events?since_seq=&limit=&cursor=: replay; `complete` is false when older ones are gone."""
    account = account_of(request)
    since = query_int(request, "cursor", query_int(request, "since_seq", 0, 0, 1 << 62), 0, 1 << 62)
    frames, complete = service_of(request).world.events.since(account, since)
    limit = query_int(request, "limit", 1000, 1, 1000)
    chosen = frames[:limit]
    more = len(frames) > limit
    cursor = str(chosen[-1][0]) if more else None
    pages = {"limit": limit, "next_cursor": cursor, "has_more": more}
    rows = [msgspec.Raw(frame) for _, frame in chosen]
    return json_response({"data": rows, "pagination": pages, "complete": complete, "seq": account.seq})


async def list_groups(request: web.Request) -> web.Response:
    """GET /groups: names and how many accounts each holds."""
    counts: dict[str, int] = {}
    for account in service_of(request).visible(scope_of(request)):
        counts[account.group] = counts.get(account.group, 0) + 1
    return listing(request, [{"id": name, "name": name, "accounts": counts[name]} for name in sorted(counts)])


def _filter(account: Account) -> wire.Json:
    return {"id": account.id, "account_id": account.id, "events": sorted(account.filter) if account.filter else None}


def _builtins(rules: RiskRules) -> wire.Json:
    shown: wire.Json = msgspec.to_builtins(rules)
    return shown


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value

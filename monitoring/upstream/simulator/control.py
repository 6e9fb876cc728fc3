"""The control API: what a test or an operator does to the simulated world. Loopback only, no key."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from monitoring.upstream.simulator import wire
from monitoring.upstream.simulator.api import Handler, body_in, http_refusal, json_response, query_int, service_of
from monitoring.upstream.simulator.errors import Refused
from monitoring.upstream.simulator.ledger import Account
from monitoring.upstream.simulator.parse import Body, account_name, cents, text, whole
from monitoring.upstream.simulator.rest_orders import ticket_of


@web.middleware
async def control_shell(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors of the control port, in the same shape as the dialect's."""
    try:
        return await handler(request)
    except Refused as refusal:
        status = 400 if refusal.reason == "bad_json" else refusal.status
        return json_response(refusal.body("control"), status)
    except web.HTTPException as error:
        return json_response(http_refusal(error).body("control"), error.status)


def _only(body: Body, *known: str) -> Body:
    for name in body.keys() - set(known):
        raise Refused.invalid(name, f"unknown field {name!r} (known: {', '.join(known)})")
    return body


def _account(request: web.Request) -> Account:
    return service_of(request).world.account(request.match_info["id"])


def truth(account: Account) -> wire.Json:
    """What is so at the simulator, whatever the stream says."""
    shown = wire.account_object(account)
    return shown | {
        "initial_balance": account.initial / 100,
        "offset": account.offset / 100,
        "operations": account.operations / 100,
        "deals": account.deals / 100,
        "stale": account.stale,
        "positions": [wire.position_object(position) for position in account.positions.values()],
        "orders": [wire.order_object(order) for order in account.orders.values()],
    }


async def health(request: web.Request) -> web.Response:
    """GET /health"""
    service = service_of(request)
    world = service.world
    return json_response({
        "status": "ok", "accounts": len(world.accounts), "sockets": len(service.hub.readers), "steps": world.steps,
        "market_time": wire.iso_of(world.market.now), "faults": len(service.faults.active),
        "requests": service.requests,
    })  # fmt: skip


async def create(request: web.Request) -> web.Response:
    """POST /accounts {"id"?, "login"?, "balance", "equity"?, "group"?, "name"?, "leverage"?}"""
    service = service_of(request)
    world = service.world
    body = _only(await body_in(request), "id", "login", "balance", "equity", "credit", "group", "name", "leverage")
    balance, equity, credit = cents(body, "balance", required=True), cents(body, "equity"), cents(body, "credit")
    for name, amount in (("balance", balance), ("credit", credit)):
        if (amount or 0) < 0:
            raise Refused.invalid(name, f"{name} is not negative at the start")
    account_id = account_name(text(body, "id", longest=128))
    while not account_id or (not body.get("id") and account_id in world.accounts):
        account_id = f"acc_c{next(service.names)}"
    login = body.get("login")
    login = str(login) if isinstance(login, int) and not isinstance(login, bool) else text(body, "login", longest=32)
    while not login or (not body.get("login") and world.has_login(login)):
        login = str(next(service.logins))
    account = world.add(
        account_id, login, text(body, "name") or f"Trader {account_id}",
        text(body, "group") or "two-step/phase-1", balance or 0, whole(body, "leverage", least=1) or 100,
    )  # fmt: skip
    account.mine = True
    account.credit = credit or 0
    if equity is not None:
        account.offset = equity - account.equity
    world.announce(account)
    return json_response(truth(account), 201)


async def get_truth(request: web.Request) -> web.Response:
    """GET /accounts/{id}"""
    return json_response(truth(_account(request)))


async def put_state(request: web.Request) -> web.Response:
    """POST /accounts/{id}/state {"balance"?, "equity"?, "credit"?}"""
    account, body = _account(request), _only(await body_in(request), "balance", "equity", "credit")
    if not body:
        raise Refused.invalid("equity", "give balance, equity or credit")
    figures = (cents(body, name) for name in ("balance", "equity", "credit"))
    service_of(request).world.broker.put(account, *figures)
    return json_response(truth(account))


async def open_position(request: web.Request) -> web.Response:
    """POST /accounts/{id}/positions {"symbol","type","volume","sl"?,"tp"?}: as its trader."""
    account, broker = _account(request), service_of(request).world.broker
    body = _only(await body_in(request), "symbol", "type", "volume", "sl", "tp", "price", "magic", "comment")
    broker.order(account, ticket_of(body, broker.quotes, "trader"))
    return json_response(truth(account), 201)


async def balance(request: web.Request) -> web.Response:
    """POST /accounts/{id}/balance {"kind","amount","comment"?}: balance_operation, then account_update."""
    account, body = _account(request), _only(await body_in(request), "kind", "amount", "comment")
    amount = cents(body, "amount", required=True)
    kind = text(body, "kind", required=True)
    service_of(request).world.broker.operate(account, kind, amount or 0, text(body, "comment"))
    return json_response(truth(account), 201)


async def record(request: web.Request) -> web.Response:
    """GET /accounts/{id}/record?limit="""
    rows = service_of(request).world.events.record(_account(request), query_int(request, "limit", 1000, 1, 1_000_000))
    return json_response({"data": rows})


async def commands(request: web.Request) -> web.Response:
    """GET /commands?account=&limit=: oldest first."""
    wanted = request.query.get("account")
    rows: list[Any] = [row for row in service_of(request).commands if wanted in (None, row["account"])]
    return json_response({"data": rows[-query_int(request, "limit", 20_000, 1, 1_000_000) :]})


async def add_fault(request: web.Request) -> web.Response:
    """POST /faults {"kind","account"?,"for_s"?,"count"?,...}"""
    service, body = service_of(request), await body_in(request)
    named = text(body, "account")
    if named:
        service.world.account(named)
    fault = service.faults.add(body)
    service.begin(fault)
    return json_response(fault.object(), 201)


async def list_faults(request: web.Request) -> web.Response:
    """GET /faults"""
    return json_response({"data": [fault.object() for fault in service_of(request).faults.active]})


async def clear_faults(request: web.Request) -> web.Response:
    """DELETE /faults: everything is well again."""
    service = service_of(request)
    gone = service.faults.clear()
    for fault in gone:
        service.end(fault)
    return json_response({"cleared": len(gone)})


def routes() -> list[web.AbstractRouteDef]:
    """The control API's table."""
    return [
        web.get("/health", health),
        web.post("/accounts", create),
        web.get("/accounts/{id}", get_truth),
        web.post("/accounts/{id}/state", put_state),
        web.post("/accounts/{id}/positions", open_position),
        web.post("/accounts/{id}/balance", balance),
        web.get("/accounts/{id}/record", record),
        web.get("/commands", commands),
        web.post("/faults", add_fault),
        web.get("/faults", list_faults),
        web.delete("/faults", clear_faults),
    ]

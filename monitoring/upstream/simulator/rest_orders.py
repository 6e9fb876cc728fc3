"""REST: orders, closing, prices."""

from __future__ import annotations

from aiohttp import web

from monitoring.upstream.simulator import wire
from monitoring.upstream.simulator.api import (
    REQUEST_ID,
    account_of,
    body_in,
    concern,
    listing,
    ready,
    reply,
    scope_of,
    service_of,
)
from monitoring.upstream.simulator.broker import PENDING_KINDS, Ticket
from monitoring.upstream.simulator.errors import Refused
from monitoring.upstream.simulator.ledger import Account, Order, Position
from monitoring.upstream.simulator.market import Quote
from monitoring.upstream.simulator.parse import Body, digits, flag, points, text, units, whole

PARTIAL_FILL = frozenset({"partial_fill"})


def ticket_of(body: Body, quotes: dict[str, Quote], source: str) -> Ticket:
    """An order from a request body; Refused 422 with the reason."""
    name = text(body, "symbol", required=True).upper()
    quote = quotes.get(name)
    if quote is None:
        raise Refused(422, "invalid_symbol", f"{name!r} is not traded here", field="symbol")
    kind = (text(body, "type") or text(body, "side") or text(body, "type", required=True)).upper()
    if kind not in PENDING_KINDS | {"BUY", "SELL"}:
        raise Refused.invalid("type", f"type {kind!r} is none of BUY, SELL, {', '.join(sorted(PENDING_KINDS))}")
    size = units(body, "volume", required=True)
    price = points(body, "price", quote.symbol) if kind in PENDING_KINDS else None
    if kind in PENDING_KINDS and price is None:
        raise Refused.invalid("price", f"a {kind} order needs a price")
    return Ticket(
        name, kind, size or 0, price, points(body, "sl", quote.symbol), points(body, "tp", quote.symbol),
        whole(body, "magic") or 0, text(body, "comment", longest=64), source, text(body, "client_order_id", longest=64),
    )  # fmt: skip


async def create_order(request: web.Request) -> web.Response:
    """POST /orders: 201 with an account_id, 200 without (the key's first account)."""
    service, body = service_of(request), await body_in(request)
    named = text(body, "account_id")
    visible = service.visible(scope_of(request)) if not named else []
    if not named and not visible:
        raise Refused(404, "account_not_found", "the key has no account")
    account = service.account(named, scope_of(request)) if named else visible[0]
    concern(request, account)
    ready(account)
    ticket = ticket_of(body, service.world.broker.quotes, "api")
    fault = service.faults.find(PARTIAL_FILL, account.id) if ticket.kind not in PENDING_KINDS else None
    placed = service.world.broker.order(account, ticket, half=fault is not None)
    if fault is not None:
        service.faults.strike(fault)
    return reply(_placed(account, placed, ticket.units), 201 if named else 200)


def _placed(account: Account, placed: Position | Order, asked: int | None = None) -> wire.Json:
    """An order's reply; `asked` units of it were asked for."""
    if isinstance(placed, Order):
        return wire.order_object(placed) | {"account_id": account.id}
    shown = wire.position_object(placed)
    if asked is not None and placed.units < asked:
        return shown | wire.partial_object(placed, asked) | {
            "id": shown["id"], "account_id": account.id, "position_id": shown["id"],
        }  # fmt: skip
    return shown | {"account_id": account.id, "filled_volume": shown["volume"], "price": shown["open_price"],
                    "status": "filled", "position_id": shown["id"]}  # fmt: skip


async def patch_order(request: web.Request) -> web.Response:
    """PATCH /orders/{oid}: stops of a position (pos_N or its ticket), price and stops of a pending order (ord_N)."""
    body = await body_in(request)
    account, item = _find(request)
    broker, symbol = service_of(request).world.broker, item.quote.symbol
    sl = points(body, "sl", symbol) if "sl" in body else item.sl
    tp = points(body, "tp", symbol) if "tp" in body else item.tp
    if isinstance(item, Order):
        broker.modify_order(account, item, points(body, "price", symbol) or item.price, sl, tp)
    else:
        broker.modify(account, item, sl, tp)
    return reply(_placed(account, item))


async def delete_order(request: web.Request) -> web.Response:
    """DELETE /orders/{oid}: cancels a pending order, closes a position."""
    account, item = _find(request)
    broker = service_of(request).world.broker
    if isinstance(item, Order):
        broker.cancel(account, item)
        return reply(_placed(account, item))
    trade = broker.close(account, item, None, "manual")
    return reply(wire.closed_object(item, trade))


def _find(request: web.Request) -> tuple[Account, Position | Order]:
    ticket = _ticket(request.match_info["oid"])
    for account in service_of(request).visible(scope_of(request)):
        item = account.positions.get(ticket) or account.orders.get(ticket)
        if item is not None:
            concern(request, account)
            ready(account)
            return account, item
    raise Refused(404, "order_not_found", f"there is no open order {request.match_info['oid']!r}")


async def close_position(request: web.Request) -> web.Response:
    """POST /accounts/{id}/positions/{pid}/close {"volume"?}: 404 position_not_found, 409 already_closed."""
    account, body = ready(account_of(request)), await body_in(request)
    ticket = _ticket(request.match_info["pid"])
    position = account.positions.get(ticket)
    if position is None:
        if ticket and any(trade.ticket == ticket for trade in account.trades):
            raise Refused(409, "already_closed", f"position {request.match_info['pid']} is closed already")
        raise Refused(404, "position_not_found", f"no open position {request.match_info['pid']!r}")
    size = units(body)
    if size is not None and size > position.units:
        text_ = f"volume {size / 100} is more than the open {position.units / 100}"
        raise Refused(422, "volume_out_of_range", text_, field="volume", limit=position.units / 100)
    trade = service_of(request).world.broker.close(account, position, size, "manual")
    return reply(wire.closed_object(position, trade) | {"account_id": account.id})


async def close_all(request: web.Request) -> web.Response:
    """POST /accounts/{id}/close-all {"symbol"?,"magic"?,"delete_pending"?}"""
    service, account, body = service_of(request), ready(account_of(request)), await body_in(request)
    symbol = text(body, "symbol").upper() or None
    if symbol is not None:
        service.world.broker.quote(symbol)
    fault = service.faults.find(frozenset({"partial_close"}), account.id)
    failing = 0
    if fault is not None and account.positions:
        failing = max(1, len(account.positions) // 2)
        service.faults.strike(fault)
    answer = service.world.broker.close_all(
        account, text(body, "request_id") or request[REQUEST_ID], symbol=symbol, magic=whole(body, "magic"),
        delete_pending=flag(body, "delete_pending", True), failing=failing,
    )  # fmt: skip
    return reply(answer)


async def list_symbols(request: web.Request) -> web.Response:
    """GET /symbols"""
    return listing(request, [wire.symbol_object(quote) for quote in service_of(request).world.broker.quotes.values()])


async def get_symbol(request: web.Request) -> web.Response:
    """GET /symbols/{name}"""
    return reply(wire.symbol_object(_quote(request)))


async def get_quote(request: web.Request) -> web.Response:
    """GET /quotes/{symbol}"""
    return reply(wire.quote_object(_quote(request), service_of(request).world.events.now_ms()))


def _quote(request: web.Request) -> Quote:
    name = request.match_info["name"]
    quote = service_of(request).world.broker.quotes.get(name.upper())
    if quote is None:
        raise Refused(404, "symbol_not_found", f"there is no symbol {name!r}")
    return quote


def _ticket(text_: str) -> int:
    """The number in pos_7001, ord_7001 or 7001; 0 when it is none."""
    return digits(text_.rpartition("_")[2]) or 0

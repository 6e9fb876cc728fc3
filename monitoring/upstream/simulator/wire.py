"""The bearer dialect's shapes: cents, points and units become the numbers and words that go on the wire."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from monitoring.upstream.simulator.ledger import Account, Order, Position, Trade
from monitoring.upstream.simulator.market import Quote
from monitoring.upstream.simulator.symbols import SYMBOLS, Symbol

Json = dict[str, Any]
encode = msgspec.json.Encoder().encode
_second = (-1, "")


def iso(ms: int) -> str:
    """RFC 3339 UTC with milliseconds, from milliseconds since 1970."""
    global _second  # one text a second serves every frame of it
    second, rest = divmod(ms, 1000)
    if second != _second[0]:
        _second = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
    return f"{_second[1]}.{rest:03d}Z"


def iso_of(instant: datetime | None) -> str | None:
    """As `iso`, from an aware time."""
    return None if instant is None else iso(int(instant.astimezone(UTC).timestamp() * 1000))


def figures(account: Account, floating: int) -> Json:
    """The `data` of an account_update."""
    equity = account.balance + account.credit + floating
    margin = account.margin
    return {
        "id": account.id,
        "account_id": account.id,
        "balance": account.balance / 100,
        "equity": equity / 100,
        "credit": account.credit / 100,
        "profit": floating / 100,
        "margin": margin / 100,
        "free_margin": (equity - margin) / 100,
        "margin_level": round(equity * 100 / margin, 2) if margin else None,
        "currency": account.currency,
        "leverage": account.leverage,
        "status": account.status,
        "open_positions": len(account.positions),
        "last_updated": account.last_updated,
    }


def account_object(account: Account) -> Json:
    """An account as REST lists it; `seq` is the newest number that these figures include."""
    return figures(account, account.floating) | {
        "login": account.login,
        "name": account.name,
        "group": account.group,
        "server": account.server,
        "platform": "mt5",
        "locked": account.locked,
        "lock_reason": account.lock_reason,
        "locked_until": iso_of(account.locked_until),
        "seq": account.seq,
    }


def position_object(position: Position) -> Json:
    """An open position."""
    symbol = position.quote.symbol
    return {
        "id": f"pos_{position.ticket}",
        "ticket": position.ticket,
        "symbol": symbol.name,
        "type": "BUY" if position.side > 0 else "SELL",
        "volume": position.units / 100,
        "open_price": symbol.price(position.open_points),
        "current_price": symbol.price(position.exit_points),
        "sl": _price(symbol, position.sl),
        "tp": _price(symbol, position.tp),
        "profit": position.profit / 100,
        "swap": position.swap / 100,
        "commission": position.commission / 100,
        "magic": position.magic,
        "comment": position.comment,
        "open_time": iso(position.opened_at),
        "source": position.source,
    }


def closed_object(position: Position, trade: Trade) -> Json:
    """The `data` of a position_close: the position, and the deal that closed it whole or in part."""
    symbol = position.quote.symbol
    return position_object(position) | {
        "volume": (trade.units + trade.remaining) / 100,
        "current_price": symbol.price(trade.close_points),
        "deal": trade.deal,
        "close_price": symbol.price(trade.close_points),
        "close_time": iso(trade.close_time),
        "closed_volume": trade.units / 100,
        "remaining_volume": trade.remaining / 100,
        "profit": trade.profit / 100,
        "swap": trade.swap / 100,
        "commission": trade.commission / 100,
        "net_profit": trade.net / 100,
        "reason": trade.reason,
    }


def order_object(order: Order) -> Json:
    """A pending order, as in order_update."""
    symbol = order.quote.symbol
    return {
        "id": f"ord_{order.ticket}",
        "ticket": order.ticket,
        "symbol": symbol.name,
        "type": order.kind,
        "volume": order.units / 100,
        "filled_volume": order.units / 100 if order.status == "filled" else 0.0,
        "price": symbol.price(order.price),
        "sl": _price(symbol, order.sl),
        "tp": _price(symbol, order.tp),
        "status": order.status,
        "magic": order.magic,
        "comment": order.comment,
    }


def partial_object(position: Position, units: int) -> Json:
    """An order at market for `units` of which this position is all that was filled, as in order_update."""
    symbol = position.quote.symbol
    return {
        "id": f"ord_{position.ticket}",
        "ticket": position.ticket,
        "symbol": symbol.name,
        "type": "BUY" if position.side > 0 else "SELL",
        "volume": units / 100,
        "filled_volume": position.units / 100,
        "price": symbol.price(position.open_points),
        "sl": _price(symbol, position.sl),
        "tp": _price(symbol, position.tp),
        "status": "partial",
        "magic": position.magic,
        "comment": position.comment,
    }


def trade_object(trade: Trade) -> Json:
    """A round trip or a balance operation, as GET /trades lists it."""
    symbol = SYMBOLS.get(trade.symbol)
    return {
        "id": f"{'bal' if trade.kind == 'balance' else 'deal'}_{trade.deal}",
        "ticket": trade.deal,
        "position": trade.ticket or None,
        "symbol": trade.symbol or None,
        "type": trade.kind,
        "volume": trade.units / 100,
        "open_price": _price(symbol, trade.open_points) if symbol else None,
        "close_price": _price(symbol, trade.close_points) if symbol else None,
        "open_time": iso(trade.open_time) if symbol else None,
        "close_time": iso(trade.close_time),
        "profit": trade.profit / 100,
        "commission": trade.commission / 100,
        "swap": trade.swap / 100,
        "net_profit": trade.net / 100,
        "source": trade.source,
        "reason": trade.reason,
        "comment": trade.comment,
        "magic": trade.magic,
    }


def symbol_object(quote: Quote) -> Json:
    """A symbol's specification."""
    symbol = quote.symbol
    return {
        "name": symbol.name,
        "symbol": symbol.name,
        "digits": symbol.digits,
        "contract_size": symbol.contract_size,
        "base_currency": symbol.base,
        "quote_currency": symbol.quote,
        "tick_size": 1 / symbol.scale,
        "volume_min": symbol.min_units / 100,
        "volume_max": symbol.max_units / 100,
        "volume_step": 0.01,
        "swap_long": symbol.swap_long,
        "swap_short": symbol.swap_short,
        "commission_per_lot": symbol.commission / 100,
        "market_open": quote.open,
    }


def quote_object(quote: Quote, now_ms: int) -> Json:
    """A symbol's bid and ask."""
    symbol, at = quote.symbol, iso(now_ms)
    bid, ask = symbol.price(quote.bid), symbol.price(quote.ask)
    return {"symbol": symbol.name, "bid": bid, "ask": ask, "time": at, "timestamp": at}


def tick_frame(quote: Quote, now_ms: int) -> Json:
    """A tick, flat and nested at once."""
    data = quote_object(quote, now_ms)
    at = data.pop("timestamp")
    return {"type": "tick", **{key: data[key] for key in ("symbol", "bid", "ask")}, "timestamp": at, "data": data}


def _price(symbol: Symbol, points: int | None) -> float | None:
    return None if points is None else symbol.price(points)

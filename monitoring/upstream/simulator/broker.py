"""What can be done with an account: open, modify, close, lock, deposit. Each verb books, then tells the stream."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count

from monitoring.upstream.simulator import wire
from monitoring.upstream.simulator.errors import Refused
from monitoring.upstream.simulator.events import Events
from monitoring.upstream.simulator.ledger import OPERATION_KINDS, Account, Order, Position, Trade
from monitoring.upstream.simulator.market import Quote
from monitoring.upstream.simulator.risk_rules import Watch, check_order
from monitoring.upstream.simulator.triggers import Triggers

DONE, MARKET_CLOSED, NO_CONNECTION = 10009, 10018, 10031
STOP_OUT_PERCENT = 50
OUTGOING = frozenset({"withdrawal", "payout"})
PENDING_KINDS = frozenset({"BUY_LIMIT", "SELL_LIMIT", "BUY_STOP", "SELL_STOP"})


@dataclass(frozen=True, slots=True)
class Ticket:
    """An order as asked for: volume in units of 0.01 lot, stops and price in points; `price` None is at market."""

    symbol: str
    kind: str
    units: int
    price: int | None = None
    sl: int | None = None
    tp: int | None = None
    magic: int = 0
    comment: str = ""
    source: str = "trader"
    client_order_id: str = ""

    @property
    def side(self) -> int:
        """+1 when it buys."""
        return 1 if self.kind.startswith("BUY") else -1


class Broker:
    """The trading server: one price feed, many accounts."""

    def __init__(self, quotes: dict[str, Quote], events: Events) -> None:
        self.quotes = quotes
        self.events = events
        self.triggers = Triggers()
        self.watches: dict[str, Watch] = {}
        self.rules_history: dict[str, list[wire.Json]] = {}
        self._tickets = count(7001)
        self._deals = count(9001)

    def quote(self, symbol: str) -> Quote:
        """The symbol's quote; Refused if there is no such symbol here."""
        quote = self.quotes.get(symbol.upper())
        if quote is None:
            raise Refused(422, "invalid_symbol", f"{symbol!r} is not traded here", field="symbol")
        return quote

    # Orders

    def order(self, account: Account, ticket: Ticket, *, half: bool = False) -> Position | Order:
        """Place an order (at market filled by `half` only: a fault); Refused, after an order_rejected event."""
        try:
            quote = self._check(account, ticket)
        except Refused as refusal:
            self._reject(account, ticket, refusal)
            raise
        if ticket.kind in PENDING_KINDS:
            return self._pend(account, ticket, quote)
        filled = ticket.units // 2 if half and ticket.units > 1 else ticket.units
        position = self._open(account, replace(ticket, units=filled), quote)
        if filled < ticket.units:
            self.events.emit(account, "order_update", wire.partial_object(position, ticket.units))
        self.events.update(account)
        return position

    def _check(self, account: Account, ticket: Ticket) -> Quote:
        if account.locked:
            raise Refused(423, "account_locked", f"account {account.id} is locked: {account.lock_reason}")
        if account.status != "connected":
            raise Refused(503, "terminal_not_ready", f"account {account.id} is {account.status}")
        quote = self.quote(ticket.symbol)
        symbol = quote.symbol
        if not symbol.min_units <= ticket.units <= symbol.max_units:
            text = f"{ticket.units / 100} lots is not within {symbol.min_units / 100} and {symbol.max_units / 100}"
            raise Refused(422, "volume_out_of_range", text, limit=symbol.max_units / 100)
        if not quote.open:
            raise Refused(422, "market_closed", f"the market of {symbol.name} is closed")
        check_stops(quote, ticket.side, ticket.sl, ticket.tp, ticket.price)
        watch = self.watches.get(account.id)
        if watch is not None:
            check_order(watch.rules, account, symbol.name, ticket.units, self.events.now())
            if watch.closing:
                minutes = watch.rules.friday_close_minutes
                raise Refused(422, "outside_trading_hours", f"the week closes within {minutes} minutes")
        price = quote.ask if ticket.side > 0 else quote.bid
        needed = price * ticket.units * quote.num // (quote.den * min(account.leverage, symbol.max_leverage))
        free = account.equity - account.margin
        if needed > free:
            text = f"needs a margin of {needed / 100:.2f}, free margin is {free / 100:.2f}"
            raise Refused(422, "insufficient_margin", text)
        return quote

    def _reject(self, account: Account, ticket: Ticket, refusal: Refused) -> None:
        data = {
            "code": refusal.reason, "message": refusal.message, "symbol": ticket.symbol, "type": ticket.kind,
            "volume": ticket.units / 100, "limit": refusal.limit, "client_order_id": ticket.client_order_id or None,
        }  # fmt: skip
        self.events.emit(account, "order_rejected", data)

    def _open(self, account: Account, ticket: Ticket, quote: Quote) -> Position:
        position = Position(next(self._tickets), quote, ticket.side, ticket.units, self.events.now_ms())
        position.sl, position.tp = ticket.sl, ticket.tp
        position.magic, position.comment, position.source = ticket.magic, ticket.comment, ticket.source
        account.open(position)
        self.triggers.watch(account, position)
        self.events.emit(account, "position_open", wire.position_object(position))
        return position

    def inherit(self, account: Account, ticket: Ticket, result: int, age_ms: int) -> None:
        """A position from before the simulation began: paid so that it now floats at `result` cents; no event."""
        quote = self._check(account, ticket)
        position = Position(next(self._tickets), quote, ticket.side, ticket.units, self.events.now_ms() - age_ms)
        position.open_points -= ticket.side * (result * quote.den // (quote.num * ticket.units))
        account.open(position)

    def _pend(self, account: Account, ticket: Ticket, quote: Quote) -> Order:
        if ticket.price is None:
            raise Refused.invalid("price", f"a {ticket.kind} order needs a price")
        order = Order(next(self._tickets), quote, ticket.kind, ticket.units, ticket.price, ticket.sl, ticket.tp,
                      magic=ticket.magic, comment=ticket.comment, source=ticket.source)  # fmt: skip
        account.orders[order.ticket] = order
        self.triggers.watch_order(account, order)
        self.events.emit(account, "order_update", wire.order_object(order))
        return order

    def cancel(self, account: Account, order: Order, status: str = "cancelled") -> None:
        """Take a pending order away."""
        account.orders.pop(order.ticket, None)
        order.status = status
        self.events.emit(account, "order_update", wire.order_object(order))

    def fill(self, account: Account, order: Order) -> None:
        """A pending order whose price was reached becomes a position, or is rejected."""
        ticket = Ticket(order.quote.symbol.name, "BUY" if order.side > 0 else "SELL", order.units, None, order.sl,
                        order.tp, order.magic, order.comment, order.source)  # fmt: skip
        try:
            quote = self._check(account, ticket)
        except Refused as refusal:
            self.cancel(account, order, "rejected")
            self._reject(account, ticket, refusal)
            return
        self.cancel(account, order, "filled")
        self._open(account, ticket, quote)
        self.events.update(account)

    def modify_order(self, account: Account, order: Order, price: int, sl: int | None, tp: int | None) -> None:
        """Move a pending order's price and stops."""
        check_stops(order.quote, order.side, sl, tp, price)
        order.price, order.sl, order.tp = price, sl, tp
        self.triggers.watch_order(account, order)
        self.events.emit(account, "order_update", wire.order_object(order))

    # Positions

    def modify(self, account: Account, position: Position, sl: int | None, tp: int | None) -> list[str]:
        """Move stop and target; what changed is returned and sent."""
        check_stops(position.quote, position.side, sl, tp)
        changed = [name for name, old, new in (("sl", position.sl, sl), ("tp", position.tp, tp)) if old != new]
        if changed:
            position.sl, position.tp = sl, tp
            self.triggers.watch(account, position)
            self.events.emit(account, "position_modified", wire.position_object(position) | {"changed": changed})
        return changed

    def close(self, account: Account, position: Position, units: int | None, reason: str) -> Trade:
        """Close a position whole, or `units` of it, and send the update."""
        trade = self._close(account, position, units or position.units, reason)
        self.events.update(account)
        return trade

    def _close(self, account: Account, position: Position, units: int, reason: str) -> Trade:
        if not position.quote.open:
            raise Refused(422, "market_closed", f"the market of {position.quote.symbol.name} is closed")
        trade = account.close(position, units, next(self._deals), self.events.now_ms(), reason)
        self.events.emit(account, "position_close", wire.closed_object(position, trade))
        if trade.remaining:
            data = wire.position_object(position) | {"changed": ["volume"]}
            self.events.emit(account, "position_modified", data)
        return trade

    def close_all(
        self,
        account: Account,
        request_id: str,
        *,
        symbol: str | None = None,
        magic: int | None = None,
        delete_pending: bool = True,
        reason: str = "risk_engine",
        failing: int = 0,
    ) -> wire.Json:
        """Close what matches; the last `failing` positions fail (a fault). Sends closes, update and result."""
        chosen = [
            position
            for position in account.positions.values()
            if symbol in (None, position.quote.symbol.name) and magic in (None, position.magic)
        ]
        results = []
        for index, position in enumerate(chosen):
            refused = index >= len(chosen) - failing
            results.append(self._close_one(account, position, reason, refused=refused))
        for order in list(account.orders.values()) if delete_pending else []:
            if symbol in (None, order.quote.symbol.name) and magic in (None, order.magic):
                self.cancel(account, order)
                results.append({"id": f"ord_{order.ticket}", "ticket": order.ticket, "kind": "order",
                                "success": True, "retcode": DONE})  # fmt: skip
        if not account.positions and account.offset:
            account.realise_offset(next(self._deals), self.events.now_ms())
        closed = sum(1 for result in results if result["success"])
        answer = {"request_id": request_id, "requested": len(results), "closed": closed,
                  "failed": len(results) - closed, "results": results}  # fmt: skip
        self.events.update(account)
        self.events.emit(account, "close_all_result", answer)
        return answer

    def _close_one(self, account: Account, position: Position, reason: str, *, refused: bool) -> wire.Json:
        head = {"id": f"pos_{position.ticket}", "ticket": position.ticket, "kind": "position"}
        if refused:
            return head | {"success": False, "retcode": NO_CONNECTION, "retcode_description": "No connection"}
        if not position.quote.open:
            return head | {"success": False, "retcode": MARKET_CLOSED, "retcode_description": "Market closed"}
        trade = self._close(account, position, position.units, reason)
        price = position.quote.symbol.price(trade.close_points)
        return head | {"success": True, "retcode": DONE, "price": price}

    def stop_out(self, account: Account) -> bool:
        """Close the worst positions while equity is under half of the margin; True if any was closed."""
        acted = False
        while account.margin and account.equity * 100 < STOP_OUT_PERCENT * account.margin:
            tradable = [position for position in account.positions.values() if position.quote.open]
            if not tradable:
                break
            worst = min(tradable, key=lambda position: (position.profit, position.ticket))
            self._close(account, worst, worst.units, "so")
            acted = True
        return acted

    # Money and rights

    def operate(self, account: Account, kind: str, amount: int, comment: str = "") -> None:
        """Deposit, withdraw, pay out, correct (cents; withdrawals and payouts leave whatever their sign)."""
        if kind not in OPERATION_KINDS:
            raise Refused.invalid("kind", f"{kind!r} is none of {', '.join(OPERATION_KINDS)}")
        amount = -abs(amount) if kind in OUTGOING else amount
        if kind == "deposit" and amount < 0:
            raise Refused.invalid("amount", "a deposit is positive; use withdrawal")
        number = self.fund(account, amount, kind, comment)
        self.events.operation(account, number, kind, amount, comment)

    def fund(self, account: Account, amount: int, kind: str = "deposit", comment: str = "") -> int:
        """Book a balance operation and keep it among the trades, without a word to the stream; its number."""
        account.operate(amount, kind)
        number = next(self._deals)
        trade = Trade(number, "balance", amount, self.events.now_ms(), profit=amount, reason=kind, comment=comment)
        account.trades.append(trade)
        return number

    def put(self, account: Account, balance: int | None, equity: int | None, credit: int | None) -> None:
        """Put an account at these figures (cents) and send the update; see `offset` in the ledger."""
        if balance is not None and balance != account.balance:
            net = balance - account.balance
            account.book(net)
            now_ms = self.events.now_ms()
            account.trades.append(Trade(next(self._deals), "ADJUSTMENT", net, now_ms, profit=net, source="control"))
        if credit is not None:
            account.credit = credit
        if equity is not None:
            account.offset += equity - account.equity
        self.events.update(account)

    def lock(self, account: Account, reason: str, until: datetime | None) -> None:
        """Refuse new orders of the account from now on."""
        account.locked, account.lock_reason, account.locked_until = True, reason, until
        self.events.emit(account, "account_locked", {"id": account.id, "reason": reason, "until": wire.iso_of(until)})

    def unlock(self, account: Account, reason: str) -> None:
        """Take orders again."""
        account.locked, account.lock_reason, account.locked_until = False, None, None
        self.events.emit(account, "account_unlocked", {"id": account.id, "reason": reason, "until": None})


def check_stops(quote: Quote, side: int, sl: int | None, tp: int | None, price: int | None = None) -> None:
    """Refused unless the stop lies on the losing side of the price and the target on the winning side."""
    level = price if price is not None else quote.bid if side > 0 else quote.ask
    symbol = quote.symbol
    for name, points, sign in (("sl", sl, -1), ("tp", tp, 1)):
        if points is not None and (points <= 0 or (points - level) * sign * side <= 0):
            where = "above" if sign * side > 0 else "below"
            text = f"{name} {symbol.price(points)} must be {where} {symbol.price(level)}"
            raise Refused(422, "invalid_stops", text, field=name)

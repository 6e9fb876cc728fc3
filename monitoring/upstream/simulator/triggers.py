"""Stops, targets and pending orders, kept by price: each tick looks only at what it reaches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from heapq import heappop, heappush

from monitoring.upstream.simulator.ledger import Account, Order, Position
from monitoring.upstream.simulator.market import Quote

Item = Position | Order
Entry = tuple[int, int, str, Account, Item]  # (signed price, ticket, what, account, item)


class Triggers:
    """Four heaps a symbol: what fires when the bid (or the ask) has risen (or fallen) to a price."""

    def __init__(self) -> None:
        self._rising_bid: defaultdict[str, list[Entry]] = defaultdict(list)
        self._falling_bid: defaultdict[str, list[Entry]] = defaultdict(list)
        self._rising_ask: defaultdict[str, list[Entry]] = defaultdict(list)
        self._falling_ask: defaultdict[str, list[Entry]] = defaultdict(list)

    def watch(self, account: Account, position: Position) -> None:
        """Register a position's stop and target as they are now; older registrations die by themselves."""
        name = position.quote.symbol.name
        buying = position.side > 0
        if position.sl is not None:
            if buying:
                heappush(self._falling_bid[name], (-position.sl, position.ticket, "sl", account, position))
            else:
                heappush(self._rising_ask[name], (position.sl, position.ticket, "sl", account, position))
        if position.tp is not None:
            if buying:
                heappush(self._rising_bid[name], (position.tp, position.ticket, "tp", account, position))
            else:
                heappush(self._falling_ask[name], (-position.tp, position.ticket, "tp", account, position))

    def watch_order(self, account: Account, order: Order) -> None:
        """Register a pending order's price."""
        name = order.quote.symbol.name
        heap, sign = {
            "BUY_LIMIT": (self._falling_ask, -1),
            "BUY_STOP": (self._rising_ask, 1),
            "SELL_LIMIT": (self._rising_bid, 1),
            "SELL_STOP": (self._falling_bid, -1),
        }[order.kind]
        heappush(heap[name], (sign * order.price, order.ticket, "order", account, order))

    def reached(self, quote: Quote) -> Iterator[tuple[Account, Item, str]]:
        """What this quote reaches, each once: (account, position or order, `sl` | `tp` | `order`)."""
        name = quote.symbol.name
        yield from _pop(self._rising_bid[name], quote.bid)
        yield from _pop(self._falling_bid[name], -quote.bid)
        yield from _pop(self._rising_ask[name], quote.ask)
        yield from _pop(self._falling_ask[name], -quote.ask)


def _pop(heap: list[Entry], level: int) -> Iterator[tuple[Account, Item, str]]:
    while heap and heap[0][0] <= level:
        price, _, what, account, item = heappop(heap)
        if _stands(abs(price), what, account, item):
            yield account, item, what


def _stands(price: int, what: str, account: Account, item: Item) -> bool:
    if isinstance(item, Order):
        return account.orders.get(item.ticket) is item and item.price == price
    return account.positions.get(item.ticket) is item and (item.sl if what == "sl" else item.tp) == price

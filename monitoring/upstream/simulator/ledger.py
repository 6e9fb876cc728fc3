"""The books of one account, in whole cents: balance = operations + Σ deal nets, equity = balance + credit + profit."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from monitoring.upstream.simulator.market import Quote
from monitoring.upstream.simulator.symbols import VOLUME_UNITS

MAX_TRADES = 2000
CREDIT_KINDS = frozenset({"credit"})
OPERATION_KINDS = ("deposit", "withdrawal", "payout", "credit", "bonus", "correction")


class Position:
    """An open position: prices in points, volume in units of 0.01 lot, money in cents; side is +1 or -1."""

    __slots__ = (
        "comment", "commission", "magic", "margin", "open_points", "opened_at", "quote", "side", "sl", "source",
        "swap", "ticket", "tp", "units",
    )  # fmt: skip

    def __init__(self, ticket: int, quote: Quote, side: int, units: int, opened_at: int) -> None:
        self.ticket = ticket
        self.quote = quote
        self.side = side
        self.units = units
        self.open_points = quote.ask if side > 0 else quote.bid
        self.opened_at = opened_at  # ms since 1970
        self.sl: int | None = None
        self.tp: int | None = None
        self.swap = 0
        self.commission = 0
        self.margin = 0
        self.magic = 0
        self.comment = ""
        self.source = "trader"

    @property
    def profit(self) -> int:
        """Price profit alone, in cents."""
        return self.quote.profit(self.side, self.open_points, self.units)

    @property
    def exit_points(self) -> int:
        """The price that closes it now."""
        return self.quote.bid if self.side > 0 else self.quote.ask


@dataclass(slots=True)
class Order:
    """A pending order."""

    ticket: int
    quote: Quote
    kind: str  # BUY_LIMIT, SELL_LIMIT, BUY_STOP, SELL_STOP
    units: int
    price: int
    sl: int | None = None
    tp: int | None = None
    status: str = "pending"
    magic: int = 0
    comment: str = ""
    source: str = "trader"

    @property
    def side(self) -> int:
        """+1 when it buys."""
        return 1 if self.kind.startswith("BUY") else -1


@dataclass(frozen=True, slots=True)
class Trade:
    """A closed round trip, or a balance operation (`kind` balance); money in cents, times in ms."""

    deal: int
    kind: str
    net: int
    close_time: int
    ticket: int = 0
    symbol: str = ""
    units: int = 0
    remaining: int = 0
    open_points: int = 0
    close_points: int = 0
    open_time: int = 0
    profit: int = 0
    commission: int = 0
    swap: int = 0
    source: str = ""
    reason: str = ""
    comment: str = ""
    magic: int = 0


@dataclass(slots=True)
class Account:
    """One account's truth. The world is its only writer."""

    id: str
    login: str
    name: str
    group: str
    initial: int
    leverage: int = 100
    currency: str = "USD"
    server: str = "Simulator-Demo"
    balance: int = 0
    credit: int = 0
    offset: int = 0  # what control put between prices and equity; stays until the account is flat
    operations: int = 0  # Σ balance operations
    deals: int = 0  # Σ deal nets
    positions: dict[int, Position] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=MAX_TRADES))
    margin: int = 0
    status: str = "connected"
    lost_reason: str = ""
    lost_at: float = 0.0
    stale: bool = False
    locked: bool = False
    lock_reason: str | None = None
    locked_until: datetime | None = None
    seq: int = 0
    slot: int = 0
    last_updated: str = ""
    last_sent_at: float = 0.0  # simulated seconds
    day_start: int = 0
    peak: int = 0
    filter: frozenset[str] | None = None
    attempt: int = 0  # at signing in: a newer one makes an older one void
    mine: bool = False  # made by control or REST: no simulated trader

    @property
    def floating(self) -> int:
        """Profit and swap of the open positions, and the offset."""
        total = self.offset
        for position in self.positions.values():
            total += position.profit + position.swap
        return total

    @property
    def equity(self) -> int:
        """Balance, credit and floating profit."""
        return self.balance + self.credit + self.floating

    @property
    def reporting(self) -> bool:
        """Whether the upstream hears of it at all."""
        return self.status == "connected" and not self.stale

    def operate(self, amount: int, kind: str) -> None:
        """Book a balance operation; credit goes to the credit, everything else to the balance."""
        if kind in CREDIT_KINDS:
            self.credit += amount
        else:
            self.balance += amount
            self.operations += amount

    def book(self, net: int) -> None:
        """Book a deal's net result."""
        self.balance += net
        self.deals += net

    def open(self, position: Position) -> None:
        """Add a position and charge its opening commission."""
        quote = position.quote
        position.commission = -(quote.symbol.commission * position.units // VOLUME_UNITS)
        ratio = min(self.leverage, quote.symbol.max_leverage)
        position.margin = position.open_points * position.units * quote.num // (quote.den * ratio)
        self.margin += position.margin
        self.positions[position.ticket] = position
        self.book(position.commission)

    def close(self, position: Position, units: int, deal: int, now_ms: int, reason: str) -> Trade:
        """Close `units` of a position: books price profit, its share of the swap, and the closing commission."""
        whole = units == position.units
        quote = position.quote
        profit = quote.profit(position.side, position.open_points, units)
        swap = position.swap if whole else position.swap * units // position.units
        entry = position.commission if whole else -(-position.commission * units // position.units)
        margin = position.margin if whole else position.margin * units // position.units
        leaving = -(quote.symbol.commission * units // VOLUME_UNITS)
        position.units -= units
        position.swap -= swap
        position.commission -= entry
        position.margin -= margin
        self.margin -= margin
        if whole:
            del self.positions[position.ticket]
        if not self.positions and self.offset:
            profit += self.offset
            self.offset = 0
        self.book(profit + swap + leaving)
        trade = Trade(
            deal, "BUY" if position.side > 0 else "SELL", profit + swap + entry + leaving, now_ms, position.ticket,
            quote.symbol.name, units, position.units, position.open_points, position.exit_points, position.opened_at,
            profit, entry + leaving, swap, position.source, reason, position.comment, position.magic,
        )  # fmt: skip
        self.trades.append(trade)
        return trade

    def realise_offset(self, deal: int, now_ms: int) -> None:
        """A flat account that is closed takes the offset into its balance, as a deal without a position."""
        amount, self.offset = self.offset, 0
        self.book(amount)
        self.trades.append(Trade(deal, "ADJUSTMENT", amount, now_ms, profit=amount, reason="manual", source="control"))

    def roll_over(self, nights: int) -> None:
        """Charge `nights` of swap on every open position."""
        for position in self.positions.values():
            symbol = position.quote.symbol
            points = symbol.swap_long if position.side > 0 else symbol.swap_short
            quote = position.quote
            position.swap += nights * points * position.units * quote.num // quote.den

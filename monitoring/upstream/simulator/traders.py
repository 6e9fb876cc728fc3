"""Simulated traders: each has a style, its own seeded dice, and acts when its time has come."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress

from monitoring.upstream.simulator.broker import Broker, Ticket
from monitoring.upstream.simulator.errors import Refused
from monitoring.upstream.simulator.ledger import Account, Position
from monitoring.upstream.simulator.market import Quote

FAVOURITES = ("EURUSD", "EURUSD", "GBPUSD", "USDJPY", "XAUUSD", "XAUUSD", "US30", "NAS100", "BTCUSD", "GER40",
              "AUDUSD", "EURJPY", "USDCAD", "USDCHF", "ETHUSD")  # fmt: skip
REFERENCE_RISK = 5.4  # cents a unit and root second: what 0.01 lot of EURUSD moves


class Trader:
    """One trader; `due` is the world's step at which it acts next."""

    __slots__ = ("account", "broker", "copied", "dice", "due", "favourite", "leader", "level", "levels", "style")

    def __init__(self, account: Account, broker: Broker, style: str, seed: str, leader: Account | None = None) -> None:
        self.account = account
        self.broker = broker
        self.style = style
        self.dice = random.Random(seed)
        self.due = 0
        self.levels = 0
        self.level = 0  # the favourite's bid when it last looked
        self.leader = leader
        self.copied: dict[int, int] = {}
        listed = [name for name in FAVOURITES if name in broker.quotes] or sorted(broker.quotes)
        self.favourite = self.dice.choice(listed)

    def act(self) -> float:
        """Do what this style does now; seconds until the next time. A refused order is only a pause."""
        if self.account.locked:
            return 30.0
        try:
            return STYLES[self.style](self)
        except Refused:
            return 20.0 + self.dice.random() * 20

    def quote(self) -> Quote:
        """Today's symbol: mostly the favourite."""
        quotes = self.broker.quotes
        if self.dice.random() < 0.75:
            return quotes[self.favourite]
        return quotes[self.dice.choice([name for name in FAVOURITES if name in quotes] or sorted(quotes))]

    def units(self, quote: Quote, lots: float) -> int:
        """`lots` of EURUSD for each 100,000 of the account, turned into units of equal risk of this symbol."""
        symbol = quote.symbol
        risk = symbol.sigma * quote.bid * quote.num / quote.den or REFERENCE_RISK
        size = lots * 100 * self.account.initial / 10_000_000 * REFERENCE_RISK / risk
        return min(max(symbol.min_units, round(size)), symbol.max_units)

    def buy_or_sell(self, lots: float, *, stop: float = 0, target: float = 0, side: int = 0) -> None:
        """Open at market; stop and target in spreads away from the price."""
        quote = self.quote()
        if not quote.open:
            return
        side = side or self.dice.choice((1, -1))
        level = quote.bid if side > 0 else quote.ask
        spread = quote.symbol.spread
        sl = level - side * round(stop * spread) if stop else None
        tp = level + side * round(target * spread) if target else None
        ticket = Ticket(quote.symbol.name, "BUY" if side > 0 else "SELL", self.units(quote, lots), None, sl, tp)
        self.broker.order(self.account, ticket)

    def leave(self, position: Position) -> None:
        """Close one position."""
        self.broker.close(self.account, position, None, "client")


def _calm(trader: Trader) -> float:
    positions = list(trader.account.positions.values())
    if not positions:
        trader.buy_or_sell(0.15, stop=25, target=35)
    elif trader.dice.random() < 0.1:
        trader.leave(positions[0])
    return trader.dice.uniform(30, 90)


def _idle(trader: Trader) -> float:
    positions = list(trader.account.positions.values())
    if positions and trader.dice.random() < 0.3:
        trader.leave(positions[0])
    elif not positions and trader.dice.random() < 0.15:
        trader.buy_or_sell(0.1, stop=40, target=60)
    return trader.dice.uniform(120, 600)


def _swing(trader: Trader) -> float:
    dice, positions = trader.dice, list(trader.account.positions.values())
    if len(positions) < 3 and dice.random() < (0.7 if not positions else 0.15):
        trader.buy_or_sell(dice.uniform(0.2, 0.8), stop=dice.uniform(15, 40), target=dice.uniform(20, 80))
    elif positions and dice.random() < 0.15:
        trader.leave(dice.choice(positions))
    elif positions and dice.random() < 0.4:
        _trail(trader, dice.choice(positions))
    return dice.uniform(15, 75)


def _trail(trader: Trader, position: Position) -> None:
    """Move the stop after a price that has gone the right way; half of the time take half of the profit."""
    quote, side = position.quote, position.side
    if not quote.open or (position.exit_points - position.open_points) * side < 6 * quote.symbol.spread:
        return
    sl = position.exit_points - side * 4 * quote.symbol.spread
    if position.sl is None or (sl - position.sl) * side > 0:
        trader.broker.modify(trader.account, position, sl, position.tp)
    if position.units >= 20 and trader.dice.random() < 0.5:
        trader.broker.close(trader.account, position, position.units // 2, "client")


def _scalper(trader: Trader) -> float:
    dice, positions = trader.dice, list(trader.account.positions.values())
    if positions:
        if dice.random() < 0.5:
            trader.leave(positions[0])
    else:
        trader.buy_or_sell(dice.uniform(0.2, 0.5), stop=4, target=5)
    return dice.uniform(8, 30)


def _martingale(trader: Trader) -> float:
    positions = list(trader.account.positions.values())
    if not positions:
        trader.levels = 0
        trader.buy_or_sell(0.5)
        return trader.dice.uniform(10, 30)
    result = sum(position.profit + 2 * position.commission for position in positions)
    if result > 0:
        for position in positions:
            trader.leave(position)
    elif positions[-1].profit < -4 * trader.units(positions[-1].quote, 0.5) and trader.levels < 5:
        trader.levels += 1
        last = positions[-1]
        units = min(last.units * 2, last.quote.symbol.max_units)
        kind = "BUY" if last.side > 0 else "SELL"
        trader.broker.order(trader.account, Ticket(last.quote.symbol.name, kind, units))
    return trader.dice.uniform(8, 30)


def _gambler(trader: Trader) -> float:
    dice, positions = trader.dice, list(trader.account.positions.values())
    if not positions:
        trader.buy_or_sell(dice.uniform(8, 18))
    elif dice.random() < 0.6:
        trader.leave(positions[0])
    return dice.uniform(45, 240)


def _fader(trader: Trader) -> float:
    """Buys what falls fast and sells what rises fast, without a stop: idle in a calm market, ruined by the news."""
    positions, quote = list(trader.account.positions.values()), trader.broker.quotes[trader.favourite]
    moved, trader.level = (quote.bid - trader.level if trader.level else 0), quote.bid
    result = sum(position.profit + 2 * position.commission for position in positions)
    if positions and result > trader.account.initial // 150:
        for position in positions:
            trader.leave(position)
    elif quote.open and abs(moved) > 7 * quote.symbol.spread and len(positions) < 3:
        kind = "BUY" if moved < 0 else "SELL"
        trader.broker.order(trader.account, Ticket(quote.symbol.name, kind, trader.units(quote, 12)))
    return trader.dice.uniform(5, 10)


def _hedger(trader: Trader) -> float:
    dice, positions = trader.dice, list(trader.account.positions.values())
    if not positions:
        trader.buy_or_sell(0.6, stop=60)
    elif len(positions) == 1 and positions[0].profit < 0:
        first = positions[0]
        kind = "SELL" if first.side > 0 else "BUY"
        trader.broker.order(trader.account, Ticket(first.quote.symbol.name, kind, first.units, comment="hedge"))
    elif dice.random() < 0.3:
        trader.leave(max(positions, key=lambda position: (position.profit, position.ticket)))
    return dice.uniform(20, 90)


def _copier(trader: Trader) -> float:
    """Holds what its leader holds, in its own size; opens and closes a little later."""
    leader, account = trader.leader, trader.account
    if leader is None or leader is account:
        return _swing(trader)
    for theirs, ours in list(trader.copied.items()):
        if theirs not in leader.positions:
            del trader.copied[theirs]
            position = account.positions.get(ours)
            if position is not None:
                trader.leave(position)
    for position in list(leader.positions.values()):
        if position.ticket not in trader.copied and position.quote.open:
            units = max(1, position.units * account.initial // leader.initial)
            kind = "BUY" if position.side > 0 else "SELL"
            ticket = Ticket(position.quote.symbol.name, kind, units, comment=f"copy of {leader.login}")
            opened = trader.broker.order(account, ticket)
            trader.copied[position.ticket] = opened.ticket
    return trader.dice.uniform(2, 6)


STYLES: dict[str, Callable[[Trader], float]] = {
    "calm": _calm,
    "idle": _idle,
    "swing": _swing,
    "scalper": _scalper,
    "martingale": _martingale,
    "gambler": _gambler,
    "fader": _fader,
    "hedger": _hedger,
    "copier": _copier,
}


def begin(trader: Trader) -> None:
    """What the trader holds when the world starts: nothing, something small, or yesterday's loser still open."""
    dice = trader.dice
    fate = dice.random()
    if trader.style == "calm" or fate > 0.32:
        return
    loss = dice.uniform(0.008, 0.028) if fate < 0.10 else dice.uniform(-0.004, 0.008)
    lots = 2.5 if fate < 0.10 else 0.4
    with suppress(Refused):  # its market is closed at the start
        _hold_from_yesterday(trader, lots, loss)


def _hold_from_yesterday(trader: Trader, lots: float, loss: float) -> None:
    """Open a position whose price was paid earlier, so that it floats at `-loss` of the account's size."""
    quote = trader.broker.quotes[trader.favourite]
    kind = trader.dice.choice(("BUY", "SELL"))
    ticket = Ticket(quote.symbol.name, kind, trader.units(quote, lots))
    result = -round(loss * trader.account.initial)
    trader.broker.inherit(trader.account, ticket, result, trader.dice.randrange(3_600_000, 72_000_000))

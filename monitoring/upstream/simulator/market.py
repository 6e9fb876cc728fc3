"""Quotes, and the seeded synthetic market that moves them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from monitoring.upstream.simulator.calendar import DEFAULT_START, activity, is_open
from monitoring.upstream.simulator.symbols import SYMBOLS, Symbol

OnTick = Callable[["Quote"], None]
CALM_SECONDS = 600.0
CALM_BANDS = {"EURUSD": (1.0765, 1.0905)}  # the vendor's samples place sl 1.0720 and tp 1.0950 around it


class Quote:
    """A symbol's price now, and `num`/`den`: cents of the account currency for one point of 0.01 lot."""

    __slots__ = ("ask", "bid", "den", "num", "open", "symbol")

    def __init__(self, symbol: Symbol, bid: int, ask: int) -> None:
        self.symbol = symbol
        self.bid = bid
        self.ask = ask
        self.open = True
        self.num = symbol.contract_size
        self.den = symbol.scale

    def profit(self, side: int, open_points: int, units: int) -> int:
        """Floating profit in cents of a position of `units` (0.01 lot), rounded half up; side is +1 or -1."""
        moved = self.bid - open_points if side > 0 else open_points - self.ask
        return (2 * moved * units * self.num + self.den) // (2 * self.den)


class Market(Protocol):
    """What the world needs of a market; `advance` calls back for every quote that changed, in order."""

    quotes: dict[str, Quote]
    drift: dict[str, float]

    @property
    def now(self) -> datetime:
        """Market time, UTC."""
        ...

    def advance(self, seconds: float, on_tick: OnTick) -> None:
        """Let `seconds` of wall time pass."""
        ...


class Conversions:
    """Keeps every quote's cents-per-point exact as the rates of the quote currencies move (account currency USD)."""

    def __init__(self, quotes: dict[str, Quote]) -> None:
        self._quotes = quotes
        self._followers: dict[str, list[Quote]] = {}
        for quote in quotes.values():
            currency = quote.symbol.quote
            for name in (currency + "USD", "USD" + currency):
                if currency != "USD" and name in SYMBOLS:
                    self._followers.setdefault(name, []).append(quote)
        for name in self._followers:
            self.follow(quotes.get(name) or _resting(SYMBOLS[name]))

    def follow(self, rate: Quote) -> None:
        """Recompute the quotes that are converted by `rate`."""
        symbol = rate.symbol
        for quote in self._followers.get(symbol.name, ()):
            own = quote.symbol
            if symbol.quote == "USD":
                quote.num, quote.den = own.contract_size * rate.bid, own.scale * symbol.scale
            else:
                quote.num, quote.den = own.contract_size * symbol.scale, own.scale * rate.bid


def _resting(symbol: Symbol) -> Quote:
    bid = symbol.points(symbol.start)
    return Quote(symbol, bid, bid + symbol.spread)


class _Process:
    """One symbol's random walk: volatility that clusters, rare jumps, a slow pull home, an optional drift."""

    __slots__ = ("anchor", "heat", "home", "mid", "quote")

    def __init__(self, quote: Quote) -> None:
        self.quote = quote
        self.mid = quote.bid / quote.symbol.scale
        self.home = self.mid
        self.heat = 0.0
        self.anchor = CALM_BANDS.get(quote.symbol.name)


class SyntheticMarket:
    """A seeded market that runs at wall pace from `start` (market time)."""

    def __init__(self, seed: int, start: datetime = DEFAULT_START, names: tuple[str, ...] | None = None) -> None:
        self._random = random.Random(f"market-{seed}")
        self.quotes = {name: _resting(SYMBOLS[name]) for name in names or tuple(SYMBOLS)}
        self.now = start.astimezone(UTC)
        self.drift: dict[str, float] = {}
        self._age = 0.0
        self._minute = -1
        self._processes = [_Process(quote) for quote in self.quotes.values()]
        self._conversions = Conversions(self.quotes)
        self._lively = 1.0
        self._check_hours()

    def advance(self, seconds: float, on_tick: OnTick) -> None:
        """Move market time and every open symbol by `seconds`."""
        self._age += seconds
        self.now += timedelta(seconds=seconds)
        self._check_hours()
        for process in self._processes:
            if process.quote.open and self._move(process, seconds):
                self._conversions.follow(process.quote)
                on_tick(process.quote)

    def _move(self, process: _Process, seconds: float) -> bool:
        dice = self._random
        symbol = process.quote.symbol
        root = math.sqrt(seconds)
        process.heat += -process.heat * seconds / 180 + dice.gauss(0.0, 0.06) * root
        step = dice.gauss(0.0, symbol.sigma) * root * self._lively * math.exp(process.heat)
        if dice.random() < seconds / 1800:
            step += dice.gauss(0.0, symbol.sigma * 12)
        step += math.log(process.home / process.mid) * seconds / 7200 + self.drift.get(symbol.name, 0.0) * seconds
        process.mid *= math.exp(step)
        if process.anchor and self._age < CALM_SECONDS:
            process.mid = min(max(process.mid, process.anchor[0]), process.anchor[1])
        return self._quote(process)

    def _quote(self, process: _Process) -> bool:
        quote = process.quote
        bid = max(1, round(process.mid * quote.symbol.scale))
        ask = bid + max(1, round(quote.symbol.spread * (1.0 + max(0.0, process.heat)) / max(0.7, self._lively)))
        if bid == quote.bid and ask == quote.ask:
            return False
        quote.bid, quote.ask = bid, ask
        return True

    def _check_hours(self) -> None:
        minute = int(self.now.timestamp() // 60)
        if minute == self._minute:
            return
        self._minute = minute
        self._lively = activity(self.now)
        for process in self._processes:
            opened = is_open(process.quote.symbol, self.now)
            if opened and not process.quote.open:  # a night's or weekend's news arrives at once
                process.mid *= math.exp(self._random.gauss(0.0, process.quote.symbol.sigma * 60))
            process.quote.open = opened

"""A stage of one account on which an example is played through the engine itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from monitoring.engine.events import Event, EventKind, Standing
from monitoring.engine.messages import (
    AccountFigures,
    AccountUpdate,
    BalanceFigures,
    BalanceOperation,
    Clock,
    ClosedPosition,
    Market,
    Message,
    Position,
    PositionClosed,
    PositionModified,
    PositionOpened,
)
from monitoring.engine.money import grouped, to_decimal
from monitoring.engine.rules import process
from monitoring.engine.rules.standings import standings
from monitoring.engine.ruleset import RuleSet, parse_rule_set
from monitoring.engine.ruleset.sentences import CONSEQUENCES, DAYS
from monitoring.engine.snapshot import Snapshot
from monitoring.engine.trading_day import day_start

MONDAY = date(2026, 6, 1)  # where examples play: no change of clocks near it
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
MOMENT = timedelta(milliseconds=500)  # shorter than any data may be before it is stale
_ID = "example"
_BAD = (EventKind.BREACHED, EventKind.VIOLATED)


@dataclass(frozen=True, slots=True)
class Example:
    """A worked example: what it is of, and one sentence a line."""

    title: str
    lines: tuple[str, ...]


def entry(rule_set: RuleSet, index: int) -> dict[str, Any]:
    """Return a rule as the document has it."""
    entries = rule_set.document["rules"]
    assert isinstance(entries, list)  # the rule set was compiled from it
    return dict(entries[index])


def alone(rule_set: RuleSet, index: int, *others: Mapping[str, Any], **changes: str) -> RuleSet:
    """Return the rule set with nothing but the rule at an index (first), changed, and others that an example needs."""
    rules = [entry(rule_set, index) | changes, *others]
    return parse_rule_set({**rule_set.document, "rules": rules}, rule_set.digits)


class Stage:
    """One account of the rule set's size, fresh at every message. Money in minor units, lots in hundred-millionths."""

    def __init__(self, rule_set: RuleSet, start: datetime) -> None:
        self.rule_set = rule_set
        self.snapshot = Snapshot(_ID)
        self.account = self.snapshot.add(_ID, rule_set, challenge=_ID, created=start)
        self.balance = self.equity = rule_set.initial_balance
        self.seq = 0
        self.now = start
        self.update(start)

    def send(self, message: Message) -> Sequence[Event]:
        """Let the engine have a message."""
        return process(self.snapshot, message)

    def update(self, at: datetime, balance: int | None = None, equity: int | None = None) -> list[Event]:
        """Report figures; what is left out stays (equity follows a balance that is given alone)."""
        if balance is not None:
            self.balance = self.equity = balance
        if equity is not None:
            self.equity = equity
        self.now = at
        data = AccountFigures(balance=self._number(self.balance), equity=self._number(self.equity))
        return [*self.send(AccountUpdate(account_id=_ID, ts=at, seq=self._next(), data=data))]

    def open(self, at: datetime, ident: str, symbol: str, lots: int, *, side: str = "buy") -> list[Event]:
        """Open a position, just after an update that keeps the account fresh."""
        events = self.update(at)
        data = Position(id=ident, symbol=symbol, type=side, volume=lots / 10**8, open_time=at)
        return [*events, *self.send(PositionOpened(account_id=_ID, ts=at, seq=self._next(), data=data))]

    def stop(self, at: datetime, ident: str, price: float) -> list[Event]:
        """Set a position's stop."""
        events = self.update(at)
        held = self.account.positions[ident]
        data = Position(id=ident, symbol=held.symbol, type=held.type, volume=held.volume, sl=price)
        return [*events, *self.send(PositionModified(account_id=_ID, ts=at, seq=self._next(), data=data))]

    def close(self, at: datetime, ident: str) -> list[Event]:
        """Close a position as its trader."""
        events = self.update(at)
        held = self.account.positions[ident]
        data = ClosedPosition(
            id=ident, symbol=held.symbol, type=held.type, volume=held.volume, close_time=at, reason="client"
        )
        return [*events, *self.send(PositionClosed(account_id=_ID, ts=at, seq=self._next(), data=data))]

    def pay_out(self, at: datetime, amount: int) -> list[Event]:
        """Pay an amount out."""
        self.balance, self.equity, self.now = self.balance - amount, self.equity - amount, at
        data = BalanceFigures(kind="payout", amount=-self._number(amount), balance=self._number(self.balance))
        return [*self.send(BalanceOperation(account_id=_ID, ts=at, seq=self._next(), data=data))]

    def reach(self, at: datetime) -> list[Event]:
        """Let time alone come to an instant, with figures fresh until then."""
        events = self.update(at - MOMENT) if at - MOMENT > self.now else []
        self.now = at
        return [*events, *self.send(Clock(ts=at))]

    def market(self, market: Market) -> None:
        """Let the calendar be known."""
        self.send(market)

    def standing(self) -> Standing:
        """Where the first rule of section 6 stands now."""
        return standings(self.account, self.now)[0]

    def money(self, minor: int) -> str:
        """Return "94,812.10"."""
        return grouped(minor, self.rule_set.digits)

    def _number(self, minor: int) -> float:
        return float(to_decimal(minor, self.rule_set.digits))

    def _next(self) -> int:
        self.seq += 1
        return self.seq


def morning(rule_set: RuleSet, day: date = MONDAY) -> datetime:
    """Return an hour after a trading day's start."""
    return day_start(day, rule_set.reset) + HOUR


def bad(events: Iterable[Event], rule: str) -> Event | None:
    """Return the violation or the breach of a rule among events, if there is one."""
    return next((event for event in events if event.event in _BAD and event.rule == rule), None)


def what_follows(consequence: str) -> str:
    """Return "the challenge fails"."""
    return CONSEQUENCES[consequence]


def local(instant: datetime, zone: str) -> str:
    """Return "Friday 2026-06-05 21:55:00"."""
    here = instant.astimezone(ZoneInfo(zone))
    return f"{DAYS[here.weekday()]} {here:%Y-%m-%d %H:%M:%S}"


def verdict(events: Iterable[Event], rule: str) -> str:
    """Say what became of something: "allowed", or "not allowed: the challenge fails"."""
    found = bad(events, rule)
    if found is None:
        return "allowed"
    return f"not allowed: {what_follows(found.consequence or 'flag')}"

"""The demo's scripted losers: real positions against a steered drift of one symbol, one victim after another.

A victim, so far calm, goes all in on silver while silver runs against it: within half a minute 80% of a 5% daily
loss is gone. Frightened, it closes most of the position at a loss, keeps the rest, and that falls through the
floor about half a minute later. Nothing but prices and positions makes the numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring.upstream.simulator import people
from monitoring.upstream.simulator.broker import Ticket
from monitoring.upstream.simulator.errors import Refused
from monitoring.upstream.simulator.ledger import Account

if TYPE_CHECKING:
    from monitoring.upstream.simulator.world import World

STAGE = "XAGUSD"
DRIFT = 0.00025  # of the price a second
DAILY_LOSS = 0.05
FRIGHT = 0.043 / DAILY_LOSS  # of the daily loss, when the victim cuts its position
FRIGHT_SECONDS, FLOOR_SECONDS, PERIOD_SECONDS = 33.0, 75.0, 120.0
FIRST_VICTIM = 4
PATIENCE_SECONDS = 60.0
HEAD_START_SECONDS = 5.0  # for the first reader to take the book over before anybody trades


class Director:
    """Steps with the world; waits for the first reader of the stream (`begin`), at most a minute."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._wait = PATIENCE_SECONDS
        self._age = PERIOD_SECONDS
        self._number = FIRST_VICTIM - 1
        self._side = -1
        self._victim: Account | None = None
        self._frightened = False
        self._start = 0

    def begin(self) -> None:
        """Somebody watches: start now."""
        self._wait = min(self._wait, HEAD_START_SECONDS)

    @property
    def awake(self) -> bool:
        """Whether anybody trades yet: a desk that adopts the accounts first finds round sizes."""
        return self._wait <= 0

    def step(self) -> None:
        """Let one step of the world pass."""
        seconds = self._world.seconds
        if self._wait > 0:
            self._wait -= seconds
            return
        if self._age >= PERIOD_SECONDS:
            self._choose()
        self._age += seconds
        if self._victim is not None:
            self._play(self._victim)

    def _choose(self) -> None:
        """The next calm account becomes the victim; when half of the desk is used up, new traders come in."""
        self._age, self._frightened, self._side = 0.0, False, -self._side
        self._victim = None
        world = self._world
        if not world.broker.quotes[STAGE].open:
            return  # the weekend of the synthetic week
        originals = len(world.accounts)
        while self._number < max(originals // 2, FIRST_VICTIM):
            self._number += 1
            candidate = world.accounts.get(f"acc_{self._number}")
            if candidate is not None and _calm(candidate) and self._go_all_in(candidate):
                return
        self._go_all_in(self._newcomer())

    def _newcomer(self) -> Account:
        world = self._world
        number = 1 + max(int(key[4:]) for key in world.accounts if key.startswith("acc_") and key[4:].isdigit())
        while world.has_login((drawn := people.person(world.seed, number)).login):  # control may have used it
            number += 1
        account = world.admit(people.Person(number, drawn.name, 10_000_000, drawn.group, "idle"))
        world.announce(account)
        return account

    def _go_all_in(self, account: Account) -> bool:
        """Silver so much that the drift takes the fright's share of the daily loss in FRIGHT_SECONDS."""
        world = self._world
        quote = world.broker.quotes[STAGE]
        trader = world.traders.get(account.id)
        if trader is not None:
            trader.style = "idle"
            trader.due = world.steps + int(3 * PERIOD_SECONDS / world.seconds)
        for position in tuple(account.positions.values()):
            if position.quote.open:
                world.broker.close(account, position, None, "client")
        start = account.equity
        fall = quote.bid * DRIFT * FRIGHT_SECONDS - quote.symbol.spread
        units = int(account.initial * DAILY_LOSS * FRIGHT * quote.den / (fall * quote.num))
        kind = "BUY" if self._side > 0 else "SELL"
        try:
            world.broker.order(account, Ticket(STAGE, kind, units, comment="all in"))
        except Refused:
            return False
        self._victim, self._start = account, start
        world.market.drift[STAGE] = -self._side * DRIFT
        return True

    def _play(self, victim: Account) -> None:
        world = self._world
        if not victim.positions or victim.locked:
            world.market.drift.pop(STAGE, None)
            return
        lost = self._start - victim.equity
        if not self._frightened and lost >= victim.initial * DAILY_LOSS * FRIGHT:
            self._frightened = True
            missing = victim.initial * DAILY_LOSS - lost
            for position in tuple(victim.positions.values()):
                quote = position.quote
                fall = quote.bid * DRIFT * (FLOOR_SECONDS - FRIGHT_SECONDS)
                keep = int(missing * quote.den / (fall * quote.num)) + 1
                if quote.open and 0 < keep < position.units:
                    world.broker.close(victim, position, position.units - keep, "client")


def _calm(account: Account) -> bool:
    """Whether the account is near where it began and may trade."""
    near = abs(account.equity - account.initial) < account.initial // 100
    return near and not account.locked and account.reporting and not account.mine

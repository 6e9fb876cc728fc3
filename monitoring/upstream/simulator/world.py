"""The simulated world: a market, a broker, accounts and their traders, moved step by step and nothing else.

No sockets and no sleeping here: `step` advances everything by `seconds`. The same seed and the same number of
steps give the same balances and events (times of frames are the clock's).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from monitoring.upstream.simulator import people, traders
from monitoring.upstream.simulator.broker import Broker
from monitoring.upstream.simulator.calendar import minutes_to_week_end, rollover_day, swap_nights
from monitoring.upstream.simulator.demo import Director
from monitoring.upstream.simulator.errors import Refused
from monitoring.upstream.simulator.events import Events
from monitoring.upstream.simulator.ledger import Account, Order, Position
from monitoring.upstream.simulator.market import Market, Quote, SyntheticMarket
from monitoring.upstream.simulator.traders import Trader
from monitoring.upstream.simulator.wire import iso

QUIET_SECONDS = 10.0  # a flat account speaks at least this often
STEP_SECONDS = 0.05


class World:
    """Everything that happens at the trading server."""

    def __init__(
        self,
        *,
        seed: int = 7,
        accounts: int = 200,
        rate: float = 1.0,
        market: Market | None = None,
        demo: bool = False,
        clock: Callable[[], float] = time.time,
        session: str = "",
    ) -> None:
        self.seed = seed
        slices = math.ceil(1 / (rate * STEP_SECONDS))
        self.seconds = 1 / (rate * slices)
        self.market: Market = market or SyntheticMarket(seed)
        self.events = Events(clock, accounts, session)
        self.broker = Broker(self.market.quotes, self.events)
        self.accounts: dict[str, Account] = {}
        self.traders: dict[str, Trader] = {}
        self.moved: dict[str, Quote] = {}
        self.steps = 0
        self._slices: list[list[Account]] = [[] for _ in range(slices)]
        self._swap_day = rollover_day(self.market.now)
        self._born = 0
        self._logins: set[str] = set()
        for number in range(1, accounts + 1):
            self.admit(people.person(seed, number))
        self.director = Director(self) if demo else None

    # Accounts

    def admit(self, person: people.Person) -> Account:
        """A simulated trader opens an account."""
        account = self.add(person.id, person.login, person.name, person.group, person.size)
        # acc_2 and acc_3: the demo never ruins them, so that one victim is one breach
        leader = self.accounts.get(f"acc_{2 + person.number % 2}") if person.style == "copier" else None
        trader = Trader(account, self.broker, person.style, f"trader-{self.seed}-{person.number}", leader)
        self.traders[account.id] = trader
        trader.due = self.steps + int(trader.dice.uniform(1, 60) / self.seconds)
        traders.begin(trader)
        if account.balance != person.size:  # commission paid yesterday came out of yesterday's money
            self.broker.fund(account, person.size - account.balance)
        return account

    def add(self, account_id: str, login: str, name: str, group: str, balance: int, leverage: int = 100) -> Account:
        """Open an account with this balance (cents), silently; Refused 409 if the id or login is taken."""
        if account_id in self.accounts:
            raise Refused(409, "duplicate_account", f"account {account_id} exists already", field="id")
        if login in self._logins:
            raise Refused(409, "duplicate_account", f"login {login} exists already", field="login")
        self._logins.add(login)
        account = Account(account_id, login, name, group, balance, leverage)
        account.slot = self._born % len(self._slices)
        self._born += 1
        self.broker.fund(account, balance)
        account.last_updated = self.events_now()
        self.accounts[account_id] = account
        self._slices[account.slot].append(account)
        return account

    def has_login(self, login: str) -> bool:
        """Whether an account has this number."""
        return login in self._logins

    def announce(self, account: Account) -> None:
        """Tell the stream of a new account: lifecycle first, then its first update."""
        self.lifecycle(account, "created")
        self.events.update(account)

    def lifecycle(self, account: Account, action: str) -> None:
        """Send an account_lifecycle event."""
        data = {"id": account.id, "action": action, "status": account.status, "login": account.login,
                "group": account.group, "name": account.name, "currency": account.currency}  # fmt: skip
        self.events.emit(account, "account_lifecycle", data, force=True)

    def remove(self, account: Account) -> None:
        """Delete an account."""
        self.lifecycle(account, "deleted")
        account.positions.clear()  # else a stop that waits for its price would still close one, and say so
        account.orders.clear()
        del self.accounts[account.id]
        self.traders.pop(account.id, None)
        self._logins.discard(account.login)
        self._slices[account.slot].remove(account)
        self.events.forget(account)
        self.broker.watches.pop(account.id, None)
        self.broker.rules_history.pop(account.id, None)

    def account(self, account_id: str) -> Account:
        """The account; Refused 404 if there is none."""
        account = self.accounts.get(account_id)
        if account is None:
            raise Refused(404, "account_not_found", f"no account {account_id!r}", field="id")
        return account

    def lose(self, account: Account, reason: str, status: str = "disconnected") -> None:
        """The account's trading server stops reporting it."""
        if account.status != "connected":
            return
        account.status, account.lost_reason, account.lost_at = status, reason, self.events.now_ms() / 1000
        data = {"id": account.id, "reason": reason, "last_updated": account.last_updated}
        self.events.emit(account, "connection_lost", data, force=True)

    def restore(self, account: Account) -> None:
        """The account reports again, with a hint to re-read it, and its figures at once."""
        if account.status == "connected":
            return
        downtime = round(self.events.now_ms() / 1000 - account.lost_at, 1) if account.lost_at else 0.0
        account.status, account.lost_reason = "connected", ""
        data = {"id": account.id, "downtime_s": downtime, "resync_required": True}
        self.events.emit(account, "connection_restored", data)
        self.events.update(account)

    def recover(self) -> None:
        """After a restart: the faults that held accounts back are gone with the old process, so all report again."""
        for account in self.accounts.values():
            account.status, account.lost_reason, account.stale = "connected", "", False

    def events_now(self) -> str:
        """The wall time as frames say it."""
        return iso(self.events.now_ms())

    # Time

    def step(self) -> None:
        """Let `seconds` pass: prices, what they trigger, then this step's share of the accounts."""
        self.market.advance(self.seconds, self._tick)
        self._roll_over()
        now_ms = self.events.now_ms()
        for account in tuple(self._slices[self.steps % len(self._slices)]):
            self._live(account, now_ms)
        if self.director is not None:
            self.director.step()
        self.steps += 1
        self.events.simulated = self.steps * self.seconds

    def _live(self, account: Account, now_ms: int) -> None:
        trader = self.traders.get(account.id)
        if trader is not None and trader.due <= self.steps and (self.director is None or self.director.awake):
            trader.due = self.steps + max(1, int(trader.act() / self.seconds))
        if account.locked_until is not None and account.locked_until.timestamp() * 1000 <= now_ms:
            self.broker.unlock(account, "expired")
        watch = self.broker.watches.get(account.id)
        if watch is not None:
            for data in watch.look(account, self.events.now()):
                self._enforce(account, data)
            if watch.week_ends_in(minutes_to_week_end(self.market.now)) and (account.positions or account.orders):
                self.broker.close_all(account, f"week_{self.steps}")
        if account.positions:
            self.broker.stop_out(account)
            self.events.update(account)
        elif self.events.simulated - account.last_sent_at >= QUIET_SECONDS:
            self.events.update(account)

    def _enforce(self, account: Account, breach: dict[str, object]) -> None:
        self.events.emit(account, "rule_breach", breach)
        if breach["level"] != "breach":
            return
        self.broker.close_all(account, f"rule_{self.steps}")
        if breach["action"] == "lock":
            self.broker.lock(account, str(breach["rule"]), None)

    def _tick(self, quote: Quote) -> None:
        self.moved[quote.symbol.name] = quote
        for account, item, what in self.broker.triggers.reached(quote):
            if isinstance(item, Order):
                self.broker.fill(account, item)
            elif isinstance(item, Position):
                self.broker.close(account, item, None, what)

    def _roll_over(self) -> None:
        today = rollover_day(self.market.now)
        ended, self._swap_day = self._swap_day, today
        if today <= ended:
            return  # the same day, or a replay that began again
        nights = swap_nights(ended)
        for account in self.accounts.values():
            if nights and account.positions:
                account.roll_over(nights)

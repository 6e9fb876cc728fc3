"""The accounts of one server, the state of the link to it, and what was counted on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from monitoring.engine.messages import AccountMessage, Market
from monitoring.engine.ruleset import RuleSet
from monitoring.engine.snapshot.account import Account
from monitoring.engine.snapshot.almanac import Almanac
from monitoring.engine.snapshot.memory import adapt, count_as_told, fits, fresh_state, look_at_open, name_rules
from monitoring.engine.snapshot.state import AccountState

Hold = Callable[[str, int, AccountMessage], bool]  # (account id, newest seq before the hole, message)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNKNOWN_SYMBOLS_KEPT = 1000  # more than a table filled by hand would lack; an upstream can make up any number


@dataclass(slots=True)
class Counts:
    """What became of the messages."""

    applied: int = 0  # updates inside the quiet band are counted when their account is next read
    late: int = 0
    repeated: int = 0
    gaps: int = 0
    unknown_account: int = 0
    refused: dict[str, int] = field(default_factory=dict)  # reason -> count


@dataclass(slots=True)
class LinkState:
    """Our connection to the server. `seen`: newest sign of life; `now`: newest clock tick."""

    state: str = "connecting"
    reason: str = ""
    seen: datetime | None = None
    now: datetime | None = None
    epoch: datetime = EPOCH

    def saw(self, ts: datetime) -> None:
        """Note a sign of life."""
        if self.seen is None or ts > self.seen:
            self.seen = ts

    def set_back(self, ts: datetime) -> None:
        """Believe a clock that shows an earlier time: what was later has not come yet."""
        self.now = ts
        if self.seen is not None:
            self.seen = min(self.seen, ts)


class Snapshot:
    """Every watched account of one server; written by one writer, through `rules.process` only."""

    __slots__ = (
        "accounts",
        "almanac",
        "counts",
        "dirty",
        "gaps",
        "hold",
        "link",
        "server",
        "unknown",
        "unknown_symbols",
    )

    def __init__(self, server: str = "") -> None:
        self.server = server
        self.accounts: dict[str, Account] = {}
        self.dirty: list[Account] = []  # changed since the last drain, each once
        self.gaps: set[str] = set()  # accounts that need a REST read
        self.unknown: set[str] = set()  # ids seen that nobody added
        self.unknown_symbols: set[str] = set()  # names of symbols that cannot be normalised, until the table has them
        self.almanac = Almanac(Market(ts=EPOCH, revision=""))
        self.hold: Hold | None = None  # asked about each message after a hole; True: it comes again, in its place
        self.counts = Counts()
        self.link = LinkState()

    @property
    def market(self) -> Market:
        """What is known of the server's markets: news, holidays, names of symbols."""
        return self.almanac.market

    def add(
        self,
        account_id: str,
        rule_set: RuleSet,
        *,
        challenge: str = "1",
        public_id: str | None = None,
        initial_balance: int | None = None,
        state: AccountState | None = None,
        created: datetime | None = None,
    ) -> Account:
        """Watch an account; `state` restores one that was dumped. An account already there is replaced.

        `created`: when the challenge began; left out, with its first frame. A state that was dumped under other rules
        is adapted to these.
        """
        if state is None:
            size = rule_set.initial_balance if initial_balance is None else initial_balance
            state = fresh_state(rule_set, challenge, size, created)
        else:
            self._fit(state, rule_set)
            state.created_at = state.created_at or created
            self.note_unknown_symbols(state.unknown_symbols)
        if state.link_seen is not None:
            self.link.saw(state.link_seen)
        if state.now is not None and (self.link.now is None or state.now > self.link.now):
            self.link.now = state.now
        account = Account(account_id, public_id or account_id, rule_set, state, self)
        previous = self.accounts.get(account_id)
        if previous is not None and previous.dirty:
            self.dirty.remove(previous)
        self.accounts[account_id] = account
        self.unknown.discard(account_id)
        account.touch()
        return account

    def _fit(self, state: AccountState, rule_set: RuleSet) -> None:
        if fits(state, rule_set):
            name_rules(state, rule_set)
            count_as_told(state, rule_set)
            return
        equity = state.equity if rule_set.count_credit else state.equity - state.credit
        newest = [ts for ts in (state.now, state.last_ts, self.link.now) if ts is not None]
        known = {memory.of for memory in state.others}
        adapt(state, rule_set, equity, max(newest, default=None))
        look_at_open(state, rule_set, known)

    def set_market(self, market: Market) -> None:
        """Take what the firm says of the server's markets; it replaces what was said before."""
        self.almanac = Almanac(market)
        self.unknown_symbols.clear()
        for account in self.accounts.values():
            self.note_unknown_symbols(account.state.unknown_symbols)

    def note_unknown_symbols(self, names: Iterable[str]) -> None:
        """Remember names without a base name for the desk's banner, the first ones of very many."""
        for name in names:
            if len(self.unknown_symbols) >= UNKNOWN_SYMBOLS_KEPT:
                return
            if name not in self.market.symbols:
                self.unknown_symbols.add(name)

    def remove(self, account_id: str) -> None:
        """Stop watching an account."""
        account = self.accounts.pop(account_id, None)
        if account is not None and account.dirty:
            self.dirty.remove(account)
        self.gaps.discard(account_id)

    def drain_dirty(self) -> list[Account]:
        """Return the accounts that changed since the last call, each once."""
        drained = self.dirty
        self.dirty = []
        for account in drained:
            account.dirty = False
        return drained

    def drain_gaps(self) -> set[str]:
        """Return the accounts that need a REST read, each once."""
        gaps = self.gaps
        self.gaps = set()
        return gaps

"""One account: its rule state, and the quiet band within which an update changes nothing but figures."""

from __future__ import annotations

from copy import copy
from datetime import UTC, date, datetime, timedelta
from math import inf
from typing import TYPE_CHECKING

from monitoring.engine.messages import AccountFigures, AccountUpdate, Position
from monitoring.engine.money import minor_units
from monitoring.engine.ruleset import RuleSet
from monitoring.engine.snapshot.state import AccountState, Breach, OtherMemory

if TYPE_CHECKING:
    from monitoring.engine.snapshot.store import LinkState, Snapshot

EVENT_IDS_KEPT = 64
NEVER = datetime.max.replace(tzinfo=UTC)


class Band:
    """What every update is compared with; a base class of its own so that it lies together in memory."""

    __slots__ = (
        "balance_high",
        "balance_low",
        "ceiling",
        "dirty",
        "high",
        "last",
        "low",
        "next_seq",
        "quiet_credit",
        "quiet_status",
        "quiet_until",
    )

    balance_high: float
    balance_low: float
    ceiling: float
    dirty: bool
    high: float
    last: AccountUpdate | None
    low: float
    next_seq: int
    quiet_credit: float
    quiet_status: str
    quiet_until: datetime


class Account(Band):
    """An account as it stands now. Figures are turned into minor units when somebody reads them.

    `last` is the newest update; while it is not `settled`, it lies inside the quiet band and `state` holds older
    figures: `flush()` brings them up to date. `mark` is the update that made the newest high-water mark meanwhile.
    """

    __slots__ = (
        "id",
        "link_state",
        "mark",
        "owner",
        "positions",
        "public_id",
        "received",
        "rise_base",
        "rise_share",
        "rule_set",
        "settled",
        "stale_after",
        "state",
        "tracks_peak",
        "wakes",
    )

    def __init__(
        self, account_id: str, public_id: str, rule_set: RuleSet, state: AccountState, owner: Snapshot
    ) -> None:
        self.id = account_id
        self.public_id = public_id
        self.state = state
        self.judge_by(rule_set)
        self.owner = owner
        self.link_state: LinkState = owner.link
        self.positions: dict[str, Position] = {position.id: position for position in state.positions}
        self.received: datetime | None = None
        self.last = None
        self.settled: AccountUpdate | None = None
        self.mark: AccountUpdate | None = None
        self.dirty = False
        self.quiet_until = owner.link.epoch
        self.quiet_credit = 0.0
        self.quiet_status = ""
        self.next_seq = -1
        self.rise_share = 0.0
        self.rise_base = -inf
        self.set_alarm()
        self.disturb()

    def judge_by(self, rule_set: RuleSet) -> None:
        """Take another rule set; what the account remembers must fit it already."""
        self.rule_set = rule_set
        self.tracks_peak = any(rule.reference == "intraday_peak_equity" for rule in rule_set.loss_rules)
        self.stale_after = timedelta(seconds=rule_set.stale_after)

    def set_alarm(self) -> None:
        """Note when time alone acts next: the reset or what is due before it; after a review that is asked anew."""
        state = self.state
        released = state.released_at is not None
        self.wakes = self.owner.link.epoch if released else min(state.next_reset or NEVER, state.due or NEVER)
        if self.wakes < self.quiet_until:
            self.quiet_until = self.wakes

    def disturb(self) -> None:
        """Empty the quiet band: the next update takes the exact path."""
        self.low = self.balance_low = inf
        self.high = self.ceiling = self.balance_high = -inf

    def touch(self) -> None:
        """Note that somebody should publish this account again."""
        if not self.dirty:
            self.dirty = True
            self.owner.dirty.append(self)

    def flush(self) -> AccountState:
        """Bring `state` up to the last update; return it."""
        last = self.last
        if last is None or last is self.settled:
            return self.state
        if self.mark is not None:
            self._raise_marks(self.mark)
            self.mark = None
        if last.seq is not None and self.state.last_seq is not None:
            self.owner.counts.applied += last.seq - self.state.last_seq  # inside the band each came after the other
        self.take(last)
        self.settled = last
        return self.state

    def take(self, update: AccountUpdate) -> None:
        """Set figures, time and seq from an update; ValueError, and nothing changed, for what is no money."""
        state, digits = self.state, self.rule_set.digits
        figures = update.data
        balance = minor_units(figures.balance, digits)
        equity = minor_units(figures.equity, digits)
        credit = minor_units(figures.credit, digits) if figures.credit_given else state.credit
        state.balance, state.equity, state.credit = balance, equity, credit
        state.figures = figures
        state.updated_at = update.ts
        if state.last_ts is None or update.ts > state.last_ts:
            state.last_ts = update.ts
        if update.seq is not None:
            state.last_seq = update.seq
        state.status = figures.status
        state.status_reason = ""
        if figures.open_positions is not None:
            state.open_positions = figures.open_positions

    def _raise_marks(self, update: AccountUpdate) -> None:
        state, digits = self.state, self.rule_set.digits
        equity = minor_units(update.data.equity, digits)
        if not self.rule_set.count_credit:
            equity -= state.credit  # inside the band it has not changed
        self.raise_equity_marks(equity)
        state.day_open = True

    def raise_equity_marks(self, equity: int) -> None:
        """Lift the intraday peak and the intraday high-water marks to a risk equity above them."""
        state = self.state
        if self.tracks_peak and equity > state.peak:
            state.peak = equity
        for rule, memory in zip(self.rule_set.loss_rules, state.rules, strict=True):
            if rule.high_water == "equity_intraday" and equity > memory.high:
                memory.high = equity

    @property
    def challenge(self) -> str:
        """Id of the challenge whose rules apply."""
        return self.state.challenge

    @property
    def initial_balance(self) -> int:
        """S, in minor units."""
        return self.state.initial_balance

    @property
    def figures(self) -> AccountFigures | None:
        """The newest figures as sent, None before the first."""
        return self.last.data if self.last is not None else self.state.figures

    @property
    def balance(self) -> int:
        """Balance in minor units."""
        return self.flush().balance

    @property
    def equity(self) -> int:
        """Risk equity E in minor units: platform equity less credit, unless the rule set counts credit."""
        state = self.flush()
        return state.equity if self.rule_set.count_credit else state.equity - state.credit

    @property
    def platform_equity(self) -> int:
        """Equity as the platform shows it, credit included; minor units."""
        return self.flush().equity

    @property
    def credit(self) -> int:
        """Credit in minor units."""
        return self.flush().credit

    @property
    def floating(self) -> int:
        """Open profit in minor units."""
        state = self.flush()
        return state.equity - state.balance - state.credit

    @property
    def profit(self) -> int:
        """Closed profit B - A - S in minor units."""
        state = self.flush()
        return state.balance - state.moved - state.initial_balance

    @property
    def last_ts(self) -> datetime | None:
        """ts of the newest applied frame."""
        return self.flush().last_ts

    @property
    def updated_at(self) -> datetime | None:
        """ts of the newest applied account update."""
        return self.last.ts if self.last is not None else self.state.updated_at

    @property
    def last_seq(self) -> int | None:
        """seq of the newest applied frame."""
        return self.flush().last_seq

    @property
    def open_positions(self) -> int:
        """How many positions are open, by the newest word on it."""
        return self.flush().open_positions

    @property
    def is_flat(self) -> bool:
        """Whether no position is open."""
        return self.flush().open_positions == 0

    @property
    def stale(self) -> bool:
        """Whether the data is too old to judge by."""
        return self.state.stale

    @property
    def status(self) -> str:
        """connected | connecting | disconnected | error | auth_failed, as last reported."""
        return self.flush().status

    @property
    def link(self) -> str:
        """State of our own connection to the account's server."""
        return self.link_state.state

    @property
    def locked(self) -> bool:
        """Whether the upstream refuses new orders of it."""
        return self.state.locked

    @property
    def lock_reason(self) -> str:
        """What the lock says about itself."""
        return self.state.lock_reason

    @property
    def locked_until(self) -> datetime | None:
        """When the lock ends by itself; None: never."""
        return self.state.locked_until

    @property
    def breached(self) -> bool:
        """Whether a `fail` breach has happened."""
        return self.state.breach is not None

    @property
    def breach_event(self) -> Breach | None:
        """The facts of the `fail` breach."""
        return self.state.breach

    @property
    def pause_event(self) -> Breach | None:
        """The facts of the newest `pause` breach."""
        return self.state.pause

    @property
    def paused_until(self) -> datetime | None:
        """When the running pause ends; None: not paused."""
        return self.state.paused_until

    @property
    def must_be_flat(self) -> bool:
        """Whether the account may hold no position and must be locked now."""
        return self.state.breach is not None or self.state.paused_until is not None

    @property
    def review(self) -> str:
        """Why the account is held for review; empty: it is not."""
        return self.state.review

    @property
    def verdict_held(self) -> str:
        """Why verdicts wait for a person (an unknown balance operation); empty: they do not."""
        return self.state.verdict_held

    @property
    def day(self) -> date | None:
        """The trading day."""
        return self.state.day

    @property
    def next_reset(self) -> datetime | None:
        """When the next trading day starts."""
        return self.state.next_reset

    @property
    def day_start_balance(self) -> int:
        """Balance at the start of the day, balance operations since then not counted."""
        return self.state.day_start_balance

    @property
    def day_start_equity(self) -> int:
        """Risk equity at the start of the day, balance operations since then not counted."""
        return self.state.day_start_equity

    @property
    def high_water(self) -> int | None:
        """H of the first trailing rule, None without one."""
        state = self.flush()
        for rule, memory in zip(self.rule_set.loss_rules, state.rules, strict=True):
            if rule.high_water:
                return memory.high
        return None

    @property
    def lowest_equity(self) -> int | None:
        """Lowest risk equity since the breach, or since the running pause began."""
        return self.flush().lowest_equity

    def hold_for_review(self, reason: str, at: datetime | None = None) -> None:
        """Emit no events of rules of this account until `release()`; `at`: now, else the newest time known."""
        state = self.flush()
        state.review = reason
        if state.held_at is None:
            state.held_at = at or self._newest()
        self.disturb()
        self.touch()

    def release(self, at: datetime | None = None) -> None:
        """End the review and any held verdict; the next update is judged. Time in review is no inactivity."""
        state = self.flush()
        state.review = state.verdict_held = ""
        since, now = state.held_at, at or self._newest()
        idle = state.idle_from or state.created_at
        if since is not None and now is not None and idle is not None:
            state.idle_from = idle + max(now - max(since, idle), timedelta(0))
        state.held_at = None
        state.released_at = now
        state.pending = True
        self.set_alarm()
        self.disturb()
        self.touch()

    def _newest(self) -> datetime | None:
        now, seen = self.link_state.now, self.state.last_ts
        return max(now, seen) if now is not None and seen is not None else now or seen

    def dump(self) -> AccountState:
        """Return a copy of everything that a restored account needs to go on exactly."""
        state = copy(self.flush())
        state.rules = [copy(memory) for memory in state.rules]
        state.others = [_copied(memory) for memory in state.others]
        state.event_ids = list(state.event_ids)
        state.soft_breaches = list(state.soft_breaches)
        state.closing, state.closing_for = dict(state.closing), dict(state.closing_for)
        state.unknown_symbols = list(state.unknown_symbols)
        state.waiting = list(state.waiting)
        state.gone = list(state.gone)
        state.today, state.last_day, state.totals = copy(state.today), copy(state.last_day), copy(state.totals)
        state.positions = tuple(self.positions.values())
        seen, updated = self.link_state.seen, state.updated_at
        state.link_seen = updated if seen is None or (updated is not None and updated > seen) else seen
        state.now = self.link_state.now
        return state


def _copied(memory: OtherMemory) -> OtherMemory:
    taken = copy(memory)
    taken.told = list(memory.told)
    taken.awaiting = list(memory.awaiting)
    return taken

"""The loss rules once more, in plain Decimal, slow and obvious; shares no code with the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

CENT = Decimal("0.01")
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DOWN = {"disconnected", "error", "connecting", "auth_failed"}


def start_of(day: date, document: dict[str, Any]) -> datetime:
    """The instant at which a local day starts."""
    hour, minute = map(int, document["reset"]["time"].split(":"))
    local = datetime.combine(day, time(hour, minute)).replace(tzinfo=ZoneInfo(document["reset"]["zone"]), fold=0)
    return datetime.fromtimestamp(local.timestamp(), UTC)


def day_at(instant: datetime, document: dict[str, Any]) -> date:
    """The day whose start is the last one at or before an instant."""
    near = instant.date()
    days = [near + timedelta(days=offset) for offset in (-2, -1, 0, 1, 2)]
    return max(day for day in days if start_of(day, document) <= instant)


@dataclass
class Memory:
    """What one rule of the oracle remembers."""

    high: Decimal
    before: Decimal
    at_initial: bool = False
    step: int = 0


@dataclass
class Oracle:
    """One account under one rule set."""

    document: dict[str, Any]
    events: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.size = Decimal(self.document["initial_balance"])
        self.rules = self.document["rules"]
        self.memory = [Memory(self.size, self.size) for _ in self.rules]
        self.balance = self.equity = self.credit = Decimal(0)
        self.start_balance = self.start_equity = self.peak = self.size
        self.moves = Decimal(0)
        self.day: date | None = None
        self.updated: datetime | None = None
        self.newest: datetime | None = None
        self.clock: datetime | None = None
        self.sign: datetime | None = None  # newest sign of life of the link that was no frame of the account
        self.seq = 0
        self.status, self.positions = "connected", 0
        self.stale = self.failed = self.paused = self.held = self.day_open = False

    @property
    def risk(self) -> Decimal:
        return self.equity if self.document.get("count_credit") else self.equity - self.credit

    # -- levels

    def level(self, index: int) -> tuple[Decimal, Decimal, Decimal]:
        """Anchor, floor, measured."""
        rule, memory = self.rules[index], self.memory[index]
        if rule["rule"] == "daily_loss":
            anchor = {
                "initial": self.size,
                "day_start_balance": self.start_balance + self.moves,
                "day_start_equity": self.start_equity + self.moves,
                "day_start_higher": max(self.start_balance, self.start_equity) + self.moves,
                "intraday_peak_equity": self.peak,
            }[rule["reference"]]
        else:
            anchor = self.size if rule["mode"] == "static" else memory.high
        amount = rule["amount"]
        if "fixed" in amount:
            taken = Decimal(amount["fixed"])
        else:
            taken = (self.size if amount["of"] == "initial" else anchor) * Decimal(amount["percent"]) / 100
        floor = (anchor - taken).quantize(CENT, ROUND_HALF_UP)
        if rule.get("lock"):
            floor = min(floor, self.size + Decimal(rule["lock"]["offset"]))
        if memory.at_initial:
            floor = self.size
        measured = {"equity": self.risk, "balance": self.balance, "lower": min(self.risk, self.balance)}
        return anchor, floor, measured[rule["measured"]]

    def crossed(self, index: int) -> bool:
        _, floor, measured = self.level(index)
        return measured < floor if self.rules[index]["operator"] == "<" else measured <= floor

    def used(self, index: int) -> Fraction:
        anchor, floor, measured = self.level(index)
        if anchor - floor <= 0:
            return Fraction(int(measured <= floor))
        return max(Fraction(0), Fraction(anchor - measured) / Fraction(anchor - floor))

    # -- messages

    def update(self, ts: datetime, seq: int | None, balance: Decimal, equity: Decimal, credit: Decimal,
               status: str, positions: int | None) -> bool:  # fmt: skip
        if not self._arrive(ts, seq):
            return False
        self.take(ts, balance, equity, credit, status, positions)
        return True

    def take(self, ts: datetime, balance: Decimal, equity: Decimal, credit: Decimal,
             status: str, positions: int | None) -> None:  # fmt: skip
        """Take figures that came in time, and judge them."""
        self.balance, self.equity, self.credit, self.status = balance, equity, credit, status
        self.positions = self.positions if positions is None else positions
        self.updated = ts
        started = start_of(self.day, self.document)  # type: ignore[arg-type]
        if ts < started and not self.day_open:
            self._take_start(of_reset=False)
        elif ts >= started:
            self.day_open = True
        self.peak = max(self.peak, self.risk)
        for rule, memory in zip(self.rules, self.memory, strict=True):
            if rule.get("high_water") == "equity_intraday":
                memory.high = max(memory.high, self.risk)
            elif rule.get("high_water") == "balance_closed":
                memory.high = max(memory.high, balance)
        self._freshness(ts, max(ts, self.clock or ts))
        self._judge(max(ts, started))

    def operation(self, ts: datetime, seq: int | None, kind: str, amount: Decimal) -> None:
        if not self._arrive(ts, seq):
            return
        self.equity += amount
        if kind == "credit":
            self.credit += amount
            return
        self.balance += amount
        if kind not in {"deposit", "withdrawal", "payout", "bonus", "correction"}:
            self.held = True
            return
        if self.document["balance_operations"] == "ignore":
            return
        self.moves += amount
        self.peak += amount
        for rule, memory in zip(self.rules, self.memory, strict=True):
            policy = rule.get("on_payout", "shift") if kind == "payout" else "shift"
            if policy == "shift":
                memory.high += amount
                memory.before += amount
            elif policy == "reset":
                # Before the first figures the balance is S with all that has moved it, on the days before as well.
                after = self.start_balance + self.moves if self.updated is None else self.balance
                memory.high = memory.before = after
            elif policy == "lock_at_initial" and rule["rule"] == "max_loss":
                memory.at_initial = True

    def tick(self, ts: datetime) -> None:
        if self.clock is not None and ts < self.clock:
            return
        self.clock = ts
        if self.day is not None:
            self._advance(ts)
            self._freshness(ts, ts)

    # -- order of work

    def _arrive(self, ts: datetime, seq: int | None) -> bool:
        if seq is not None and self.seq:
            if seq <= self.seq:
                return False
        elif self.newest is not None and ts < self.newest:
            return False
        self.seq = seq or self.seq
        self._advance(ts)
        self.newest = max(ts, self.newest or ts)
        return True

    def _advance(self, to: datetime) -> None:
        if self.day is None:
            self.day = day_at(to, self.document)
        while start_of(self.day + timedelta(days=1), self.document) <= to:
            self.day += timedelta(days=1)
            self._reset(start_of(self.day, self.document))

    def _reset(self, at: datetime) -> None:
        self._take_start(of_reset=True)
        self.day_open = False
        self.events.append(("day_started", None, at, str(self.start_balance), str(self.start_equity)))
        if self.paused:
            self.paused = False
            if not self.failed:
                self.events.append(("resumed", None, at))
        if self.updated is not None and at - self.updated <= timedelta(seconds=self.document.get("fresh_for", 60)):
            self._judge(at)

    def _take_start(self, *, of_reset: bool) -> None:
        if self.updated is None:
            self.start_balance += self.moves
            self.start_equity += self.moves
            self.moves, self.peak = Decimal(0), self.start_equity
            return
        if of_reset:
            self.moves = Decimal(0)
        self.start_balance, self.start_equity, self.peak = self.balance - self.moves, self.risk - self.moves, self.risk
        for rule, memory in zip(self.rules, self.memory, strict=True):
            if of_reset:
                memory.before = memory.high
            ends = {"balance_eod": [self.start_balance], "equity_eod": [self.start_equity],
                    "higher_eod": [self.start_balance, self.start_equity]}.get(rule.get("high_water", ""))  # fmt: skip
            if ends:
                memory.high = max(memory.before, *ends)

    def _freshness(self, at: datetime, now: datetime) -> None:
        if self.updated is None or self.newest is None:
            return
        limit = timedelta(seconds=self.document.get("stale_after", 30))
        day = day_at(now, self.document)
        is_open = WEEK[day.weekday()] in self.document["trading_week"] or day_at(self.updated, self.document) == day
        silent = bool(self.positions) and is_open and now - self.updated >= limit
        stale = self.status in DOWN or now - max(self.newest, self.sign or self.newest) > limit or silent
        if stale != self.stale:
            self.stale = stale
            self.events.append(("stale" if stale else "fresh", None, at))

    def _judge(self, at: datetime) -> None:
        if self.held or self.stale or self.failed:
            return
        soft = [i for i in range(len(self.rules)) if not (self.paused and self.rules[i]["consequence"] == "pause")]
        crossed = [i for i in soft if self.crossed(i)]
        if crossed:
            hard = [i for i in crossed if self.rules[i]["consequence"] == "fail"]
            winner = max(hard or crossed, key=lambda i: (self.level(i)[1], -i))
            also = tuple(self.rules[i]["rule"] for i in crossed if i != winner)
            self.events.append(("breached", winner, at, str(self.level(winner)[1]), str(self.level(winner)[2]), also))
            self.failed, self.paused = bool(hard), self.paused or not hard
            for memory in self.memory:
                memory.step = 0
        elif not self.paused:
            for index in range(len(self.rules)):
                self._warn(index, at)

    def _warn(self, index: int, at: datetime) -> None:
        memory, used = self.memory[index], self.used(index)
        reached = sum(used >= Fraction(step) for step in self.document["warn_at"])
        if reached > memory.step:
            self.events.append(("stepped_up" if memory.step else "warned", index, at, reached))
            memory.step = reached
        elif memory.step and used < Fraction(self.document["clear_below"]):
            self.events.append(("cleared", index, at, 0))
            memory.step = 0

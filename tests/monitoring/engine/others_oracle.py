"""Section 6 once more, on top of the loss oracle: JSON rules and frames of one account in, whole event streams out.

Written from docs/rules.md and rules.md, not from the engine: every fact is kept for good and asked anew when needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.monitoring.engine.oracle import DOWN, Oracle, day_at, start_of
from tests.monitoring.engine.others_names import (
    WEEK,
    best_share,
    cents,
    deadlines,
    exact_lots,
    instant,
)
from tests.monitoring.engine.others_shapes import Deal, Held, Moment

LOSS = {"daily_loss", "max_loss"}
DEFAULTS = {"flat_by": "close", "time_limit": "fail", "inactivity": "fail", "soft_breaches": "fail",
            "consistency": "delay", "profit_target": "", "min_trading_days": ""}  # fmt: skip
KNOWN = {"deposit", "withdrawal", "payout", "bonus", "correction"}


class Whole(Oracle):
    """One account under one whole rule set."""

    def __init__(self, document: dict[str, Any], created: datetime | None = None) -> None:
        self.whole = document["rules"]
        self.loss_index = [i for i, rule in enumerate(self.whole) if rule["rule"] in LOSS]
        super().__init__({**document, "rules": [self.whole[i] for i in self.loss_index]})
        self.week: list[str] = document["trading_week"]
        self.zone: str = document["reset"]["zone"]
        self.began = created
        self.time: datetime | None = None
        self.open: dict[str, Held] = {}
        self.kind = ""
        self.event_id: str | None = None
        self.ids: set[str | None] = set()
        self.count = self.structure = 0
        self.market: dict[str, Any] = {"revision": "", "news": [], "holidays": [], "symbols": {}}
        self.moved = Decimal(0)
        self.ends: dict[date, Decimal] = {}  # closed profit since the beginning, at the end of each day
        self.openings: list[tuple[datetime, date]] = []
        self.spell = 0
        self.gone: set[str] = set()
        self.same_day: set[date] = set()
        self.target_met = False
        self.to_close: set[str] = set()
        self.soft: list[date] = []
        self.told: set[tuple[Any, ...]] = set()
        self.above: set[int] = set()  # episodes that are open, by rule
        self.arrived = self.doubt = False
        self.review: datetime | None = None  # since when
        self.idle = created  # where the count of inactivity begins
        self.waiting: list[Deal] = []
        self.pending = False  # something had to wait: the next good message judges everything anew
        self.loss_breached = False

    # -- facts

    @property
    def profit(self) -> Decimal:
        return self.balance - self.moved - self.size if self.updated is not None else Decimal(0)

    def consequence(self, index: int) -> str:
        rule = self.whole[index]
        word: str = rule.get("outside") or rule.get("consequence") or DEFAULTS.get(rule["rule"], "flag")
        return word

    @property
    def may_judge(self) -> bool:
        return not (self.stale or self.failed or self.held or self.review or self.doubt)

    def profits(self, *, running: bool) -> list[Decimal]:
        """Closed profit of every day."""
        marks = [self.ends[day] for day in sorted(self.ends)]
        if running:
            marks.append(self.profit)
        return [mark - before for mark, before in zip(marks, [Decimal(0), *marks], strict=False)]

    def day_profits(self) -> dict[date, Decimal]:
        assert self.day is not None
        return dict(zip([*sorted(self.ends), self.day], self.profits(running=True), strict=True))

    def day_of_deal(self, at: datetime) -> date:
        """Nothing happens on a day that has not begun."""
        assert self.day is not None
        return min(day_at(at, self.document), self.day)

    def trading_days(self, rule: dict[str, Any]) -> int:
        counts, threshold = rule["counts"], Decimal(rule.get("threshold") or 0) * self.size
        if counts == "opened":
            days = {day for _, day in self.openings}
        elif counts == "opened_and_closed":
            days = self.same_day
        elif counts == "profit_day":
            days = {day for day, profit in self.day_profits().items() if profit >= threshold}
        else:
            days = {day for day, profit in self.day_profits().items() if abs(profit) >= threshold}
        return sum(WEEK[day.weekday()] in self.week for day in days)

    def missing(self) -> bool:
        """Whether something that a pass needs is missing; a rule set that asks for nothing has no pass."""
        asked = {"profit_target", "min_trading_days"} & {rule["rule"] for rule in self.whole}
        for rule in self.whole:
            if rule["rule"] == "min_trading_days" and self.trading_days(rule) < rule["days"]:
                return True
            if rule["rule"] == "consistency":
                share = best_share(self.profits(running=True), rule["of"])
                if share is not None and share > Fraction(rule["best_day_share"]):
                    return True
        return not asked or ("profit_target" in asked and not self.target_met)

    # -- frames

    def feed(self, frame: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Apply one frame; return the events that it brings about."""
        self.events = []
        self.kind = frame["type"]
        self.event_id = frame.get("event_id")
        if self.event_id in self.ids:
            return []
        ts = instant(frame["ts"])
        handler: Callable[[datetime, int | None, dict[str, Any]], None] = getattr(self, f"on_{frame['type']}")
        handler(ts, frame.get("seq"), frame if frame["type"] == "resync" else frame.get("data", frame))
        self.to_close &= set(self.open)
        return self.events

    def on_clock(self, ts: datetime, _seq: int | None, _data: dict[str, Any]) -> None:
        self.tick(ts)
        if self.day is not None:
            self.settle(self.clock or ts)

    def on_refuse(self, _ts: datetime, _seq: int | None, _data: dict[str, Any]) -> None:
        """A frame that cannot be read leaves the figures in doubt; told once."""
        if not self.doubt:
            self.events.append(("refused", None, _ts))
        self.doubt = True

    def on_link(self, ts: datetime, _seq: int | None, _data: dict[str, Any]) -> None:
        """A sign of life of the link."""
        self.sign = max(ts, self.sign or ts)
        if self.stale:
            self._freshness(ts, max(ts, self.clock or ts))

    def on_hold(self, ts: datetime, _seq: int | None, _data: dict[str, Any]) -> None:
        self.review = self.review or ts

    def on_release(self, ts: datetime, _seq: int | None, _data: dict[str, Any]) -> None:
        """The end of a review: its time is no inactivity, what waits is judged with the next message."""
        if self.review is not None and self.idle is not None:
            self.idle += max(ts - max(self.review, self.idle), timedelta(0))
        self.review, self.held, self.pending = None, False, True
        self.time = max(self.time, ts) if self.time is not None else None

    def on_market(self, _ts: datetime, _seq: int | None, data: dict[str, Any]) -> None:
        self.market = data
        self.pending |= bool(self.open) and any(rule["rule"] == "flat_by" for rule in self.whole)

    def on_account_update(self, ts: datetime, seq: int | None, data: dict[str, Any]) -> None:
        figures = self.figures(data)
        stated = data.get("open_positions")
        if self.update(ts, seq, *figures, stated):
            self.count = self.count if stated is None else stated
            self.settle(ts, figures=True)

    def figures(self, data: dict[str, Any]) -> tuple[Decimal, Decimal, Decimal, str]:
        credit = cents(data["credit"]) if "credit" in data else self.credit
        return cents(data["balance"]), cents(data["equity"]), credit, data.get("status", "connected")

    def on_balance_operation(self, ts: datetime, seq: int | None, data: dict[str, Any]) -> None:
        self.arrived = False
        amount = cents(data["amount"])
        self.operation(ts, seq, data["kind"], amount)
        if self.arrived and data["kind"] in KNOWN:
            self.moved += amount
        elif self.arrived and data["kind"] != "credit":
            self.events.append(("refused", None, ts))

    def on_position_open(self, ts: datetime, seq: int | None, data: dict[str, Any]) -> None:
        if self._arrive(ts, seq):
            if data["id"] not in self.open:
                self.count = max(self.count, len(self.open)) + 1
            self.positions = self.count
            deals = self.hold(ts, data)
            self.settle(ts, deals=deals, positions=True)

    on_position_modified = on_position_open

    def hold(self, ts: datetime, data: dict[str, Any], *, sure: bool = True) -> tuple[Deal, ...]:
        """Take a position as it is now; an opening if it is new."""
        known = self.open.get(data["id"])
        opened = instant(data["open_time"]) if data.get("open_time") else known.opened if known else ts
        stops = [*(known.stops if known else ()), (ts, bool(data.get("sl")))]
        ours = known.ours if known else self.is_ours(data["id"], opened, sure)
        held = Held(data["id"], data["symbol"], data["type"], exact_lots(data["volume"]), opened, stops, ours)
        self.open[held.id] = held
        return () if known is not None else self.opening(held.id, held.symbol, opened, ours)

    def is_ours(self, ident: str, opened: datetime, sure: bool = True) -> bool:
        """Whether a position that is seen for the first time was opened during this challenge."""
        assert self.began is not None
        return sure and ident not in self.gone and opened >= self.began

    def opening(self, ident: str, symbol: str, at: datetime, ours: bool) -> tuple[Deal, ...]:
        """The opening of a position that is seen for the first time; one that was seen to close is none."""
        if ours:
            self.openings.append((at, self.day_of_deal(at)))
            assert self.idle is not None
            self.spell += at > self.idle
            self.idle = max(self.idle, at)
        return () if ident in self.gone else (Deal(ident, symbol, at, at, ours=ours),)

    def on_position_close(self, ts: datetime, seq: int | None, data: dict[str, Any]) -> None:
        if not self._arrive(ts, seq):
            return
        ident, known = data["id"], self.open.get(data["id"])
        at = instant(data["close_time"]) if data.get("close_time") else ts
        stated = instant(data["open_time"]) if data.get("open_time") else None
        opened = known.opened if known else stated
        deals: tuple[Deal, ...] = ()
        if known is None and stated is not None:  # its opening never came
            deals = self.opening(ident, data["symbol"], stated, self.is_ours(ident, stated))
        self.closing(opened, at)
        left = exact_lots(data.get("remaining_volume", 0))
        if left and known:
            known.lots = left
        elif not left and (self.open.pop(ident, None) is not None or self.count > len(self.open)):
            self.count = max(self.count - 1, len(self.open))
        if not left or known is None:  # what a closing in part told of the opening is not told again
            self.gone.add(ident)
        self.positions = self.count
        deal = Deal(ident, data["symbol"], at, opened, closing=True, reason=data.get("reason") or "")
        self.settle(ts, deals=(*deals, deal), positions=True)

    def closing(self, opened: datetime | None, at: datetime) -> None:
        """Note the day of a closing if it was the day of the opening as well."""
        if opened is not None and self.began is not None and opened >= self.began:
            day = self.day_of_deal(at)
            self.same_day |= {day} & {self.day_of_deal(opened)}

    def on_resync(self, ts: datetime, seq: int | None, data: dict[str, Any]) -> None:
        """A reading by REST; `seq` is the newest number that it includes."""
        known, numbered = self.newest, seq is not None and bool(self.seq)
        if numbered:
            late = (seq or 0) < self.seq and ts - (known or ts) <= timedelta(seconds=5)
        else:
            late = known is not None and ts < known
        if late and (not numbered or (seq or 0) < self.structure):
            return
        if late:  # its figures are overtaken, its positions are the newest word
            self.settle(ts, deals=self.read(ts, data["positions"], sure=True), positions=True)
            return
        self.seq = seq or self.seq
        self.structure = self.seq
        self._advance(ts)
        self.newest = max(ts, known or ts)
        deals = self.read(ts, data["positions"], sure=self.updated is not None)
        self.take(ts, *self.figures(data["data"]), self.count)
        self.settle(ts, deals=deals, positions=True, figures=True)

    def read(self, ts: datetime, positions: list[dict[str, Any]], *, sure: bool) -> tuple[Deal, ...]:
        """Let a list of positions replace what is held; `sure`: it is not the first word on the account."""
        deals: tuple[Deal, ...] = ()
        listed = [position["id"] for position in positions]
        for ident in [ident for ident in self.open if ident not in listed]:
            self.closing(self.open.pop(ident).opened, ts)
            self.gone.add(ident)
        for position in positions:
            deals += self.hold(ts, position, sure=sure or bool(position.get("open_time")))
        self.open = {ident: self.open[ident] for ident in listed}
        self.count = self.positions = len(self.open)
        return deals

    def on_connection_lost(self, ts: datetime, seq: int | None, _data: dict[str, Any]) -> None:
        self.report(ts, seq, "disconnected")

    def on_connection_restored(self, ts: datetime, seq: int | None, _data: dict[str, Any]) -> None:
        self.report(ts, seq, "connected")

    def report(self, ts: datetime, seq: int | None, status: str) -> None:
        """What the upstream says of the account's own connection."""
        if self._arrive(ts, seq):
            self.status = status
            self._freshness(ts, max(ts, self.clock or ts))
            self.settle(ts)

    # -- time

    def _arrive(self, ts: datetime, seq: int | None) -> bool:
        self.arrived = super()._arrive(ts, seq)
        if self.arrived and self.event_id:
            self.ids.add(self.event_id)
        if self.arrived and self.kind != "account_update":
            self.structure = seq or self.structure
        return self.arrived

    def _advance(self, to: datetime) -> None:
        """Everything that time alone brings about by then, in the order of its instants; a reset first."""
        if self.day is None:
            self.day = day_at(to, self.document)
            self.began = self.began or to
            self.time = to
            self.idle = max(self.began, to)  # what was traded before nobody knows
            self.pending = self.began < to
        assert self.time is not None
        while True:
            reset = start_of(self.day + timedelta(days=1), self.document)
            due = [(reset, 0)] if reset <= to else []
            due += [(at, 1) for at in self.instants() if self.time < at <= to]
            if not due:
                break
            at, kind = min(due)
            resumed = kind == 0 and self.paused
            if kind == 0:
                self.day += timedelta(days=1)
                self._reset(at)
            else:
                self.time = at
            if resumed or self.stale_at(at) or not self.may_judge:
                self.pending = True  # what slept in a pause is asked with the next message
            if not self.stale_at(at):
                self.judge(Moment(at, reset=kind == 0, due=kind == 1))
        self.time = to  # a frame that lags behind the clock brings back what it should have been there for

    def stale_at(self, at: datetime) -> bool:
        """Whether what was known before an instant was stale by then."""
        if self.updated is None or self.newest is None or self.status in DOWN:
            return True
        day, limit = day_at(at, self.document), timedelta(seconds=self.document.get("stale_after", 30))
        is_open = WEEK[day.weekday()] in self.week or day_at(self.updated, self.document) == day
        alive = max(self.newest, self.sign or self.newest)
        return at - alive > limit or (bool(self.count) and is_open and at - self.updated >= limit)

    def instants(self) -> Iterator[datetime]:
        """When time alone acts on a rule. A stop must be there before more than its seconds have passed."""
        assert self.time is not None
        for rule in self.whole:
            if rule["rule"] == "flat_by":
                for warning, deadline, _ in deadlines(rule, self.week, self.market["holidays"], self.time):
                    yield from (warning, deadline)
            elif rule["rule"] == "inactivity":
                yield self.idle_until(rule)
            elif rule["rule"] == "stop_loss_required":
                for held in self.open.values():
                    yield held.opened + timedelta(seconds=rule["within_seconds"], microseconds=1)

    def take(self, ts: datetime, balance: Decimal, equity: Decimal, credit: Decimal,
             status: str, positions: int | None) -> None:  # fmt: skip
        self.doubt = self.loss_breached = False
        super().take(ts, balance, equity, credit, status, positions)

    def _take_start(self, *, of_reset: bool) -> None:
        super()._take_start(of_reset=of_reset)
        assert self.day is not None
        self.ends[self.day - timedelta(days=1)] = self.profit

    # -- filled in by others_verdicts and others_rules

    def settle(
        self, at: datetime, *, deals: tuple[Deal, ...] = (), positions: bool = False, figures: bool = False
    ) -> None:
        """Judge after a message."""
        raise NotImplementedError

    def judge(self, moment: Moment) -> None:
        """Ask every rule."""
        raise NotImplementedError

    def aim(self, at: datetime) -> None:
        """Judge the profit target."""
        raise NotImplementedError

    def idle_until(self, rule: dict[str, Any]) -> datetime:
        """When an account has been idle too long."""
        raise NotImplementedError

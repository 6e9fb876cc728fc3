"""What each rule of section 6 finds, for the oracle: one short method a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from tests.monitoring.engine.oracle import CENT, day_at, start_of
from tests.monitoring.engine.others_names import (
    WEEK,
    affected,
    base_of,
    best_share,
    days_later,
    deadlines,
    exact_lots,
    instant,
    open_hours,
)
from tests.monitoring.engine.others_shapes import OURS, Deal, Found, Held, Moment
from tests.monitoring.engine.others_verdicts import Verdicts

Rule = dict[str, Any]


class Book(Verdicts):
    """The oracle with all its rules."""

    # -- exposure

    def find_max_lots_per_position(self, index: int, rule: Rule, moment: Moment) -> Iterator[Found]:
        for held in self.open.values() if moment.positions else ():
            if held.lots <= exact_lots(rule["lots"]):
                self.told.discard((index, held.id))
            elif self.once(index, held.id):
                yield Found(index, (held.id,))

    def find_max_lots_total(self, index: int, rule: Rule, moment: Moment) -> Iterator[Found]:
        def fits(positions: list[Held]) -> bool:
            return self.total(positions, rule["count"]) <= exact_lots(rule["lots"])

        return self.too_much(index, moment, fits)

    def find_max_positions(self, index: int, rule: Rule, moment: Moment) -> Iterator[Found]:
        return self.too_much(index, moment, lambda positions: len(positions) <= rule["positions"])

    def too_much(self, index: int, moment: Moment, fits: Callable[[list[Held]], bool]) -> Iterator[Found]:
        """An episode; while it lasts, `close` goes on with what is opened on top."""
        if not moment.positions:
            return
        excess = self.newest_until(fits)
        if self.episode(index, bool(excess)):
            yield Found(index, excess)
        elif self.consequence(index) == "close":
            self.to_close |= set(excess)

    def total(self, positions: list[Held], count: str) -> Decimal:
        if count == "gross":
            return sum((held.lots for held in positions), Decimal(0))
        nets: dict[str, Decimal] = {}
        for held in positions:
            name = base_of(held.symbol, self.market["symbols"], self.own_names()) or held.symbol
            nets[name] = nets.get(name, Decimal(0)) + (held.lots if held.side == "BUY" else -held.lots)
        return sum((abs(net) for net in nets.values()), Decimal(0))

    def own_names(self) -> set[str]:
        """The base names that the rule set itself lists."""
        lists = (name for rule in self.whole for name in (*rule.get("allow", ()), *rule.get("deny", ())))
        return set(lists)

    def newest_until(self, fits: Callable[[list[Held]], bool]) -> tuple[str, ...]:
        """The newest positions, as many as must go until the rest fits."""
        kept = sorted(self.open.values(), key=lambda held: (held.opened, held.id))
        gone = []
        while not fits(kept):
            gone.append(kept.pop().id)
        return tuple(gone)

    def find_symbols(self, index: int, rule: Rule, moment: Moment) -> Iterator[Found]:
        for deal in moment.deals:
            base = self.name_for(rule, deal)
            if deal.closing or base is None:
                continue
            if base in rule.get("deny", ()) or (rule.get("allow") and base not in rule["allow"]):
                yield Found(index, (deal.id,))

    def name_for(self, rule: Rule, deal: Deal) -> str | None:
        return base_of(deal.symbol, self.market["symbols"], {*rule.get("allow", ()), *rule.get("deny", ())})

    def ask_names(self, moment: Moment) -> None:
        """Names that a rule cannot judge, in the order of the deals, each once."""
        for deal in moment.deals:
            for index, rule in enumerate(self.whole):
                asleep = self.paused and self.consequence(index) == "pause"
                if rule["rule"] != "symbols" or deal.closing or asleep:
                    continue
                if self.name_for(rule, deal) is None and self.once("name", deal.symbol):
                    self.events.append(("refused", index, moment.at))

    # -- conduct

    def find_trading_hours(self, index: int, rule: Rule, moment: Moment) -> Iterator[Found]:
        for deal in moment.deals:
            if not deal.closing and deal.ours and not open_hours(rule, deal.at):
                yield Found(index, (deal.id,))

    def find_flat_by(self, index: int, rule: Rule, moment: Moment) -> Iterator[Found]:
        revision = self.market["revision"]
        if not (moment.due or moment.positions):
            return
        for warning, deadline, midnight in deadlines(rule, self.week, self.market["holidays"], moment.at):
            if deadline <= moment.at < midnight:
                new = tuple(held.id for held in self.open.values() if self.once(index, deadline, held.id))
                if new and self.once(index, deadline):
                    yield Found(index, new, revision)
                else:
                    yield from (Found(index, (one,), revision) for one in new)
                continue
            near = warning <= moment.at < deadline and (index, deadline) not in self.told
            if near and self.open and not self.paused and self.once(index, "warned", deadline):
                yield Found(index, (), revision, warning=True)

    def find_news_window(self, index: int, rule: Rule, moment: Moment) -> Iterator[Found]:
        for deal in moment.deals:
            if deal.reason in OURS or not deal.ours:
                continue
            if any(self.too_near(rule, news, deal) for news in self.market["news"]):
                yield Found(index, (deal.id,), self.market["revision"])

    def too_near(self, rule: Rule, news: dict[str, Any], deal: Deal) -> bool:
        at, hours = instant(news["at"]), rule.get("exempt_if_opened_before_hours")
        before, after = timedelta(minutes=rule["before_minutes"]), timedelta(minutes=rule["after_minutes"])
        base = base_of(deal.symbol, self.market["symbols"], self.own_names())
        if hours is not None and deal.closing and deal.opened and deal.opened <= at - timedelta(hours=hours):
            return False
        return (
            news["impact"] in rule.get("impact", ["high"])
            and at - before <= deal.at <= at + after
            and affected(news, base, rule.get("scope", "currency"))
        )

    def find_stop_loss_required(self, index: int, rule: Rule, moment: Moment) -> Iterator[Found]:
        for held in self.open.values() if not moment.reset else ():
            due = held.opened + timedelta(seconds=rule["within_seconds"])
            looked_at = due < moment.at and held.ours and self.once(index, held.id)
            if looked_at and not self.carried(held, due):
                missed = moment.late and held.id not in moment.seen
                yield Found(index, (held.id,), at=None if missed else due)

    def carried(self, held: Held, due: datetime) -> bool:
        """Whether it carried a stop when it had to, or (judged later) got one meanwhile."""
        by_then = [stop for at, stop in held.stops if at <= due] or [False]
        return by_then[-1] or any(stop for at, stop in held.stops if at > due)

    def find_inactivity(self, index: int, rule: Rule, moment: Moment) -> Iterator[Found]:
        due = self.idle_until(rule)
        slept = self.consequence(index) == "pause"  # what a pause slept through comes at the reset that ends it
        over = slept and due < moment.at if moment.reset else due <= moment.at
        if over and self.once(index, self.spell):
            yield Found(index)

    def idle_until(self, rule: Rule) -> datetime:
        assert self.idle is not None
        return days_later(self.idle, rule["days"], self.zone)

    # -- objectives

    def find_time_limit(self, index: int, rule: Rule, _moment: Moment) -> Iterator[Found]:
        assert self.day is not None
        assert self.began is not None
        trades = [self.day_of_deal(at) for at, _ in sorted(self.openings)[:1]]
        for first in [day_at(self.began, self.document)] if rule["from"] == "created" else trades:
            last, left = first, rule["days"]
            while (left := left - (rule["unit"] == "calendar" or WEEK[last.weekday()] in self.week)) > 0:
                last += timedelta(days=1)
            if self.day > last and self.once(index, "over") and self.missing():
                yield Found(index)

    def find_consistency(self, index: int, rule: Rule, moment: Moment) -> Iterator[Found]:
        if any(other["rule"] == "profit_target" for other in self.whole):
            if not self.target_met or not (moment.figures or moment.reset):
                return
            share = best_share(self.profits(running=True), rule["of"])
        else:
            asked = moment.reset or moment.due or moment.positions
            if not asked or not self.ends or not self.once(index, "reset", self.day):
                return
            share = best_share(self.profits(running=False), rule["of"])
        if self.episode(index, share is not None and share > Fraction(rule["best_day_share"])):
            yield Found(index)

    def aim(self, at: datetime) -> None:
        """Whether the profit target (of several the highest) is reached by these figures."""
        targets = [(self.amount(rule), -i) for i, rule in enumerate(self.whole) if rule["rule"] == "profit_target"]
        if not targets or self.target_met or self.loss_breached or not self.may_judge:
            return
        assert self.day is not None
        at = max(at, start_of(self.day, self.document))
        amount, place = max(targets)
        flat = any(rule.get("requires_flat") for rule in self.whole)
        if self.profit >= amount and not (flat and self.count):
            self.target_met = True
            self.events.append(("target_reached", -place, at, str(self.profit), str(amount)))

    def amount(self, rule: Rule) -> Decimal:
        amount = rule["amount"]
        exact = Decimal(amount["fixed"]) if "fixed" in amount else self.size * Decimal(amount["percent"]) / 100
        return exact.quantize(CENT, ROUND_HALF_UP)

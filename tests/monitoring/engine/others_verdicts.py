"""The oracle's verdicts: what a violation's consequence does, soft breaches, episodes; docs/rules.md, section 2."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from tests.monitoring.engine.oracle import start_of
from tests.monitoring.engine.others_oracle import Whole
from tests.monitoring.engine.others_shapes import Deal, Found, Moment

WAITING = 64  # the newest deals that wait for better data
LATER = {"consistency", "time_limit"}  # asked once it is known whether the target is reached
LIMITS = {"max_lots_per_position", "max_lots_total", "max_positions"}


class Verdicts(Whole):
    """From what the rules find to events."""

    def _judge(self, at: datetime) -> None:
        """The loss rules, told by their places in the whole document."""
        start = len(self.events)
        if not self.review:
            super()._judge(at)
        for place, event in enumerate(self.events[start:], start):
            self.events[place] = (event[0], self.loss_index[event[1]], *event[2:])
            if event[0] == "breached":
                self.loss_breached = True
                self.count_soft(self.loss_index[event[1]], at)

    def settle(
        self, at: datetime, *, deals: tuple[Deal, ...] = (), positions: bool = False, figures: bool = False
    ) -> None:
        """Judge after a message; what was opened or closed while nothing could be judged waits for the next chance."""
        assert self.day is not None
        at = max(at, start_of(self.day, self.document))
        late, seen = self.pending, {deal.id for deal in deals}
        self.waiting += () if self.review or self.held else deals
        self.pending |= positions
        if self.may_judge:
            waiting, self.waiting = tuple(self.waiting), []
            moment = Moment(at, waiting, positions=self.pending, figures=figures, late=late, seen=seen)
            self.pending = False
            self.judge(moment)
        else:
            del self.waiting[:-WAITING]

    def judge(self, moment: Moment) -> None:
        if not self.may_judge:
            return
        found = self.find(moment, LATER, False)
        if moment.figures:  # breach and target in one update: the breach wins
            words = [self.consequence(one.index) for one in found if not one.warning]
            flags = words.count("flag")
            self.loss_breached |= not {"fail", "pause"}.isdisjoint(words) or bool(flags and self.too_many(flags))
            self.aim(moment.at)
        self.ask_names(moment)
        found += self.find(moment, LATER, True)
        self.conclude(sorted(found, key=lambda one: one.index), moment.at)

    def find(self, moment: Moment, names: set[str], among: bool) -> list[Found]:
        """What the rules find whose names are among these, or are not."""
        found: list[Found] = []
        for index, rule in enumerate(self.whole):
            asleep = self.paused and self.consequence(index) == "pause"
            method: Any = getattr(self, f"find_{rule['rule']}", None)
            if (rule["rule"] in names) is not among:
                continue
            if asleep and rule["rule"] in LIMITS:
                told, above = set(self.told), set(self.above)
                list(method(index, rule, moment))  # asleep it tells nothing, yet it sees that a limit is kept again
                self.told &= told
                self.above &= above
            elif method is not None and not asleep:
                found += method(index, rule, moment)
        return found

    def conclude(self, found: list[Found], at: datetime) -> None:
        """Each violation in the document's order, then the one breach of the gravest rule."""
        hard: list[Found] = []
        for item in found:
            word = self.consequence(item.index)
            if item.warning:
                self.tell("warned", item, at, "")
            elif word in {"fail", "pause"}:
                hard.append(item)
            else:
                self.tell("violated", item, at, word)
                if word == "close":
                    self.to_close |= set(item.positions)
                self.count_soft(item.index, item.at or at)
                if self.failed:
                    return
        hard = [item for item in hard if not (self.paused and self.consequence(item.index) == "pause")]
        if not hard:
            return
        gravest = [item for item in hard if self.consequence(item.index) == "fail"] or hard
        others = {item.index for item in hard} - {gravest[0].index}
        self.breach(gravest[0], at, tuple(self.whole[index]["rule"] for index in sorted(others)))

    def tell(self, kind: str, item: Found, at: datetime, word: str, also: tuple[str, ...] = ()) -> None:
        self.events.append((kind, item.index, item.at or at, word, also, item.positions, item.revision))

    def breach(self, item: Found, at: datetime, also: tuple[str, ...] = ()) -> None:
        """Latch a fail or a pause as a loss breach is."""
        word = self.consequence(item.index)
        self.tell("breached", item, at, word, also)
        self.failed, self.paused = self.failed or word == "fail", self.paused or word == "pause"
        for memory in self.memory:
            memory.step = 0
        if self.whole[item.index]["rule"] != "soft_breaches":
            self.count_soft(item.index, item.at or at)

    def count_soft(self, index: int, at: datetime) -> None:
        """A flag or a pause counts; the one after those allowed is followed at once."""
        assert self.day is not None
        if self.consequence(index) not in {"flag", "pause"}:
            return
        self.soft.append(self.day)
        self.conclude(self.too_many(), at)

    def too_many(self, more: int = 0) -> list[Found]:
        """Which rules on soft breaches are broken, be it once there are so many more."""
        assert self.day is not None
        over = []
        for place, rule in enumerate(self.whole):
            if rule["rule"] == "soft_breaches" and not self.failed:
                first = self.day - timedelta(days=rule["window_days"] - 1) if rule.get("window_days") else date.min
                asleep = self.paused and self.consequence(place) == "pause"
                if sum(day >= first for day in self.soft) + more > rule["allowed"] and not asleep:
                    over.append(Found(place))
        return over

    def once(self, *what: Any) -> bool:
        """Whether this is told for the first time."""
        new = what not in self.told
        self.told.add(what)
        return new

    def episode(self, index: int, above: bool) -> bool:
        """Whether an episode begins."""
        begins = above and index not in self.above
        (self.above.add if above else self.above.discard)(index)
        return begins

    def ask_names(self, moment: Moment) -> None:
        """Tell of names that cannot be normalised."""
        raise NotImplementedError

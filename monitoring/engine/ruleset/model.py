"""What a rule set compiles to: frozen values in minor units and exact ratios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from decimal import Decimal

from monitoring.engine.money import half_up
from monitoring.engine.ruleset.sentences import loss_sentence, other_sentence
from monitoring.engine.trading_day import Reset


@dataclass(frozen=True, slots=True)
class Step:
    """An exact share of a limit, e.g. 0.80: `numerator / denominator`."""

    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class Amount:
    """How far a floor lies under its anchor: a share of `of` (None: fixed), in exact minor units."""

    numerator: int
    denominator: int
    of: str | None  # initial | reference | high_water
    text: str

    def floor_under(self, anchor: int, base: int) -> int:
        """Return anchor - amount in minor units: subtracted unrounded, then quantised once, half up."""
        taken = self.numerator * base if self.of else self.numerator
        return half_up(anchor * self.denominator - taken, self.denominator)


@dataclass(frozen=True, slots=True)
class LossRule:
    """One daily_loss or max_loss, compiled."""

    index: int
    rule: str  # daily_loss | max_loss
    amount: Amount
    measured: str  # equity | balance | lower
    operator: str
    consequence: str  # fail | pause
    reference: str = ""  # daily_loss
    mode: str = ""  # max_loss: static | trailing
    high_water: str = ""
    lock: int | None = None  # the level S + offset is made per account; this is the offset in minor units
    on_payout: str = "shift"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRule:
    """What every rule of section 6 has; `consequence` is filled in where the document leaves it out."""

    index: int
    rule: str
    consequence: str  # fail | pause | close | flag | delay; "" for objectives that have none


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitTarget(OtherRule):
    """Reached when B - A - S is at or above the amount."""

    amount: Amount  # of initial, or fixed
    requires_flat: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MinTradingDays(OtherRule):
    """How many trading days must count before a pass."""

    days: int
    counts: str  # opened | opened_and_closed | profit_day | moved_day
    threshold: Step | None  # share of S, for profit_day and moved_day


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimit(OtherRule):
    """The last day of the phase."""

    days: int
    start: str  # created | first_trade
    unit: str  # calendar | trading


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxLotsPerPosition(OtherRule):
    """Lots in hundred-millionths (`market.lot_units`)."""

    lots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxLotsTotal(OtherRule):
    """Lots in hundred-millionths; `net` takes hedged legs of one symbol against each other."""

    lots: int
    count: str  # gross | net


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPositions(OtherRule):
    """How many positions may be open at once."""

    positions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbols(OtherRule):
    """Base names; an empty `allow` allows every name that is not denied."""

    allow: frozenset[str]
    deny: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Local seconds of the day, start included, end not; `end` <= `start` runs over midnight (24:00 is 86,400)."""

    days: frozenset[int]  # on which it starts, Monday 0
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingHours(OtherRule):
    """When positions may be opened."""

    zone: str
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatBy(OtherRule):
    """When the account must be flat, each week."""

    day: int
    time: time
    zone: str
    warn_minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsWindow(OtherRule):
    """When affected symbols may not be traded."""

    before_minutes: int
    after_minutes: int
    impact: frozenset[str]  # high | medium | low
    scope: str  # currency | listed | all
    exempt_hours: int | None  # closes of positions opened at least so long before the announcement


@dataclass(frozen=True, slots=True, kw_only=True)
class StopLossRequired(OtherRule):
    """A stop must be set within so many seconds of opening."""

    within_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency(OtherRule):
    """The best day's share of the total."""

    best_day_share: Step
    of: str  # net | positive | absolute


@dataclass(frozen=True, slots=True, kw_only=True)
class Inactivity(OtherRule):
    """Calendar days in the reset zone without a position opened."""

    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftBreaches(OtherRule):
    """How many soft breaches (flag, pause) are allowed, at all or within the last `window_days` days."""

    allowed: int
    window_days: int | None


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A validated rule set; money in minor units of `digits` decimals, durations in seconds."""

    version: int
    document: Mapping[str, object]
    currency: str
    digits: int
    initial_balance: int
    reset: Reset
    trading_week: frozenset[int]  # weekdays, Monday 0
    count_credit: bool
    adjust: bool  # balance_operations: adjust
    warn_at: tuple[Step, ...]
    clear_below: Step
    stale_after: float
    fresh_for: float
    loss_rules: tuple[LossRule, ...]
    others: tuple[OtherRule, ...] = ()  # section 6, in the document's order
    notes: tuple[tuple[str, str], ...] = ()  # (path, text) of what is odd and can be judged by all the same
    digest: str = ""  # sha256 of the limits; `version`, `initial_balance` and `currency` left out
    identities: tuple[str, ...] = ()  # one a rule of the document, by index: what its memory is known by

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd and can be judged by all the same, each as "path: text"."""
        return tuple(f"{path or 'rule set'}: {text}" for path, text in self.notes)

    def sentence(self, rule: LossRule | OtherRule) -> str:
        """Say one rule in plain words, its operator and its consequence included."""
        if isinstance(rule, LossRule):
            return loss_sentence(rule, self.digits, adjust=self.adjust)
        return other_sentence(rule)

    @property
    def rules(self) -> tuple[LossRule | OtherRule, ...]:
        """All rules in the document's order."""
        found: tuple[LossRule | OtherRule, ...] = (*self.loss_rules, *self.others)
        return tuple(sorted(found, key=lambda rule: rule.index))


def amount_text(value: Decimal, of: str | None) -> str:
    """Return "5% of the initial balance" or "2,000.00"."""
    names = {"initial": "the initial balance", "reference": "that", "high_water": "that"}
    if of is None:
        return f"{value:,f}"
    return f"{value:f}% of {names[of]}"

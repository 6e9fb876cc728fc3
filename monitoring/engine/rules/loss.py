"""The two loss rules as arithmetic on minor units: anchor, floor, measured, used. Pure and exact."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from monitoring.engine.money import grouped
from monitoring.engine.ruleset import LossRule, Step
from monitoring.engine.snapshot import Account, AccountState, RuleState

_REFERENCE_WORDS = {
    "day_start_balance": "day-start balance",
    "day_start_equity": "day-start equity",
    "day_start_higher": "higher of day-start balance and equity",
    "initial": "initial balance",
    "intraday_peak_equity": "the day's peak equity",
}


class Level(NamedTuple):
    """Where one rule stands now; minor units."""

    rule: LossRule
    memory: RuleState
    anchor: int
    floor: int
    measured: int

    @property
    def crossed(self) -> bool:
        """Whether the floor is crossed by the rule's own operator."""
        return self.measured < self.floor or (self.measured == self.floor and self.rule.operator == "<=")

    @property
    def used(self) -> Decimal:
        """Share of the limit used up, to 28 digits; compare with `reaches`, never with this."""
        span = self.anchor - self.floor
        if span <= 0:
            return Decimal(int(self.measured <= self.floor))
        return max(Decimal(0), Decimal(self.anchor - self.measured) / Decimal(span))

    def reaches(self, step: Step) -> bool:
        """Whether `used` is at or above a share, compared exactly."""
        span = self.anchor - self.floor
        if span <= 0:
            return self.measured <= self.floor
        return (self.anchor - self.measured) * step.denominator >= step.numerator * span

    def steps(self, steps: tuple[Step, ...]) -> int:
        """Return how many of the ascending steps are reached."""
        return sum(self.reaches(step) for step in steps)


def reference(account: Account, rule: LossRule) -> int:
    """Return REF of a daily loss: day-start values and peak move with the day's balance operations."""
    state = account.state
    if rule.reference == "initial":
        return state.initial_balance
    if rule.reference == "intraday_peak_equity":
        return state.peak
    if rule.reference == "day_start_balance":
        start = state.day_start_balance
    elif rule.reference == "day_start_equity":
        start = state.day_start_equity
    else:
        start = max(state.day_start_balance, state.day_start_equity)
    return start + state.day_moves


def levels(account: Account) -> list[Level]:
    """Return where every loss rule stands by the account's settled state."""
    state = account.flush()
    equity = risk_equity(account, state)
    balance = state.balance
    found = []
    for rule, memory in zip(account.rule_set.loss_rules, state.rules, strict=True):
        anchor, floor = anchor_and_floor(account, rule, memory)
        if rule.measured == "equity":
            measured = equity
        else:
            measured = balance if rule.measured == "balance" else min(balance, equity)
        found.append(Level(rule, memory, anchor, floor, measured))
    return found


def risk_equity(account: Account, state: AccountState) -> int:
    """Return E of a settled state."""
    return state.equity if account.rule_set.count_credit else state.equity - state.credit


def anchor_and_floor(account: Account, rule: LossRule, memory: RuleState) -> tuple[int, int]:
    """Return what the loss is counted from, and the level that must not be crossed."""
    anchor = _anchor(account, rule, memory)
    return anchor, floor_below(anchor, rule, memory, account.state.initial_balance)


def floor_below(anchor: int, rule: LossRule, memory: RuleState, size: int) -> int:
    """Return the level that must not be crossed, from what the loss is counted from and the initial balance."""
    if memory.locked:
        return size
    floor = rule.amount.floor_under(anchor, size if rule.amount.of == "initial" else anchor)
    return floor if rule.lock is None else min(floor, size + rule.lock)


def _anchor(account: Account, rule: LossRule, memory: RuleState) -> int:
    if rule.rule == "daily_loss":
        return reference(account, rule)
    return memory.high if rule.mode == "trailing" else account.state.initial_balance


def reason(account: Account, level: Level) -> str:
    """Say in a full sentence where the measured value stands against the floor, numbers included."""
    digits = account.rule_set.digits
    rule = level.rule
    name = {"equity": "equity", "balance": "balance", "lower": "the lower of balance and equity"}[rule.measured]
    kind = "daily" if rule.rule == "daily_loss" else "maximum loss"
    below = "is below" if level.measured < level.floor else "is above"
    relation = "is at" if level.measured == level.floor else below
    return (
        f"{name} {grouped(level.measured, digits)} {relation} the {kind} floor {grouped(level.floor, digits)}: "
        f"{_origin(account, level)}"
    )


def _origin(account: Account, level: Level) -> str:
    rule, digits = level.rule, account.rule_set.digits
    size = account.state.initial_balance
    if level.memory.locked:
        return f"locked at the initial balance {grouped(size, digits)} since a payout"
    if rule.rule == "daily_loss":
        anchor = f"{_REFERENCE_WORDS[rule.reference]} {grouped(level.anchor, digits)}"
    elif rule.mode == "static":
        anchor = f"initial balance {grouped(level.anchor, digits)}"
    else:
        anchor = f"high-water mark {grouped(level.anchor, digits)}"
    base = size if rule.amount.of == "initial" else level.anchor
    words = rule.amount.text
    if rule.amount.of is not None:
        words = f"{words.split('%')[0]}% of {grouped(base, digits)}"
    if rule.lock is not None and level.floor == size + rule.lock:
        return f"{anchor} less {words}, locked at {grouped(level.floor, digits)}"
    return f"{anchor} less {words}"

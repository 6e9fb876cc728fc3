"""The quiet band: between which figures the next update can change nothing, with a guard of one minor unit.

Bounds are exact integers turned into floats last. An update strictly inside them rounds to minor units that cross no
floor, reach no step, clear nothing and raise no mark, so the exact path may be skipped and made up for later.
"""

from __future__ import annotations

from math import inf
from sys import intern

from monitoring.engine.rules import objectives
from monitoring.engine.rules.freshness import may_judge
from monitoring.engine.rules.loss import Level, levels, risk_equity
from monitoring.engine.snapshot import Account, AccountState

_COMMON = {value: value for value in (-inf, inf, 0.0)}
_LEAST_AMOUNT = 100  # minor units; limits smaller than this always take the exact path


class _Bounds:
    """Risk equity and balance in minor units: nothing happens while low < value < high."""

    def __init__(self) -> None:
        self.low = self.balance_low = -inf
        self.high = self.balance_high = inf


def settle_band(account: Account) -> None:
    """Compute the band anew from the settled state."""
    state = account.state
    figures = state.figures
    if figures is None or account.last is None or state.stale or state.doubt or not state.day_open:
        account.disturb()
        return
    if state.pending and may_judge(account):
        account.disturb()
        return
    assert state.next_reset is not None
    bounds = _Bounds()
    found = levels(account)
    judged = not (state.review or state.verdict_held or state.breach)
    if judged:
        for level in found:
            if state.paused_until is None or level.rule.consequence == "fail":
                _guard(account, level, bounds, warns=state.paused_until is None)
    if judged and account.rule_set.others:
        low, high = objectives.balance_bounds(account)
        bounds.balance_low, bounds.balance_high = max(bounds.balance_low, low), min(bounds.balance_high, high)
    if state.lowest_equity is not None:
        bounds.low = max(bounds.low, float(state.lowest_equity))
    equity_mark, balance_mark = _marks(account, state)
    _publish(account, bounds, equity_mark, balance_mark)
    _set_rise(account, found, judged)


def _guard(account: Account, level: Level, bounds: _Bounds, *, warns: bool) -> None:
    """Narrow the bounds to where this rule stays as it is."""
    span = level.anchor - level.floor
    below = level.floor if level.rule.operator == "<=" else level.floor - 1
    above: int | None = None
    steps = account.rule_set.warn_at
    if warns:
        if level.memory.step < len(steps):
            below = max(below, _at_or_under(level, steps[level.memory.step].numerator,
                                            steps[level.memory.step].denominator))  # fmt: skip
        if level.memory.step:
            clear = account.rule_set.clear_below
            above = (level.floor if span <= 0 else _at_or_under(level, clear.numerator, clear.denominator)) + 1
    state = account.state
    measured = level.rule.measured
    if measured != "balance":
        bounds.low = max(bounds.low, below + 1)
    if measured != "equity":
        bounds.balance_low = max(bounds.balance_low, below + 1)
    if above is None:
        return
    by_balance = measured == "balance" or (measured == "lower" and state.balance < risk_equity(account, state))
    if by_balance:
        bounds.balance_high = min(bounds.balance_high, above - 1)
    else:
        bounds.high = min(bounds.high, above - 1)


def _at_or_under(level: Level, numerator: int, denominator: int) -> int:
    """Return the largest measured value whose `used` reaches the share."""
    span = level.anchor - level.floor
    if span <= 0:
        return level.floor
    return level.anchor + (-numerator * span) // denominator


def _marks(account: Account, state: AccountState) -> tuple[float, float]:
    """Return the lowest mark that equity, and that balance, would raise."""
    equity_mark = balance_mark = inf
    for rule, memory in zip(account.rule_set.loss_rules, state.rules, strict=True):
        if rule.high_water == "equity_intraday":
            equity_mark = min(equity_mark, memory.high)
        elif rule.high_water == "balance_closed":
            balance_mark = min(balance_mark, memory.high)
        elif rule.reference == "intraday_peak_equity":
            equity_mark = min(equity_mark, state.peak)
    return equity_mark, balance_mark


def _publish(account: Account, bounds: _Bounds, equity_mark: float, balance_mark: float) -> None:
    """Turn risk equity in minor units into the platform's floats."""
    state = account.state
    figures = state.figures
    assert figures is not None
    assert state.next_reset is not None
    scale = 10**account.rule_set.digits
    credit = 0 if account.rule_set.count_credit else state.credit
    account.low = _shared((bounds.low + credit) / scale)
    account.ceiling = _shared((bounds.high + credit) / scale)
    account.high = _shared((min(bounds.high, equity_mark) + credit) / scale)
    account.balance_low = _shared(bounds.balance_low / scale)
    account.balance_high = _shared(min(bounds.balance_high, balance_mark) / scale)
    account.set_alarm()
    account.quiet_until = account.wakes
    account.quiet_credit = _shared(figures.credit if figures.credit_given else state.credit / scale)
    account.quiet_status = intern(figures.status)
    account.next_seq = -1 if state.last_seq is None else state.last_seq + 1


def _shared(value: float) -> float:
    """Return one object for the values that all accounts have: what stays in the processor's cache is compared fast."""
    return _COMMON.get(value, value)


def _set_rise(account: Account, found: list[Level], judged: bool) -> None:
    """How the lower bound follows a mark that equity raises: low = mark * share + base, never too low.

    A lock only lowers the floor and so the bound. Open episodes, floors locked by a payout and limits on the balance
    take the exact path.
    """
    scale = 10**account.rule_set.digits
    credit = 0 if account.rule_set.count_credit else account.state.credit
    share, base = 0.0, -inf
    for level in found if judged else ():
        rule = level.rule
        if rule.high_water != "equity_intraday" and rule.reference != "intraday_peak_equity":
            continue
        if rule.consequence == "pause" and account.state.paused_until is not None:
            continue
        narrow = level.anchor - level.floor < _LEAST_AMOUNT
        if narrow or level.memory.step or level.memory.locked or rule.measured != "equity":
            account.ceiling = account.high
            return
        first = account.rule_set.warn_at[0] if account.rule_set.warn_at else None
        part = first.numerator / first.denominator if first else 1.0
        taken = rule.amount.numerator / rule.amount.denominator * part
        if rule.amount.of in {"reference", "high_water"}:
            share, fixed = max(share, 1 - taken), 0.0
        else:
            share, fixed = 1.0, taken * (account.state.initial_balance if rule.amount.of else 1)
        base = max(base, 3 - fixed)
    account.rise_share = share
    account.rise_base = (base + credit * (1 - share)) / scale

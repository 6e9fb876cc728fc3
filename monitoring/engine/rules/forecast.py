"""What every loss rule's floor would be if the day reset now: the overnight trap, seen before it closes."""

from __future__ import annotations

from monitoring.engine.events import ResetForecast
from monitoring.engine.rules.loss import Level, floor_below, levels, risk_equity
from monitoring.engine.snapshot import Account


def at_reset(account: Account) -> tuple[ResetForecast, ...]:
    """Return where each loss rule would stand after a reset at this moment, by the last known figures.

    Nothing of the account changes. Without figures there is nothing to measure, and nothing to say.
    """
    if account.figures is None:
        return ()
    return tuple(_forecast(account, level) for level in levels(account))


def _forecast(account: Account, level: Level) -> ResetForecast:
    rule, memory = level.rule, level.memory
    floor = floor_below(_anchor(account, level), rule, memory, account.state.initial_balance)
    return ResetForecast(
        rule=rule.rule,
        index=rule.index,
        floor=floor,
        measured=level.measured,
        room=level.measured - floor,
        crossed=level._replace(floor=floor).crossed,
        consequence=rule.consequence,
        operator=rule.operator,
    )


def _anchor(account: Account, level: Level) -> int:
    """What the loss would be counted from: the day would start with the balance and the risk equity of now."""
    rule, state = level.rule, account.state
    balance, equity = state.balance, risk_equity(account, state)
    starts = {
        "day_start_balance": balance,
        "day_start_equity": equity,
        "day_start_higher": max(balance, equity),
        "intraday_peak_equity": equity,
    }
    if rule.rule == "daily_loss":
        return starts.get(rule.reference, level.anchor)
    ends = {"balance_eod": balance, "equity_eod": equity, "higher_eod": max(balance, equity)}
    return max(level.anchor, ends.get(rule.high_water, level.anchor)) if rule.mode == "trailing" else level.anchor

"""What every loss rule's floor would be if the day reset now: the overnight trap, seen before it closes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from monitoring.engine.events import ResetForecast
from monitoring.engine.rules.loss import Level, floor_below, levels, risk_equity
from monitoring.engine.snapshot import Account


def at_reset(account: Account, found: Sequence[Level] | None = None) -> tuple[ResetForecast, ...]:
    """Return where each loss rule would stand after a reset at this moment, by the last known figures.

    Nothing of the account changes. Without figures there is nothing to measure, and nothing to say. `found`: its
    levels now, where the caller has them already.
    """
    if account.figures is None:
        return ()
    return tuple(_forecast(account, level) for level in (levels(account) if found is None else found))


class Worst(NamedTuple):
    """The loss rules together after a reset at this moment; minor units."""

    room: int  # the smallest
    floor: int  # of the rule that has it
    crossed: bool  # whether any rule's floor would be


def worst_at_reset(account: Account, found: Sequence[Level]) -> Worst | None:
    """Return what `at_reset` comes to, a few times as fast; `found`: the account's levels now."""
    worst: tuple[int, int] | None = None
    crossed = False
    for level in found:
        floor = floor_below(_anchor(account, level), level.rule, level.memory, account.state.initial_balance)
        room = level.measured - floor
        crossed = crossed or room < 0 or (room == 0 and level.rule.operator == "<=")
        if worst is None or room < worst[0]:
            worst = room, floor
    return None if worst is None or account.figures is None else Worst(*worst, crossed)


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
    what = rule.reference or rule.high_water
    if what in {"day_start_balance", "balance_eod"}:
        now = state.balance
    elif what in {"day_start_equity", "intraday_peak_equity", "equity_eod"}:
        now = risk_equity(account, state)
    elif what in {"day_start_higher", "higher_eod"}:
        now = max(state.balance, risk_equity(account, state))
    else:
        return level.anchor  # fixed, or a mark that no reset moves
    return now if rule.rule == "daily_loss" else max(level.anchor, now)

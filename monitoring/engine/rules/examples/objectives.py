"""Worked examples of the objectives: targets, days, limits of time, shares."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from monitoring.engine.events import Event, EventKind
from monitoring.engine.rules.examples.stage import (
    HOUR,
    MONDAY,
    SECOND,
    Stage,
    alone,
    bad,
    local,
    morning,
    what_follows,
)
from monitoring.engine.rules.progress import goal_amount
from monitoring.engine.ruleset import RuleSet
from monitoring.engine.ruleset.model import Consistency, Inactivity, MinTradingDays, ProfitTarget, TimeLimit
from monitoring.engine.ruleset.sentences import counted, share_text

_DAY = timedelta(days=1)
_LOT = 10**8
_MOST_DAYS = 1000  # that an example plays
_MOST_SHARES = 100


def _target(rule_set: RuleSet, rule: ProfitTarget) -> list[str]:
    stage = Stage(rule_set, morning(rule_set))
    goal = rule_set.initial_balance + goal_amount(stage.account, rule)
    if goal <= rule_set.initial_balance:
        return ["With so small an amount the target is reached as soon as the account is judged."]
    lines = []
    for balance in (goal - 1, goal):
        reached = _reached(stage.update(stage.now + SECOND, balance))
        lines.append(f"Closed balance {stage.money(balance)}: {'the target is reached' if reached else 'not yet'}.")
    held = Stage(rule_set, morning(rule_set))
    held.open(held.now + SECOND, "p1", "EURUSD", _LOT)
    reached = _reached(held.update(held.now + SECOND, goal))
    lines.append(f"The same with a position still open: {'reached' if reached else 'not reached until it is closed'}.")
    if not reached:
        return lines
    floating = Stage(rule_set, morning(rule_set))
    floating.open(floating.now + SECOND, "p1", "EURUSD", _LOT)
    seen = _reached(floating.update(floating.now + SECOND, rule_set.initial_balance, goal))
    lines.append(f"Only equity at {stage.money(goal)}, the profit not closed: {'reached' if seen else 'not reached'}.")
    return lines


def _reached(events: list[Event]) -> bool:
    return any(event.event is EventKind.TARGET_REACHED for event in events)


def _days(rule_set: RuleSet, rule: MinTradingDays) -> list[str]:
    days = _trading_days(rule_set, 2)
    stage = Stage(rule_set, morning(rule_set, days[0]))
    if rule.threshold is None:
        lines = _days_of_deals(stage, days)
    else:
        size = rule_set.initial_balance
        needed = -(-size * rule.threshold.numerator // rule.threshold.denominator)
        results = (needed - 1, needed) if rule.counts == "profit_day" else (needed - 1, needed, -needed)
        lines = [_day_of(rule_set, days[0], result) for result in results]
    return [*lines, f"{counted(rule.days, 'day')} of this kind {'is' if rule.days == 1 else 'are'} needed."]


def _days_of_deals(stage: Stage, days: list[date]) -> list[str]:
    rule_set = stage.rule_set
    stage.open(stage.now + SECOND, "p1", "EURUSD", _LOT)
    lines = [f"A position opened on {days[0]}: {_so_far(stage)}."]
    stage.update(morning(rule_set, days[1]))
    stage.close(stage.now + SECOND, "p1")
    lines.append(f"Held and closed on {days[1]}: {_so_far(stage)}.")
    stage.open(stage.now + SECOND, "p2", "EURUSD", _LOT)
    stage.close(stage.now + SECOND, "p2")
    lines.append(f"Another opened and closed on {days[1]}: {_so_far(stage)}.")
    return lines


def _day_of(rule_set: RuleSet, day: date, result: int) -> str:
    stage = Stage(rule_set, morning(rule_set, day))
    stage.update(stage.now + SECOND, rule_set.initial_balance + result)
    return f"A day with a closed profit of {stage.money(result)}: {_so_far(stage)}."


def _so_far(stage: Stage) -> str:
    value = stage.standing().value
    return f"{value} {'counts' if value.startswith('1 ') else 'count'}"


def _trading_days(rule_set: RuleSet, number: int) -> list[date]:
    ahead = (MONDAY + days * _DAY for days in range(7 * number))
    return [day for day in ahead if day.weekday() in rule_set.trading_week][:number]


def _time_limit(rule_set: RuleSet, rule: TimeLimit) -> list[str]:
    stage = Stage(rule_set, morning(rule_set))
    began = "The challenge starts"
    if rule.start == "first_trade":
        stage.open(stage.now + HOUR, "p1", "EURUSD", _LOT)
        stage.close(stage.now + SECOND, "p1")
        began = "The first position is opened"
    due, zone = stage.standing().due, rule_set.reset.zone
    assert due is not None  # it runs
    lines = [f"{began} on {MONDAY}: the last day ends on {local(due, zone)} ({zone})."]
    if rule.days > _MOST_DAYS:
        return lines
    found = bad(stage.reach(due), rule.rule)
    if found is not None:
        lines.append(f"At that instant, without everything that a pass needs: {what_follows(rule.consequence)}.")
    return lines


def _consistency(rule_set: RuleSet, rule: Consistency) -> list[str]:
    share = rule.best_day_share
    unit = max(1, rule_set.initial_balance // (20 * share.denominator))
    best, total = share.numerator * unit, share.denominator * unit
    rest = total - best
    others: list[int] = []
    while rest > 0 and len(others) < _MOST_SHARES:
        others.append(min(rest, best))
        rest -= others[-1]
    if rest > 0:
        return []
    lines = []
    quiet = alone(rule_set, rule.index, consequence="delay")  # what is latched would hide the share
    for first in (best, best + 1):
        stage = Stage(quiet, morning(rule_set))
        balance = rule_set.initial_balance
        for number, profit in enumerate([first, *others]):
            balance += profit
            stage.update(morning(rule_set, MONDAY + number * _DAY) + SECOND, balance)
        lines.append(f"{_capital(stage.standing().reason)}.")
    limit = share_text(share)
    return [
        *lines,
        f"Exactly {limit} is within the limit; above it, when it matters: {what_follows(rule.consequence)}.",
    ]


def _inactivity(rule_set: RuleSet, rule: Inactivity) -> list[str]:
    stage = Stage(rule_set, morning(rule_set))
    stage.open(stage.now + HOUR, "p1", "EURUSD", _LOT)
    opened = stage.now
    stage.close(stage.now + SECOND, "p1")
    due, zone = stage.standing().due, rule_set.reset.zone
    assert due is not None  # a challenge that began is idle from then on
    lines = [
        f"The last position was opened on {local(opened, zone)} ({zone}): the next must be before {local(due, zone)}."
    ]
    if rule.days > _MOST_DAYS:
        return lines
    found = bad(stage.reach(due), rule.rule)
    if found is not None:
        lines.append(f"At that instant, with none opened since: {what_follows(rule.consequence)}.")
    return lines


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


OBJECTIVES: dict[str, Callable[[RuleSet, Any], list[str]]] = {
    "profit_target": _target,
    "min_trading_days": _days,
    "time_limit": _time_limit,
    "consistency": _consistency,
    "inactivity": _inactivity,
}

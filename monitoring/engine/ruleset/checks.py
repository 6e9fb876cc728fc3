"""What only shows when the rules of a set are looked at together."""

from __future__ import annotations

from monitoring.engine.money import grouped
from monitoring.engine.ruleset.model import (
    Amount,
    Consistency,
    FlatBy,
    LossRule,
    MaxLotsPerPosition,
    MaxLotsTotal,
    MinTradingDays,
    RuleSet,
    TimeLimit,
    TradingHours,
)
from monitoring.engine.ruleset.reader import Problems
from monitoring.engine.trading_day import WEEKDAYS

_ONCE = {"profit_target": "profit target", "soft_breaches": "soft breach counter"}


def check_together(rule_set: RuleSet, problems: Problems) -> None:
    """Note what contradicts itself, and what probably is not meant."""
    _repeated(rule_set, problems)
    _wide_limits(rule_set, problems)
    _objectives(rule_set, problems)
    _soft_breaches(rule_set, problems)
    _outside_the_week(rule_set, problems)
    _out_of_reach(rule_set, problems)
    _no_effect(rule_set, problems)
    if not rule_set.rules and rule_set.document.get("rules") == []:
        problems.warnings.append(("rules", "is empty: nothing is judged"))


def _repeated(rule_set: RuleSet, problems: Problems) -> None:
    first: dict[str, int] = {}
    for rule in rule_set.others:
        if rule.rule in _ONCE and rule.rule in first:
            text = f"a second {_ONCE[rule.rule]}: rules[{first[rule.rule]}] is one already, and both cannot be meant"
            problems.errors.append((f"rules[{rule.index}]", text))
        first.setdefault(rule.rule, rule.index)
    hours = [rule.index for rule in rule_set.others if isinstance(rule, TradingHours)]
    for index in hours[1:]:
        text = f"rules[{hours[0]}] has trading hours too: a position must be opened inside both"
        problems.warnings.append((f"rules[{index}]", text))
    entries = rule_set.document.get("rules")
    if isinstance(entries, list):
        for index, entry in enumerate(entries):
            if isinstance(entry, dict) and entry in entries[:index] and entry.get("rule") not in _ONCE:
                text = f"is the same as rules[{entries.index(entry)}]: one of the two is enough"
                problems.warnings.append((f"rules[{index}]", text))


def _wide_limits(rule_set: RuleSet, problems: Problems) -> None:
    size = rule_set.initial_balance
    for rule in rule_set.loss_rules:
        if rule.amount.of is None and _at_start(rule.amount, size) > size:
            text = (
                f"{rule.amount.text} is more than the initial balance {grouped(size, rule_set.digits)}: "
                "the floor would lie below zero"
            )
            problems.warnings.append((f"rules[{rule.index}].amount.fixed", text))
    widest = [rule for rule in rule_set.loss_rules if rule.rule == "max_loss"]
    narrowest = min(widest, key=lambda rule: _at_start(rule.amount, size), default=None)
    if narrowest is not None:
        for rule in rule_set.loss_rules:
            if rule.rule == "daily_loss" and _at_start(rule.amount, size) > _at_start(narrowest.amount, size):
                _warn_of_wide_day(rule, narrowest, rule_set, problems)


def _warn_of_wide_day(daily: LossRule, limit: LossRule, rule_set: RuleSet, problems: Problems) -> None:
    size, digits = rule_set.initial_balance, rule_set.digits
    text = (
        f"the daily loss of {grouped(_at_start(daily.amount, size), digits)} is wider than the maximum loss of "
        f"{grouped(_at_start(limit.amount, size), digits)} (rules[{limit.index}]), which is reached first "
        "on the first day"
    )
    problems.warnings.append((f"rules[{daily.index}].amount", text))


def _at_start(amount: Amount, size: int) -> int:
    """The amount on the first day, in minor units: every anchor is the initial balance then."""
    return size - amount.floor_under(size, size)


def _objectives(rule_set: RuleSet, problems: Problems) -> None:
    if any(rule.rule == "profit_target" for rule in rule_set.others):
        return
    for rule in rule_set.others:
        if isinstance(rule, Consistency) and rule.consequence in {"fail", "pause"}:
            text = (
                f"{rule.consequence} without a profit target: the rule is judged at each reset, and a first day in "
                "profit is all of the total"
            )
            problems.warnings.append((f"rules[{rule.index}].consequence", text))


def _soft_breaches(rule_set: RuleSet, problems: Problems) -> None:
    soft = next((rule for rule in rule_set.others if rule.rule == "soft_breaches"), None)
    if soft is None:
        return
    counting = [rule for rule in rule_set.loss_rules if rule.consequence == "pause"]
    if not counting and not any(rule.consequence in {"flag", "pause"} for rule in rule_set.others if rule is not soft):
        text = "counts nothing: no rule of this set has the consequence flag or pause"
        problems.warnings.append((f"rules[{soft.index}]", text))


def _outside_the_week(rule_set: RuleSet, problems: Problems) -> None:
    for rule in rule_set.others:
        if isinstance(rule, FlatBy) and rule_set.trading_week and rule.day not in rule_set.trading_week:
            text = f"{WEEKDAYS[rule.day]} is not in the trading week"
            problems.warnings.append((f"rules[{rule.index}].day", text))


def _out_of_reach(rule_set: RuleSet, problems: Problems) -> None:
    """Limits that another rule keeps from ever being reached."""
    limits = [rule for rule in rule_set.others if isinstance(rule, TimeLimit)]
    totals = [rule for rule in rule_set.others if isinstance(rule, MaxLotsTotal) and rule.count == "gross"]
    for rule in rule_set.others:
        for limit in limits:
            if isinstance(rule, MinTradingDays) and rule.days > (most := _trading_days(limit, rule_set)):
                text = (
                    f"{rule.days} days cannot count within the time limit of {limit.days} {limit.unit} days "
                    f"(rules[{limit.index}]), which has at most {most} trading days"
                )
                problems.warnings.append((f"rules[{rule.index}].days", text))
        for total in totals:
            if isinstance(rule, MaxLotsPerPosition) and rule.lots > total.lots:
                text = f"is more than all positions together may have (rules[{total.index}]), which is reached first"
                problems.warnings.append((f"rules[{rule.index}].lots", text))


def _trading_days(limit: TimeLimit, rule_set: RuleSet) -> int:
    """How many trading days a time limit can hold at most."""
    if limit.unit == "trading":
        return limit.days
    weeks, rest = divmod(limit.days, 7)
    return weeks * len(rule_set.trading_week) + min(rest, len(rule_set.trading_week))


def _no_effect(rule_set: RuleSet, problems: Problems) -> None:
    """A floor that never rises has nothing to lock, and no mark that a payout could move; ignored payouts move none."""
    size = rule_set.initial_balance
    for rule in rule_set.loss_rules:
        if rule.on_payout != "shift" and not rule_set.adjust:
            text = f"{rule.on_payout} has no effect: balance operations are ignored, payouts too"
            problems.warnings.append((f"rules[{rule.index}].on_payout", text))
        if rule.mode != "static":
            continue
        if rule.lock is not None and rule.amount.floor_under(size, size) <= size + rule.lock:
            text = "has no effect: a static floor never rises to it"
            problems.warnings.append((f"rules[{rule.index}].lock", text))
        if rule.on_payout in {"unchanged", "reset"} and rule_set.adjust:
            text = f"{rule.on_payout} has no effect: a static floor has no high-water mark"
            problems.warnings.append((f"rules[{rule.index}].on_payout", text))

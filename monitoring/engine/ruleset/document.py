"""Reads the rule set's document whole and says everything that is wrong with it at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from itertools import pairwise

from monitoring.engine.money import minor_units, money_text
from monitoring.engine.ruleset import zones
from monitoring.engine.ruleset.amounts import money, step
from monitoring.engine.ruleset.checks import check_together
from monitoring.engine.ruleset.errors import RuleSetError
from monitoring.engine.ruleset.identity import digest_of, identities_of
from monitoring.engine.ruleset.losses import compile_rule
from monitoring.engine.ruleset.model import LossRule, OtherRule, RuleSet, Step
from monitoring.engine.ruleset.reader import MISSING, Problems, Reader, shown
from monitoring.engine.ruleset.seasons import warn_of_wall_time
from monitoring.engine.trading_day import WEEKDAYS, Reset

_KEYS = {
    "version", "currency", "initial_balance", "reset", "trading_week", "count_credit", "balance_operations",
    "warn_at", "clear_below", "stale_after", "fresh_for", "rules",
}  # fmt: skip
_MOST_RULES = 100
_LONG = 900  # seconds after which data is old by any measure


def parse_rule_set(document: Mapping[str, object], digits: int = 2, *, today: date | None = None) -> RuleSet:
    """Validate and compile a rule set; raises RuleSetError naming every path that is wrong.

    `today` is the date around which changes of clocks are looked up, for warnings only.
    """
    problems = Problems(today=today or zones.TODAY)
    reader = Reader(document, "", problems)
    reader.only(_KEYS)
    initial = money(reader, "initial_balance", digits)
    warn_at, clear_below = _warnings_of(reader)
    loss_rules, other_rules = _rules(reader, digits)
    rule_set = RuleSet(
        version=reader.integer("version", least=1),
        document=document,
        currency=_currency(reader),
        digits=digits,
        initial_balance=minor_units(initial, digits),
        reset=_reset(reader),
        trading_week=_trading_week(reader),
        count_credit=reader.flag("count_credit", default=False),
        adjust=reader.choice("balance_operations", ("adjust", "ignore"), "adjust") == "adjust",
        warn_at=warn_at,
        clear_below=clear_below,
        stale_after=_seconds(reader, "stale_after", 30),
        fresh_for=_seconds(reader, "fresh_for", 60),
        loss_rules=loss_rules,
        others=other_rules,
    )
    of_values = list(problems.warnings)  # without those about rules together, which may rest on what is wrong
    if reader.is_object:
        check_together(rule_set, problems)
    if problems.errors:
        raise RuleSetError(problems.errors, of_values)
    return replace(
        rule_set, notes=tuple(problems.warnings), digest=digest_of(document), identities=identities_of(rule_set)
    )


def with_initial(rule_set: RuleSet, minor_units: int) -> RuleSet:
    """Return the same rules for an account of another size S (minor units); nothing is validated anew."""
    if minor_units == rule_set.initial_balance:
        return rule_set
    document = {**rule_set.document, "initial_balance": money_text(minor_units, rule_set.digits)}
    return replace(rule_set, document=document, initial_balance=minor_units)


def warnings_by_path(rule_set: RuleSet) -> dict[str, list[str]]:
    """Return what is odd about a rule set, by the path of the field that it concerns."""
    found: dict[str, list[str]] = {}
    for path, text in rule_set.notes:
        found.setdefault(path, []).append(text)
    return found


def _seconds(reader: Reader, key: str, default: int) -> float:
    seconds = reader.integer(key, default, least=1)
    if seconds > _LONG:
        reader.warn(key, f"verdicts would rest on data that is up to {seconds:,} seconds old")
    return float(seconds)


def _currency(reader: Reader) -> str:
    value = reader.get("currency")
    if value is not MISSING and not (isinstance(value, str) and re.fullmatch(r"[A-Z]{3,5}", value)):
        reader.error("currency", f"must be a currency code like USD, is {shown(value)}")
    return str(value)


def _reset(reader: Reader) -> Reset:
    value = reader.get("reset")
    if value is MISSING:
        return Reset(time(), "UTC")
    inner = reader.inner("reset", value)
    inner.only({"time", "zone"})
    wall, zone = inner.wall_time("time") or time(), inner.zone("zone")
    warn_of_wall_time(inner, "time", wall, zone)
    return Reset(wall, zone)


def _trading_week(reader: Reader) -> frozenset[int]:
    value = reader.get("trading_week", list(WEEKDAYS[:5]))
    if not isinstance(value, list) or not value:
        reader.error("trading_week", f"must be a list of days, is {shown(value)}")
        return frozenset()
    for number, day in enumerate(value):
        if day not in WEEKDAYS:
            reader.error(f"trading_week[{number}]", f"must be one of {', '.join(WEEKDAYS)}, is {shown(day)}")
        elif day in value[:number]:
            reader.warn(f"trading_week[{number}]", f"{day} stands in the list already")
    return frozenset(WEEKDAYS.index(day) for day in value if day in WEEKDAYS)


def _warnings_of(reader: Reader) -> tuple[tuple[Step, ...], Step]:
    noted = len(reader.problems.errors)
    clear_below = reader.decimal("clear_below", "0.75")
    clear_read = len(reader.problems.errors) == noted
    steps, sound = _steps(reader, reader.get("warn_at", ["0.80", "0.90", "0.95"]))
    if any(not 0 < share <= 1 for share in steps):
        odd = next(share for share in steps if not 0 < share <= 1)
        hint = f'; for {odd:f}% write "{odd / 100:f}"' if 1 < odd <= 100 else ""
        reader.error("warn_at", f"every step must be above 0 and at most 1, one is {odd:f}{hint}")
    elif any(later <= earlier for earlier, later in pairwise(steps)):
        reader.error("warn_at", "the steps must ascend")
    elif sound:
        _odd_steps(reader, steps)
    if clear_below <= 0:
        reader.error("clear_below", f"must be above zero, is {clear_below:f}")
    elif clear_read and steps and clear_below >= steps[0]:
        reader.error("clear_below", f"must be below the first step of warn_at ({steps[0]:f}), is {clear_below:f}")
    return tuple(step(share) for share in steps), step(clear_below)


def _steps(reader: Reader, value: object) -> tuple[list[Decimal], bool]:
    """The steps that are numbers, and whether all are: what is none is told, and no stand-in for it is judged."""
    noted = len(reader.problems.errors)
    steps: list[Decimal] = []
    if isinstance(value, list):
        for number, share in enumerate(value[:100]):
            before = len(reader.problems.errors)
            read = reader.decimal_of(f"warn_at[{number}]", share)
            steps += [read] if len(reader.problems.errors) == before else []
        if len(value) > 20:
            reader.error("warn_at", f"has {len(value)} steps; at most 20")
    else:
        reader.error("warn_at", f"must be a list of shares, is {shown(value)}")
    return steps, len(reader.problems.errors) == noted


def _odd_steps(reader: Reader, steps: list[Decimal]) -> None:
    if not steps:
        reader.warn("warn_at", "is empty: nobody is warned before a breach")
    elif steps[-1] == 1:
        reader.warn("warn_at", "a step of 1 is the limit itself: that warning comes with the breach, or just before it")
    if steps and steps[0] < Decimal("0.5"):
        reader.warn(
            "warn_at", f"warns from {(steps[0] * 100).normalize():f}% of a limit on: most accounts would stand warned"
        )


def _rules(reader: Reader, digits: int) -> tuple[tuple[LossRule, ...], tuple[OtherRule, ...]]:
    value = reader.get("rules")
    if not isinstance(value, list):
        if value is not MISSING:
            reader.error("rules", f"must be a list, is {shown(value)}")
        return (), ()
    if len(value) > _MOST_RULES:
        reader.error("rules", f"has {len(value)} rules; at most {_MOST_RULES}")
        return (), ()
    found = [compile_rule(reader.inner(f"rules[{index}]", entry), index, digits) for index, entry in enumerate(value)]
    losses = tuple(rule for rule in found if isinstance(rule, LossRule))
    return losses, tuple(rule for rule in found if isinstance(rule, OtherRule))

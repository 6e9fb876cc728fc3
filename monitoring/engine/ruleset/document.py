"""Reads the rule set's document whole and says everything that is wrong with it at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from monitoring.engine.money import minor_units
from monitoring.engine.ruleset import others
from monitoring.engine.ruleset.model import OPERATORS, Amount, LossRule, RuleSet, Step, amount_text
from monitoring.engine.ruleset.reader import MISSING, Reader
from monitoring.engine.trading_day import WEEKDAYS, Reset

_KEYS = {
    "version", "currency", "initial_balance", "reset", "trading_week", "count_credit", "balance_operations",
    "warn_at", "clear_below", "stale_after", "fresh_for", "rules",
}  # fmt: skip
_REFERENCES = ("day_start_balance", "day_start_equity", "day_start_higher", "initial", "intraday_peak_equity")
_HIGH_WATER = ("equity_intraday", "balance_closed", "balance_eod", "equity_eod", "higher_eod")
_MEASURED = ("equity", "balance", "lower")
_ON_PAYOUT = ("shift", "unchanged", "lock_at_initial", "reset")
_LOSS_KEYS = {"rule", "amount", "measured", "operator", "consequence"}


class RuleSetError(ValueError):
    """A rule set that cannot be used; `errors` lists (path, message)."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path or 'rule set'}: {message}" for path, message in errors))
        self.errors = errors


def parse_rule_set(document: Mapping[str, object], digits: int = 2) -> RuleSet:
    """Validate and compile a rule set; raises RuleSetError naming every path that is wrong."""
    errors: list[tuple[str, str]] = []
    warnings: list[str] = []
    reader = Reader(document, "", errors)
    reader.only(_KEYS)
    initial = reader.decimal("initial_balance", MISSING)
    if initial <= 0:
        reader.error("initial_balance", "must be above zero")
    warn_at, clear_below = _warnings_of(reader)
    loss_rules, pending = _rules(reader, digits, warnings)
    rule_set = RuleSet(
        version=reader.integer("version", least=1),
        document=document,
        currency=_currency(reader),
        digits=digits,
        initial_balance=minor_units(initial, digits),
        reset=_reset(reader, warnings),
        trading_week=_trading_week(reader),
        count_credit=reader.flag("count_credit", default=False),
        adjust=reader.choice("balance_operations", ("adjust", "ignore"), "adjust") == "adjust",
        warn_at=warn_at,
        clear_below=clear_below,
        stale_after=float(reader.integer("stale_after", 30, least=1)),
        fresh_for=float(reader.integer("fresh_for", 60, least=1)),
        loss_rules=loss_rules,
        pending_rules=pending,
        warnings=tuple(warnings),
    )
    if errors:
        raise RuleSetError(errors)
    return rule_set


def _currency(reader: Reader) -> str:
    value = reader.get("currency")
    if value is not MISSING and not (isinstance(value, str) and re.fullmatch(r"[A-Z]{3,5}", value)):
        reader.error("currency", f"must be a currency code like USD, is {value!r}")
    return str(value)


def _reset(reader: Reader, warnings: list[str]) -> Reset:
    value = reader.get("reset")
    if value is MISSING:
        return Reset(reader_time_default(), "UTC")
    inner = Reader(value, "reset", reader.errors)
    inner.only({"time", "zone"})
    return Reset(inner.wall_time("time"), inner.zone("zone", warnings))


def reader_time_default() -> Any:
    """Return midnight, the placeholder of a reset that is missing (the document is refused anyway)."""
    return Reader({"time": "00:00"}, "", []).wall_time("time")


def _trading_week(reader: Reader) -> frozenset[int]:
    value = reader.get("trading_week", list(WEEKDAYS[:5]))
    if not isinstance(value, list) or not value:
        reader.error("trading_week", f"must be a list of days, is {value!r}")
        return frozenset()
    for number, day in enumerate(value):
        if day not in WEEKDAYS:
            reader.error(f"trading_week[{number}]", f"must be one of {', '.join(WEEKDAYS)}, is {day!r}")
    return frozenset(WEEKDAYS.index(day) for day in value if day in WEEKDAYS)


def _warnings_of(reader: Reader) -> tuple[tuple[Step, ...], Step]:
    value = reader.get("warn_at", ["0.80", "0.90", "0.95"])
    steps: list[Decimal] = []
    if isinstance(value, list):
        steps = [reader.decimal_of(f"warn_at[{number}]", step) for number, step in enumerate(value)]
    else:
        reader.error("warn_at", f"must be a list of shares, is {value!r}")
    clear_below = reader.decimal("clear_below", "0.75")
    if any(not 0 < step <= 1 for step in steps):
        reader.error("warn_at", "every step must be above 0 and at most 1")
    if any(later <= earlier for earlier, later in pairwise(steps)):
        reader.error("warn_at", "the steps must ascend")
    if clear_below <= 0:
        reader.error("clear_below", "must be above zero")
    elif steps and clear_below >= steps[0]:
        reader.error("clear_below", f"must be below the first step of warn_at ({steps[0]}), is {clear_below}")
    return tuple(_step(step) for step in steps), _step(clear_below)


def _step(value: Decimal) -> Step:
    return Step(*value.as_integer_ratio())


def _rules(
    reader: Reader, digits: int, warnings: list[str]
) -> tuple[tuple[LossRule, ...], tuple[Mapping[str, object], ...]]:
    value = reader.get("rules")
    if not isinstance(value, list):
        if value is not MISSING:
            reader.error("rules", f"must be a list, is {value!r}")
        return (), ()
    losses: list[LossRule] = []
    pending: list[Mapping[str, object]] = []
    for index, entry in enumerate(value):
        rule = Reader(entry, f"rules[{index}]", reader.errors)
        name = rule.choice("rule", ("daily_loss", "max_loss", *others.NAMES)) if isinstance(entry, Mapping) else ""
        if name == "daily_loss":
            losses.append(_daily_loss(rule, index, digits))
        elif name == "max_loss":
            losses.append(_max_loss(rule, index, digits))
        elif name:
            others.check(rule, name, warnings)
            pending.append(rule.values)
    return tuple(losses), tuple(pending)


def _daily_loss(reader: Reader, index: int, digits: int) -> LossRule:
    reader.only(_LOSS_KEYS | {"reference"})
    return LossRule(
        index=index,
        rule="daily_loss",
        amount=_amount(reader, ("initial", "reference"), digits),
        measured=reader.choice("measured", _MEASURED, "equity"),
        operator=_operator(reader),
        consequence=reader.choice("consequence", ("fail", "pause")),
        reference=reader.choice("reference", _REFERENCES),
    )


def _max_loss(reader: Reader, index: int, digits: int) -> LossRule:
    trailing = reader.choice("mode", ("static", "trailing")) == "trailing"
    reader.only(_LOSS_KEYS | {"mode", "lock", "on_payout"} | ({"high_water"} if trailing else set()))
    return LossRule(
        index=index,
        rule="max_loss",
        amount=_amount(reader, ("initial", "high_water") if trailing else ("initial",), digits),
        measured=reader.choice("measured", _MEASURED, "equity"),
        operator=_operator(reader),
        consequence=reader.choice("consequence", ("fail", "pause")),
        mode="trailing" if trailing else "static",
        high_water=reader.choice("high_water", _HIGH_WATER) if trailing else "",
        lock=_lock(reader, digits),
        on_payout=reader.choice("on_payout", _ON_PAYOUT, "shift"),
    )


def _operator(reader: Reader) -> str:
    if "operator" not in reader.values:
        reader.error("operator", 'operator is missing: write "<" (falls below) or "<=" (falls to or below)')
        return "<"
    return reader.choice("operator", OPERATORS)


def _lock(reader: Reader, digits: int) -> int | None:
    value = reader.get("lock", None)
    if value is None or value == "none":
        return None
    lock = Reader(value, reader.at("lock"), reader.errors)
    lock.only({"at", "offset"})
    lock.choice("at", ("initial",))
    return minor_units(lock.decimal("offset", "0"), digits)


def _amount(reader: Reader, bases: tuple[str, ...], digits: int) -> Amount:
    value = reader.get("amount")
    if value is MISSING:
        return Amount(0, 1, None, "")
    amount = Reader(value, reader.at("amount"), reader.errors)
    if "fixed" in amount.values:
        amount.only({"fixed"})
        fixed = amount.decimal("fixed")
        if fixed <= 0:
            amount.error("fixed", "must be above zero")
        numerator, denominator = fixed.as_integer_ratio()  # not scaleb, nor `/` below: they round to 28 digits
        return Amount(numerator * 10**digits, denominator, None, amount_text(fixed, None))
    amount.only({"percent", "of"})
    percent = amount.decimal("percent")
    if not 0 < percent <= 100:
        amount.error("percent", f"must be above 0 and at most 100, is {percent}")
    of = amount.choice("of", bases)
    numerator, denominator = percent.as_integer_ratio()
    return Amount(numerator, denominator * 100, of, amount_text(percent, of))

"""Compiles the two loss rules, and any rule of a document by its name."""

from __future__ import annotations

from decimal import Decimal

from monitoring.engine.money import minor_units
from monitoring.engine.ruleset import others
from monitoring.engine.ruleset.amounts import loss_amount, money
from monitoring.engine.ruleset.model import LossRule, OtherRule
from monitoring.engine.ruleset.reader import Reader
from monitoring.engine.ruleset.sentences import OPERATORS

NAMES = ("daily_loss", "max_loss", *others.NAMES)
_REFERENCES = ("day_start_balance", "day_start_equity", "day_start_higher", "initial", "intraday_peak_equity")
_HIGH_WATER = ("equity_intraday", "balance_closed", "balance_eod", "equity_eod", "higher_eod")
_MEASURED = ("equity", "balance", "lower")
_ON_PAYOUT = ("shift", "unchanged", "lock_at_initial", "reset")
_LOSS_KEYS = {"rule", "amount", "measured", "operator", "consequence"}


def compile_rule(reader: Reader, index: int, digits: int) -> LossRule | OtherRule | None:
    """Compile one entry of `rules`; None for one of which not even the name is right."""
    if not reader.is_object:
        return None
    noted = len(reader.problems.errors)
    name = reader.choice("rule", NAMES)
    if len(reader.problems.errors) > noted:
        return None
    if name == "daily_loss":
        return _daily_loss(reader, index, digits)
    return _max_loss(reader, index, digits) if name == "max_loss" else others.compile_other(reader, name, index, digits)


def _daily_loss(reader: Reader, index: int, digits: int) -> LossRule:
    reader.only(_LOSS_KEYS | {"reference"})
    return LossRule(
        index=index,
        rule="daily_loss",
        amount=loss_amount(reader, ("initial", "reference"), digits),
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
        amount=loss_amount(reader, ("initial", "high_water") if trailing else ("initial",), digits),
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
    lock = reader.inner("lock", value)
    lock.only({"at", "offset"})
    lock.choice("at", ("initial",))
    offset = money(lock, "offset", digits, signed=True) if "offset" in lock.values else Decimal(0)
    return minor_units(offset, digits)

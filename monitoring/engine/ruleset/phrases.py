"""The keys of a rule set's document and their values in words, for people who compare two versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from monitoring.engine.ruleset.losses import compile_rule
from monitoring.engine.ruleset.model import LossRule
from monitoring.engine.ruleset.reader import Problems, Reader
from monitoring.engine.ruleset.sentences import (
    CONSEQUENCES,
    DAYS,
    HIGH_WATER,
    MEASURED,
    OPERATORS,
    REFERENCES,
    days_words,
    loss_sentence,
    other_sentence,
)
from monitoring.engine.trading_day import WEEKDAYS

LABELS = {
    "currency": "currency",
    "initial_balance": "initial balance",
    "reset": "start of the trading day",
    "trading_week": "trading week",
    "count_credit": "credit counts as equity",
    "balance_operations": "balance operations",
    "warn_at": "warnings",
    "clear_below": "a warning ends below",
    "stale_after": "data is stale after",
    "fresh_for": "at a reset, data counts as fresh for",
    "rules": "rules",
    "amount": "amount",
    "reference": "counted from",
    "measured": "measured by",
    "operator": "breached when the measured value",
    "consequence": "consequence",
    "outside": "consequence",
    "mode": "mode",
    "high_water": "trails",
    "lock": "lock of the floor",
    "on_payout": "on a payout",
    "requires_flat": "all positions must be closed",
    "days": "days",
    "counts": "a day counts when",
    "threshold": "threshold",
    "from": "counted from",
    "unit": "kind of days",
    "lots": "lots",
    "count": "how lots are counted",
    "positions": "positions",
    "allow": "allowed symbols",
    "deny": "denied symbols",
    "zone": "time zone",
    "windows": "windows",
    "day": "day",
    "time": "time",
    "warn_minutes": "warning before",
    "before_minutes": "before the news",
    "after_minutes": "after the news",
    "impact": "impact",
    "scope": "affected symbols",
    "exempt_if_opened_before_hours": "closings do not count if opened before the news by",
    "within_seconds": "time to set a stop",
    "best_day_share": "share of the best day",
    "of": "total",
    "allowed": "soft breaches allowed",
    "window_days": "counted within",
}
_WORDS: dict[str, dict[str, str]] = {
    "operator": OPERATORS,
    "reference": REFERENCES,
    "measured": MEASURED,
    "high_water": HIGH_WATER,
    "consequence": CONSEQUENCES,
    "outside": CONSEQUENCES,
    "day": dict(zip(WEEKDAYS, DAYS, strict=True)),
    "from": {"created": "the start of the challenge", "first_trade": "the first position opened"},
    "unit": {"calendar": "calendar days", "trading": "trading days"},
    "count": {"gross": "hedged legs in full", "net": "buys and sells of a symbol against each other"},
    "balance_operations": {"adjust": "move what a loss is counted from", "ignore": "move nothing"},
}
_UNITS = {
    "stale_after": "seconds", "fresh_for": "seconds", "within_seconds": "seconds", "warn_minutes": "minutes",
    "before_minutes": "minutes", "after_minutes": "minutes", "window_days": "days",
    "exempt_if_opened_before_hours": "hours",
}  # fmt: skip
_SHARES = {"clear_below", "best_day_share", "threshold"}
_OF = {
    "initial": "the initial balance",
    "reference": "what the loss is counted from",
    "high_water": "the highest value",
}


def value_words(key: str, value: Any) -> str:
    """Return a value of the document as people say it; what is not valid is shown as it is written."""
    try:
        said = _said(key, value)
    except (ValueError, KeyError, TypeError, InvalidOperation):
        said = None
    return _plain(value) if said is None else said


def entry_words(entry: Any) -> str:
    """Return a rule's sentence; what is no valid rule is shown as it is written."""
    problems = Problems()
    rule = compile_rule(Reader(entry, "", problems), 0, 2)
    if rule is None or problems.errors:
        return _plain(entry)
    return loss_sentence(rule, 2) if isinstance(rule, LossRule) else other_sentence(rule)


def _said(key: str, value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, str):
        return _text(key, value)
    if isinstance(value, int) and key in _UNITS:
        unit = _UNITS[key]
        return f"1 {unit[:-1]}" if value == 1 else f"{value:,} {unit}"
    if isinstance(value, list):
        return _list(key, value)
    return _object(key, value) if isinstance(value, Mapping) else None


def _text(key: str, value: str) -> str | None:
    if key in _SHARES:
        return _percent(value)
    if key == "lots":
        return f"{Decimal(value):,f} lots"
    if key == "initial_balance":
        return _money(value)
    return _WORDS.get(key, {}).get(value, value) or None


def _list(key: str, value: list[Any]) -> str | None:
    if key == "warn_at":
        return "at " + ", ".join(_percent(step) for step in value) if value else "none"
    if key == "windows":
        return "; ".join(_window(window) for window in value) or "none"
    if key in {"days", "trading_week"}:
        return days_words({WEEKDAYS.index(day) for day in value}) or "none"
    return ", ".join(value) or "none"


def _object(key: str, value: Mapping[str, Any]) -> str | None:
    if key == "amount" and set(value) == {"fixed"}:
        return _money(value["fixed"])
    if key == "amount" and set(value) == {"percent", "of"}:
        return f"{Decimal(value['percent']):f}% of {_OF[value['of']]}"
    if key == "lock" and set(value) == {"at", "offset"} and value["at"] == "initial":
        offset = Decimal(value["offset"])
        sign = "plus" if offset > 0 else "less"
        return f"at the initial balance {sign} {_money(str(abs(offset)))}" if offset else "at the initial balance"
    if key == "reset" and set(value) == {"time", "zone"}:
        return f"{value['time']} {value['zone']}"
    return None


def _window(window: Mapping[str, Any]) -> str:
    if set(window) != {"days", "from", "to"}:
        raise ValueError(window)
    return f"{days_words({WEEKDAYS.index(day) for day in window['days']})} {window['from']} to {window['to']}"


def _percent(text: str) -> str:
    number = Decimal(text) * 100
    return f"{number.normalize():f}%"


def _money(text: str) -> str:
    number = Decimal(text)
    return f"{number:,f}" if number != round(number, 2) else f"{number:,.2f}"


def _plain(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 300 else f"{text[:300]}…"

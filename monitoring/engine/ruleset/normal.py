"""A rule set's document in its one normal form: two documents that mean the same have the same."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from monitoring.engine.ruleset.patch import rule_name
from monitoring.engine.trading_day import WEEKDAYS

_DEFAULTS: dict[str, Any] = {
    "trading_week": list(WEEKDAYS[:5]),
    "count_credit": False,
    "balance_operations": "adjust",
    "warn_at": ["0.8", "0.9", "0.95"],
    "clear_below": "0.75",
    "stale_after": 30,
    "fresh_for": 60,
}
_RULE_DEFAULTS: dict[str, dict[str, Any]] = {
    "daily_loss": {"measured": "equity"},
    "max_loss": {"measured": "equity", "lock": None, "on_payout": "shift"},
    "profit_target": {"requires_flat": False},
    "min_trading_days": {"threshold": None},
    "time_limit": {"consequence": "fail"},
    "max_lots_per_position": {"consequence": "flag"},
    "max_lots_total": {"consequence": "flag"},
    "max_positions": {"consequence": "flag"},
    "symbols": {"allow": [], "deny": [], "consequence": "flag"},
    "trading_hours": {"outside": "flag"},
    "flat_by": {"warn_minutes": 0, "consequence": "close"},
    "news_window": {
        "impact": ["high"],
        "scope": "currency",
        "exempt_if_opened_before_hours": None,
        "consequence": "flag",
    },
    "stop_loss_required": {"consequence": "flag"},
    "consistency": {"consequence": "delay"},
    "inactivity": {"consequence": "fail"},
    "soft_breaches": {"window_days": None, "consequence": "fail"},
}
_DECIMALS = {"percent", "fixed", "lots", "threshold", "best_day_share", "clear_below", "initial_balance", "offset"}
_TIMES = {"time", "from", "to"}
_DAYS = {"trading_week", "days"}
_NAMES = {"allow", "deny"}
_IMPACTS = ("high", "medium", "low")


def normal(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with defaults written out, decimals and lists in one form; what is invalid stays as it is."""
    found = {key: _value(key, value) for key, value in {**_DEFAULTS, **document}.items() if key != "rules"}
    rules = document.get("rules")
    if "rules" in document:
        found["rules"] = [normal_rule(entry) for entry in rules] if isinstance(rules, list) else rules
    return found


def normal_rule(entry: Any) -> Any:
    """Return one rule's entry in its normal form."""
    if not isinstance(entry, Mapping):
        return entry
    defaults = _RULE_DEFAULTS.get(rule_name(entry), {})
    return {key: _value(key, value) for key, value in {**defaults, **entry}.items()}


def _value(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        if key == "lock":
            value = {"offset": "0", **value}
        return {inner: _value(inner, one) for inner, one in value.items()}
    if isinstance(value, list):
        return _list(key, value)
    if isinstance(value, str):
        if key == "lock" and value == "none":
            return None
        if key in _DECIMALS:
            return _decimal(value)
        if key in _TIMES and len(value) == 8 and value.endswith(":00"):
            return value[:5]
    return value


def _list(key: str, value: list[Any]) -> list[Any]:
    if key == "warn_at":
        return [_decimal(step) if isinstance(step, str) else step for step in value]
    if key == "windows":
        return [_value("window", window) for window in value]
    if not all(isinstance(word, str) for word in value):
        return value
    if key in _NAMES:
        return sorted({name.upper() for name in value})
    order = WEEKDAYS if key in _DAYS else _IMPACTS if key == "impact" else ()
    if value and set(value) <= set(order):
        return sorted(set(value), key=order.index)
    return value


def _decimal(text: str) -> str:
    try:
        number = Decimal(text) if len(text) <= 100 else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or abs(number.adjusted()) > 18:
        return text
    plain = f"{number:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain

"""Shapes of the rules of section 6: checked and kept, judged when their issue is built."""

from __future__ import annotations

from monitoring.engine.ruleset.reader import Reader
from monitoring.engine.trading_day import WEEKDAYS

CONSEQUENCES = ("fail", "pause", "close", "flag", "delay")
_KEYS: dict[str, tuple[frozenset[str], frozenset[str]]] = {  # name: (required, optional)
    "profit_target": (frozenset({"amount"}), frozenset({"requires_flat"})),
    "min_trading_days": (frozenset({"days", "counts"}), frozenset({"threshold"})),
    "time_limit": (frozenset({"days", "from", "unit"}), frozenset({"consequence"})),
    "max_lots_per_position": (frozenset({"lots"}), frozenset({"consequence"})),
    "max_lots_total": (frozenset({"lots", "count"}), frozenset({"consequence"})),
    "max_positions": (frozenset({"positions"}), frozenset({"consequence"})),
    "symbols": (frozenset(), frozenset({"allow", "deny", "consequence"})),
    "trading_hours": (frozenset({"zone", "windows"}), frozenset({"outside"})),
    "flat_by": (frozenset({"day", "time", "zone"}), frozenset({"warn_minutes", "consequence"})),
    "news_window": (
        frozenset({"before_minutes", "after_minutes"}),
        frozenset({"impact", "scope", "exempt_if_opened_before_hours", "consequence"}),
    ),
    "stop_loss_required": (frozenset({"within_seconds"}), frozenset({"consequence"})),
    "consistency": (frozenset({"best_day_share", "of"}), frozenset({"consequence"})),
    "inactivity": (frozenset({"days"}), frozenset({"consequence"})),
    "soft_breaches": (frozenset({"allowed"}), frozenset({"window_days", "consequence"})),
}
_CHOICES = {
    "counts": ("opened", "opened_and_closed", "profit_day", "moved_day"),
    "unit": ("calendar", "trading"),
    "count": ("gross", "net"),
    "day": WEEKDAYS,
    "consequence": CONSEQUENCES,
    "outside": CONSEQUENCES,
    "of": ("net", "positive", "absolute"),
}
NAMES = tuple(_KEYS)


def check(reader: Reader, name: str, warnings: list[str]) -> None:
    """Check one such rule's keys and values; problems go into the reader's errors."""
    required, optional = _KEYS[name]
    reader.only({"rule"} | required | optional)
    for key in sorted(required):
        reader.get(key)
    for key in reader.values:
        if key in required | optional:
            _value(reader, name, key, warnings)


def _value(reader: Reader, name: str, key: str, warnings: list[str]) -> None:
    if key == "from":
        reader.choice(key, ("created", "first_trade"))
    elif key in _CHOICES:
        reader.choice(key, _CHOICES[key])
    elif key in {"lots", "threshold", "best_day_share"}:
        if reader.decimal(key) <= 0:
            reader.error(key, "must be above zero")
    elif key in {"days", "positions", "within_seconds"}:
        reader.integer(key, least=1)
    elif key in {"before_minutes", "after_minutes", "warn_minutes", "allowed", "window_days"}:
        reader.integer(key)
    elif key == "zone":
        reader.zone(key, warnings)
    elif key == "time":
        reader.wall_time(key)
    elif key == "windows":
        _windows(reader)
    elif key in {"allow", "deny", "impact"}:
        words = reader.values[key]
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            reader.error(key, "must be a list of words")
    elif key == "requires_flat":
        reader.flag(key)
    elif key == "amount":
        _target_amount(reader)


def _windows(reader: Reader) -> None:
    windows = reader.values["windows"]
    if not isinstance(windows, list):
        reader.error("windows", "must be a list")
        return
    for number, value in enumerate(windows):
        window = Reader(value, reader.at(f"windows[{number}]"), reader.errors)
        window.only({"days", "from", "to"})
        days = window.get("days")
        if not isinstance(days, list) or any(day not in WEEKDAYS for day in days):
            window.error("days", f"must be a list of {', '.join(WEEKDAYS)}")
        window.wall_time("from")
        if window.values.get("to") != "24:00":  # the day's end; midnight of its start is "00:00"
            window.wall_time("to")


def _target_amount(reader: Reader) -> None:
    amount = Reader(reader.values["amount"], reader.at("amount"), reader.errors)
    if "fixed" in amount.values:
        amount.only({"fixed"})
        if amount.decimal("fixed") <= 0:
            amount.error("fixed", "must be above zero")
        return
    amount.only({"percent", "of"})
    if not 0 < amount.decimal("percent") <= 1000:
        amount.error("percent", "must be above 0")
    amount.choice("of", ("initial",))

"""The rules that are not judged yet as sentences of the rulebook, and the words of states and events (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

OPERATOR_WORDS = {"<": "falls below", "<=": "falls to or below"}
STATE_WORDS = {
    "ok": "Within its limits",
    "warned": "Warned",
    "breached": "Breached",
    "paused": "Paused until the reset",
    "unknown": "No verdict",
    "review": "In review",
}
EVENT_WORDS = {
    "warned": "Warned",
    "stepped_up": "Warned again",
    "cleared": "Warning cleared",
    "breached": "Breached",
    "resumed": "Resumed",
    "target_reached": "Target reached",
    "violated": "Rule broken",
    "day_started": "Day started",
    "stale": "Data stale",
    "fresh": "Data fresh again",
    "refused": "Frame refused",
}
TITLES = {
    "daily_loss": "Daily loss",
    "max_loss": "Maximum loss",
    "profit_target": "Profit target",
    "min_trading_days": "Trading days",
    "time_limit": "Time limit",
    "max_lots_per_position": "Lots a position",
    "max_lots_total": "Lots in all",
    "max_positions": "Positions",
    "symbols": "Symbols",
    "trading_hours": "Trading hours",
    "flat_by": "Flat by",
    "news_window": "News",
    "stop_loss_required": "Stop loss",
    "consistency": "Consistency",
    "inactivity": "Inactivity",
    "soft_breaches": "Soft breaches",
}
_DAYS = {
    "mon": "Monday", "tue": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "fri": "Friday", "sat": "Saturday",
    "sun": "Sunday",
}  # fmt: skip
_CONSEQUENCES = {
    "fail": "Else the challenge fails.",
    "pause": "Else trading pauses until the next trading day.",
    "close": "Else the positions are closed.",
    "flag": "What breaks it is flagged.",
    "delay": "Else the payout is delayed.",
}
_COUNTS = {
    "opened": "a position is opened on it",
    "opened_and_closed": "a position is opened and closed on it",
    "profit_day": "it ends in profit",
    "moved_day": "the balance moves on it",
}
_OF = {"net": "net profit", "positive": "profit of the winning days", "absolute": "sum of all days' results"}
Document = Mapping[str, Any]


def sentence(rule: Document) -> str:
    """One rule of section 6 in plain words, its consequence included."""
    said = _SENTENCES[str(rule["rule"])](rule)
    consequence = _CONSEQUENCES.get(str(rule.get("consequence") or rule.get("outside") or ""), "")
    return f"{said} {consequence}".rstrip()


def title(rule: Document) -> str:
    """A rule's short name; two kinds of maximum loss are told apart."""
    name = str(rule["rule"])
    return f"{TITLES[name]}, {rule['mode']}" if name == "max_loss" else TITLES[name]


def _target(rule: Document) -> str:
    amount = rule["amount"]
    words = f"{Decimal(amount['fixed']):,f}" if "fixed" in amount else f"{amount['percent']}% of the initial balance"
    flat = ", with every position closed" if rule.get("requires_flat") else ""
    return f"Make a profit of {words}{flat}."


def _trading_days(rule: Document) -> str:
    least = f" by at least {rule['threshold']}" if rule.get("threshold") else ""
    return f"Trade on at least {rule['days']} days; a day counts when {_COUNTS[rule['counts']]}{least}."


def _time_limit(rule: Document) -> str:
    start = "the start of the challenge" if rule["from"] == "created" else "the first trade"
    return f"Reach the target within {rule['days']} {rule['unit']} days of {start}."


def _symbols(rule: Document) -> str:
    allow, deny = rule.get("allow") or [], rule.get("deny") or []
    parts = [f"Trade only {_list(allow)}."] if allow else []
    parts += [f"Do not trade {_list(deny)}."] if deny else []
    return " ".join(parts) or "Every symbol may be traded."


def _hours(rule: Document) -> str:
    windows = [
        f"{_list(_DAYS.get(day, day) for day in window.get('days', []))} {window.get('from')} to {window.get('to')}"
        for window in rule["windows"]
    ]
    return f"Trade only in these hours ({rule['zone']}): {'; '.join(windows)}."


def _news(rule: Document) -> str:
    impact = _list(rule.get("impact") or ["high"])
    return (
        f"Do not trade from {rule['before_minutes']} minutes before to {rule['after_minutes']} minutes after "
        f"news of {impact} impact."
    )


def _consistency(rule: Document) -> str:
    share = Decimal(str(rule["best_day_share"])) * 100
    return f"The best day makes at most {share.normalize():f}% of the {_OF[rule['of']]}."


def _soft(rule: Document) -> str:
    within = f" within {rule['window_days']} days" if rule.get("window_days") else ""
    return f"Up to {rule['allowed']} soft breaches{within} are forgiven."


def _list(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)


_SENTENCES: dict[str, Callable[[Document], str]] = {
    "profit_target": _target,
    "min_trading_days": _trading_days,
    "time_limit": _time_limit,
    "max_lots_per_position": lambda rule: f"No position above {rule['lots']} lots.",
    "max_lots_total": lambda rule: f"No more than {rule['lots']} lots open at once, counted {rule['count']}.",
    "max_positions": lambda rule: f"No more than {rule['positions']} positions open at once.",
    "symbols": _symbols,
    "trading_hours": _hours,
    "flat_by": lambda rule: f"Close every position by {_DAYS[rule['day']]} {rule['time']} ({rule['zone']}).",
    "news_window": _news,
    "stop_loss_required": lambda rule: f"Every position has a stop loss within {rule['within_seconds']} seconds.",
    "consistency": _consistency,
    "inactivity": lambda rule: f"Trade at least once in {rule['days']} days.",
    "soft_breaches": _soft,
}

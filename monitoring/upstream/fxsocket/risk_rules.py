"""A rule set in the words of the dialect's own risk rules (`upstream.md`, section 2), and never stricter than it. Pure.

The upstream refuses orders, so it can say what concerns an order by itself: lots, how many positions, symbols by raw
name, hours. What it counts otherwise than we do is left out and stays with RiskDesk alone:
- losses: it measures from a starting balance and a day that the dialect does not state, and ends at equality;
- `net` lots: hedged legs would count twice;
- hours in a zone that follows DST, or that differ by day: it has one pair of wall times, in UTC;
- `symbols` by `allow`: a name that cannot be normalised is no breach, so names are blocked and never allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from monitoring.engine.market import base_name
from monitoring.engine.ruleset import RuleSet
from monitoring.engine.ruleset.model import MaxLotsPerPosition, MaxLotsTotal, MaxPositions, Symbols, TradingHours
from monitoring.engine.trading_day import WEEKDAYS

LOT = 100_000_000
DAY = 86_400
UTC_NAMES = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "Universal"})
# What RiskDesk sets, or clears where its rules say nothing. The upstream's other rules stay as somebody made them.
MANAGED = (
    "max_lot_size", "max_total_lots", "max_open_positions", "allowed_symbols", "blocked_symbols", "trading_hours",
    "trading_days",
)  # fmt: skip

OTHERS = ("max_daily_loss_pct", "max_drawdown_pct", "drawdown_mode", "friday_close_minutes", "lock_on_breach")


def express(rule_set: RuleSet, table: Mapping[str, str], names: Iterable[str]) -> dict[str, Any]:
    """What of a rule set the upstream can be told, one entry for each of `MANAGED`; None: off.

    `table`: the server's raw names and their base names; `names`: every symbol of the server, by raw name.
    """
    per_position = [rule.lots for rule in rule_set.others if isinstance(rule, MaxLotsPerPosition)]
    total = [rule.lots for rule in rule_set.others if isinstance(rule, MaxLotsTotal) and rule.count == "gross"]
    positions = [rule.positions for rule in rule_set.others if isinstance(rule, MaxPositions)]
    hours, days = _hours([rule for rule in rule_set.others if isinstance(rule, TradingHours)])
    return {
        "max_lot_size": min(per_position) / LOT if per_position else None,
        "max_total_lots": min(total) / LOT if total else None,
        "max_open_positions": min(positions, default=None),
        "allowed_symbols": None,
        "blocked_symbols": _blocked([rule for rule in rule_set.others if isinstance(rule, Symbols)], table, names),
        "trading_hours": hours,
        "trading_days": days,
    }


def merged(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What to PUT: the rules that are there, ours in the place of theirs; what is off is left out."""
    kept = {name: there[name] for name in OTHERS if name in there}
    return {name: value for name, value in {**kept, **wanted}.items() if value is not None}


def agrees(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether the upstream has what we want already."""
    return all(_plain(there.get(name)) == _plain(value) for name, value in wanted.items())


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) and value else value or None


def _blocked(rules: list[Symbols], table: Mapping[str, str], names: Iterable[str]) -> list[str] | None:
    found = [
        raw for raw in names if any(_denied(rule, base_name(raw, table, rule.allow | rule.deny)) for rule in rules)
    ]
    return sorted(found) or None


def _denied(rule: Symbols, base: str | None) -> bool:
    return base is not None and (base in rule.deny or (bool(rule.allow) and base not in rule.allow))


def _hours(rules: list[TradingHours]) -> tuple[dict[str, str] | None, list[str] | None]:
    """One pair of wall times in UTC and the days that they hold on; (None, None) where that cannot say it."""
    spans = {(window.start, window.end) for rule in rules for window in rule.windows}
    if len(rules) != 1 or rules[0].zone not in UTC_NAMES or len(spans) != 1:
        return None, None
    [(start, end)] = spans
    end = end or DAY  # at midnight: the end of the same day
    days = frozenset(day for window in rules[0].windows for day in window.days)
    every_day = len(days) == len(WEEKDAYS)
    if start % 60 or end % 60 or (end <= start and not every_day):
        return None, None  # what runs over midnight belongs to the day before, which the upstream does not know
    whole = start == end or (start, end) == (0, DAY)
    clocks = None if whole else {"start": _clock(start), "end": _clock(end)}
    return clocks, None if every_day else [WEEKDAYS[day] for day in sorted(days)]


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"

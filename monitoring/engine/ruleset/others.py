"""Compiles the rules of section 6: every key checked, every default filled in (docs/rules.md)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from decimal import Decimal

from monitoring.engine.market import lot_units
from monitoring.engine.ruleset import model
from monitoring.engine.ruleset.amounts import share, target_amount
from monitoring.engine.ruleset.model import OtherRule
from monitoring.engine.ruleset.reader import Reader
from monitoring.engine.ruleset.seasons import warn_of_wall_time
from monitoring.engine.ruleset.symbols import base_names
from monitoring.engine.ruleset.windows import read_windows
from monitoring.engine.trading_day import WEEKDAYS

CONSEQUENCES = ("fail", "pause", "close", "flag", "delay")
IMPACTS = ("high", "medium", "low")
_SMALLEST_ORDER = Decimal("0.01")
_MOST_LOTS = 1_000_000
_MOST_SOFT = 1000  # soft breaches allowed: the date of each is kept with the account
_MOST_DAYS = 36_525  # a hundred years: beyond it no calendar date can be computed
_MOST_MINUTES = 7 * 24 * 60


def compile_other(reader: Reader, name: str, index: int, digits: int) -> OtherRule:
    """Compile one rule of section 6; what is wrong goes into the reader's problems."""
    return _COMPILERS[name](reader, index, digits)


def _profit_target(reader: Reader, index: int, digits: int) -> model.ProfitTarget:
    reader.only({"rule", "amount", "requires_flat"})
    return model.ProfitTarget(
        index=index,
        rule="profit_target",
        consequence="",
        amount=target_amount(reader, digits),
        requires_flat=reader.flag("requires_flat", default=False),
    )


def _min_trading_days(reader: Reader, index: int, digits: int) -> model.MinTradingDays:
    reader.only({"rule", "days", "counts", "threshold"})
    counts = reader.choice("counts", ("opened", "opened_and_closed", "profit_day", "moved_day"))
    threshold = None
    if counts in {"profit_day", "moved_day"}:
        if reader.values.get("threshold") is None:
            reader.error("threshold", f'{counts} needs a threshold, a share of the initial balance: "0.005" is 0.5%')
        else:
            threshold = share(reader, "threshold", "the initial balance")
    elif reader.values.get("threshold") is not None:
        share(reader, "threshold", "the initial balance")
        reader.warn("threshold", f"has no effect: days that count as {counts} need no profit")
    days = reader.integer("days", least=1, most=_MOST_DAYS)
    return model.MinTradingDays(
        index=index, rule="min_trading_days", consequence="", days=days, counts=counts, threshold=threshold
    )


def _time_limit(reader: Reader, index: int, digits: int) -> model.TimeLimit:
    reader.only({"rule", "days", "from", "unit", "consequence"})
    return model.TimeLimit(
        index=index,
        rule="time_limit",
        consequence=_consequence(reader, "fail", closes=False),
        days=reader.integer("days", least=1, most=_MOST_DAYS),
        start=reader.choice("from", ("created", "first_trade")),
        unit=reader.choice("unit", ("calendar", "trading")),
    )


def _max_lots_per_position(reader: Reader, index: int, digits: int) -> model.MaxLotsPerPosition:
    reader.only({"rule", "lots", "consequence"})
    return model.MaxLotsPerPosition(
        index=index, rule="max_lots_per_position", consequence=_consequence(reader, "flag"), lots=_lots(reader)
    )


def _max_lots_total(reader: Reader, index: int, digits: int) -> model.MaxLotsTotal:
    reader.only({"rule", "lots", "count", "consequence"})
    return model.MaxLotsTotal(
        index=index,
        rule="max_lots_total",
        consequence=_consequence(reader, "flag"),
        lots=_lots(reader),
        count=reader.choice("count", ("gross", "net")),
    )


def _max_positions(reader: Reader, index: int, digits: int) -> model.MaxPositions:
    reader.only({"rule", "positions", "consequence"})
    return model.MaxPositions(
        index=index,
        rule="max_positions",
        consequence=_consequence(reader, "flag"),
        positions=reader.integer("positions", least=1),
    )


def _symbols(reader: Reader, index: int, digits: int) -> model.Symbols:
    reader.only({"rule", "allow", "deny", "consequence"})
    allow, deny = base_names(reader, "allow"), base_names(reader, "deny")
    if not reader.values.get("allow") and not reader.values.get("deny"):
        reader.error("", "allow and deny are both empty: the rule says nothing; name a symbol, or take the rule out")
    for name in sorted(allow & deny):
        reader.warn("deny", f"{name} is in allow too; deny wins: it may not be traded")
    return model.Symbols(index=index, rule="symbols", consequence=_consequence(reader, "flag"), allow=allow, deny=deny)


def _trading_hours(reader: Reader, index: int, digits: int) -> model.TradingHours:
    reader.only({"rule", "zone", "windows", "outside"})
    zone = reader.zone("zone")
    return model.TradingHours(
        index=index,
        rule="trading_hours",
        consequence=reader.choice("outside", ("flag", "close"), "flag"),
        zone=zone,
        windows=read_windows(reader, zone),
    )


def _flat_by(reader: Reader, index: int, digits: int) -> model.FlatBy:
    reader.only({"rule", "day", "time", "zone", "warn_minutes", "consequence"})
    zone = reader.zone("zone")
    day = WEEKDAYS.index(reader.choice("day", WEEKDAYS))
    wall = reader.wall_time("time") or time()
    warn_of_wall_time(reader, "time", wall, zone, frozenset({day}))
    return model.FlatBy(
        index=index,
        rule="flat_by",
        consequence=_consequence(reader, "close"),
        day=day,
        time=wall,
        zone=zone,
        warn_minutes=reader.integer("warn_minutes", 0, most=_MOST_MINUTES - 1),
    )


def _news_window(reader: Reader, index: int, digits: int) -> model.NewsWindow:
    reader.only({
        "rule", "before_minutes", "after_minutes", "impact", "scope", "exempt_if_opened_before_hours", "consequence",
    })  # fmt: skip
    exempt = None
    if reader.values.get("exempt_if_opened_before_hours") is not None:
        exempt = reader.integer("exempt_if_opened_before_hours", most=24 * 366)
    noted = len(reader.problems.errors)
    before = reader.integer("before_minutes", most=_MOST_MINUTES)
    after = reader.integer("after_minutes", most=_MOST_MINUTES)
    sound = len(reader.problems.errors) == noted
    if before == after == 0 and sound:
        reader.warn("before_minutes", "the window is the very instant of the announcement, nothing before or after it")
    if max(before, after) > 24 * 60:
        reader.warn("before_minutes" if before >= after else "after_minutes", "the window is longer than a day")
    return model.NewsWindow(
        index=index,
        rule="news_window",
        consequence=_consequence(reader, "flag"),
        before_minutes=before,
        after_minutes=after,
        impact=_impact(reader),
        scope=reader.choice("scope", ("currency", "listed", "all"), "currency"),
        exempt_hours=exempt,
    )


def _impact(reader: Reader) -> frozenset[str]:
    words = reader.words("impact") if "impact" in reader.values else ["high"]
    for number, word in enumerate(words):
        if word not in IMPACTS:
            reader.error(f"impact[{number}]", f"must be one of {', '.join(IMPACTS)}, is {word!r:.60}")
    if reader.values.get("impact") == []:
        reader.error("impact", f"is empty: no announcement would count; name at least one of {', '.join(IMPACTS)}")
    return frozenset(words)


def _stop_loss_required(reader: Reader, index: int, digits: int) -> model.StopLossRequired:
    reader.only({"rule", "within_seconds", "consequence"})
    return model.StopLossRequired(
        index=index,
        rule="stop_loss_required",
        consequence=_consequence(reader, "flag"),
        within_seconds=reader.integer("within_seconds", least=1, most=_MOST_DAYS * 86_400),
    )


def _consistency(reader: Reader, index: int, digits: int) -> model.Consistency:
    reader.only({"rule", "best_day_share", "of", "consequence"})
    return model.Consistency(
        index=index,
        rule="consistency",
        consequence=_consequence(reader, "delay", closes=False),
        best_day_share=share(reader, "best_day_share", "the total"),
        of=reader.choice("of", ("net", "positive", "absolute")),
    )


def _inactivity(reader: Reader, index: int, digits: int) -> model.Inactivity:
    reader.only({"rule", "days", "consequence"})
    return model.Inactivity(
        index=index,
        rule="inactivity",
        consequence=_consequence(reader, "fail", closes=False),
        days=reader.integer("days", least=1, most=_MOST_DAYS),
    )


def _soft_breaches(reader: Reader, index: int, digits: int) -> model.SoftBreaches:
    reader.only({"rule", "allowed", "window_days", "consequence"})
    window = None
    if reader.values.get("window_days") is not None:
        window = reader.integer("window_days", least=1, most=_MOST_DAYS)
    return model.SoftBreaches(
        index=index,
        rule="soft_breaches",
        consequence=reader.choice("consequence", ("fail", "pause"), "fail"),
        allowed=reader.integer("allowed", most=_MOST_SOFT),
        window_days=window,
    )


def _consequence(reader: Reader, default: str, *, closes: bool = True) -> str:
    """Read a consequence; a rule about the whole account has no position that violates, so there is none to close."""
    chosen = reader.choice("consequence", CONSEQUENCES, default)
    if chosen == "close" and not closes:
        reader.warn("consequence", "close has no effect: no position violates this rule; it is told and nothing closed")
    return chosen


def _lots(reader: Reader) -> int:
    lots = reader.decimal("lots")
    if lots <= 0:
        reader.error("lots", f"must be above zero, is {lots:f}")
        return 1
    if lots > _MOST_LOTS:
        reader.error("lots", f"must be at most {_MOST_LOTS:,} lots, is {lots:,f}")
        return 1
    if lots != round(lots, 8):
        reader.error("lots", f"must have at most 8 decimals, is {lots:f}")
        return 1
    if lots < _SMALLEST_ORDER and "lots" in reader.values:
        reader.warn("lots", f"{lots:f} is less than the usual smallest order (0.01): every position would be above it")
    return lot_units(lots)


_COMPILERS: dict[str, Callable[[Reader, int, int], OtherRule]] = {
    "profit_target": _profit_target,
    "min_trading_days": _min_trading_days,
    "time_limit": _time_limit,
    "max_lots_per_position": _max_lots_per_position,
    "max_lots_total": _max_lots_total,
    "max_positions": _max_positions,
    "symbols": _symbols,
    "trading_hours": _trading_hours,
    "flat_by": _flat_by,
    "news_window": _news_window,
    "stop_loss_required": _stop_loss_required,
    "consistency": _consistency,
    "inactivity": _inactivity,
    "soft_breaches": _soft_breaches,
}
NAMES = tuple(_COMPILERS)

"""Every rule in plain words, its operator and its consequence included. Depends on the shapes by name only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from monitoring.engine.market import lots_text
from monitoring.engine.money import grouped

if TYPE_CHECKING:
    from monitoring.engine.ruleset import model

OPERATORS = {"<": "falls below", "<=": "falls to or below"}
TITLES = {
    "daily_loss": "Daily loss",
    "max_loss": "Maximum loss",
    "profit_target": "Profit target",
    "min_trading_days": "Minimum trading days",
    "time_limit": "Time limit",
    "max_lots_per_position": "Lots of a position",
    "max_lots_total": "Lots in all",
    "max_positions": "Open positions",
    "symbols": "Symbols",
    "trading_hours": "Trading hours",
    "flat_by": "Flat by",
    "news_window": "News",
    "stop_loss_required": "Stop loss",
    "consistency": "Consistency",
    "inactivity": "Inactivity",
    "soft_breaches": "Soft breaches",
}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
REFERENCES = {
    "day_start_balance": "the balance at the start of the day",
    "day_start_equity": "the equity at the start of the day",
    "day_start_higher": "the higher of balance and equity at the start of the day",
    "initial": "the initial balance",
    "intraday_peak_equity": "the day's highest equity",
}
HIGH_WATER = {
    "equity_intraday": "the highest equity so far",
    "balance_closed": "the highest closed balance so far",
    "balance_eod": "the highest balance at the end of a day",
    "equity_eod": "the highest equity at the end of a day",
    "higher_eod": "the highest balance or equity at the end of a day",
}
MEASURED = {"equity": "equity", "balance": "balance", "lower": "the lower of balance and equity"}
CONSEQUENCES = {
    "fail": "the challenge fails",
    "pause": "trading pauses until the next trading day",
    "close": "positions that violate are closed",
    "flag": "a flag goes to the review queue",
    "delay": "the pass or payout is delayed",
}
ON_PAYOUT = {
    "unchanged": " A payout leaves the floor where it is.",
    "lock_at_initial": " From the first payout on, the floor is the initial balance.",
    "reset": " After a payout, the highest value counts anew from the balance.",
}
COUNTS = {
    "opened": "a position is opened on it",
    "opened_and_closed": "a position is opened and closed, whole or in part, on it",
    "profit_day": "its closed profit is at or above",
    "moved_day": "its closed profit or loss is at or above",
}
TOTALS = {
    "net": "the net profit of all days",
    "positive": "the profit of all winning days",
    "absolute": "the sum of all days' profits and losses, each counted as positive",
}
SCOPES = {
    "currency": "symbols with the announcement's currency, and those listed with it",
    "listed": "the symbols listed with the announcement",
    "all": "every symbol",
}


def loss_sentence(rule: model.LossRule, digits: int, *, adjust: bool = True) -> str:
    """Say one loss rule, e.g. "The challenge fails when equity falls below …"; `adjust`: payouts move floors."""
    words = f"{MEASURED[rule.measured]} {OPERATORS[rule.operator]} {_floor_words(rule, digits)}"
    moves = adjust and (rule.mode == "trailing" or rule.on_payout == "lock_at_initial")
    on_payout = ON_PAYOUT.get(rule.on_payout, "") if moves else ""
    return f"{_capital(CONSEQUENCES[rule.consequence])} when {words}.{on_payout}"


def other_sentence(rule: model.OtherRule) -> str:
    """Say one rule of section 6."""
    return _SENTENCES[rule.rule](rule)


def title_of(entry: Mapping[str, Any]) -> str:
    """Return the short name of a rule by its entry in the document, e.g. "Maximum loss, trailing"."""
    name = str(entry.get("rule"))
    title = TITLES.get(name, name)
    return f"{title}, {entry['mode']}" if name == "max_loss" and isinstance(entry.get("mode"), str) else title


def share_text(step: model.Step) -> str:
    """Return an exact share as per cent: "0.5%"."""
    return f"{Decimal(step.numerator * 100) / Decimal(step.denominator):f}%"


def lots_words(units: int) -> str:
    """Return "10 lots", "1 lot", "0.50 lots"."""
    text = lots_text(units).removesuffix(".00")
    return f"{text} lot" if text == "1" else f"{text} lots"


def counted(number: int, noun: str) -> str:
    """Return "1 day", "4 days"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def ordinal(number: int) -> str:
    """Return "1st", "30th"."""
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def days_words(days: Iterable[int]) -> str:
    """Return "Monday to Friday" for neighbours, "Monday, Wednesday" else."""
    found = sorted(days)
    if found == list(range(7)):
        return "every day"
    if len(found) > 2 and found[-1] - found[0] == len(found) - 1:
        return f"{DAYS[found[0]]} to {DAYS[found[-1]]}"
    return ", ".join(DAYS[day] for day in found)


def clock(second: int) -> str:
    """Return seconds of the day as "08:00" (24:00 at its end)."""
    text = f"{second // 3600:02d}:{second // 60 % 60:02d}"
    return f"{text}:{second % 60:02d}" if second % 60 else text


def window_words(window: model.Window) -> str:
    """Return "Monday to Friday 08:00 to 22:00"."""
    until = f"{clock(window.end)} the day after" if window.end <= window.start else clock(window.end)
    return f"{days_words(window.days)} {clock(window.start)} to {until}"


def _floor_words(rule: model.LossRule, digits: int) -> str:
    if rule.rule == "daily_loss":
        return f"{REFERENCES[rule.reference]} less {rule.amount.text}"
    static = rule.mode == "static"
    words = f"{'the initial balance' if static else HIGH_WATER[rule.high_water]} less {rule.amount.text}"
    if rule.lock is None or (static and rule.lock >= 0):  # no static floor is above the initial balance
        return words
    offset = f" {'plus' if rule.lock > 0 else 'less'} {grouped(abs(rule.lock), digits)}" if rule.lock else ""
    return f"{words}, a floor that never rises above the initial balance{offset}"


def _when(rule: model.OtherRule, condition: str) -> str:
    return f"{_capital(CONSEQUENCES[rule.consequence])} when {condition}."


def _profit_target(rule: model.ProfitTarget) -> str:
    flat = ", with no position open" if rule.requires_flat else ""
    return f"The target is reached when closed profit is at or above {rule.amount.text}{flat}."


def _min_trading_days(rule: model.MinTradingDays) -> str:
    least = f" {share_text(rule.threshold)} of the initial balance" if rule.threshold else ""
    return f"At least {counted(rule.days, 'trading day')} must count; a day counts when {COUNTS[rule.counts]}{least}."


def _time_limit(rule: model.TimeLimit) -> str:
    start = "the start of the challenge" if rule.start == "created" else "the first position opened"
    day = f"{ordinal(rule.days)} {'calendar' if rule.unit == 'calendar' else 'trading'} day"
    return _when(rule, f"the {day} from {start} on, that day counted, ends without a pass")


def _max_lots_per_position(rule: model.MaxLotsPerPosition) -> str:
    lots = lots_words(rule.lots)
    return _when(rule, f"a position is above {lots}; exactly {lots} is allowed")


def _max_lots_total(rule: model.MaxLotsTotal) -> str:
    lots = lots_words(rule.lots)
    how = (
        "buys and sells of a symbol taken against each other" if rule.count == "net" else "hedged legs counted in full"
    )
    return _when(rule, f"all open positions together are above {lots} ({how}); exactly {lots} is allowed")


def _max_positions(rule: model.MaxPositions) -> str:
    return _when(rule, f"more than {counted(rule.positions, 'position')} {_are(rule.positions)} open")


def _symbols(rule: model.Symbols) -> str:
    conditions = []
    if rule.allow:
        conditions.append(f"in a symbol other than {_list(rule.allow - rule.deny)}")
    if rule.deny:
        conditions.append(f"in {_list(rule.deny)}")
    return _when(rule, f"a position is opened {', or '.join(conditions)}")


def _trading_hours(rule: model.TradingHours) -> str:
    windows = "; ".join(window_words(window) for window in rule.windows)
    return _when(
        rule,
        f"a position is opened outside these hours ({rule.zone}): {windows}; "
        "a window's start is inside, its end is not",
    )


def _flat_by(rule: model.FlatBy) -> str:
    moment = f"{DAYS[rule.day]} {clock(rule.time.hour * 3600 + rule.time.minute * 60 + rule.time.second)} ({rule.zone})"
    warned = ""
    if rule.warn_minutes:
        warned = f" {_capital(counted(rule.warn_minutes, 'minute'))} before, an account with open positions is warned."
    said = _when(rule, f"a position is open at {moment} or later that day")
    return f"{said} Before a holiday the last trading day counts, and an early close is the deadline.{warned}"


def _news_window(rule: model.NewsWindow) -> str:
    impact = " or ".join(word for word in ("high", "medium", "low") if word in rule.impact)
    said = _when(
        rule,
        f"an affected symbol is opened or closed from {counted(rule.before_minutes, 'minute')} before to "
        f"{counted(rule.after_minutes, 'minute')} after news of {impact} impact, both ends included "
        f"(affected: {SCOPES[rule.scope]})",
    )
    if rule.exempt_hours is None:
        return said
    hours = counted(rule.exempt_hours, "hour")
    return f"{said} Closing a position that was opened {hours} or more before the news does not count."


def _stop_loss_required(rule: model.StopLossRequired) -> str:
    seconds = counted(rule.within_seconds, "second")
    return _when(rule, f"a position has no stop loss later than {seconds} after it was opened")


def _consistency(rule: model.Consistency) -> str:
    share = share_text(rule.best_day_share)
    said = _when(rule, f"the best day is more than {share} of {TOTALS[rule.of]}; exactly {share} is allowed")
    return f"{said} It is not evaluated while that total is not above zero."


def _inactivity(rule: model.Inactivity) -> str:
    return _when(rule, f"no position has been opened for {counted(rule.days, 'calendar day')}")


def _soft_breaches(rule: model.SoftBreaches) -> str:
    within = ""
    if rule.window_days is not None:
        within = f" within {counted(rule.window_days, 'trading-day date')}"
    return _when(
        rule,
        f"the {ordinal(rule.allowed + 1)} soft breach (a flag or a pause) happens{within}; "
        f"{rule.allowed or 'none'} {_are(rule.allowed)} allowed",
    )


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _are(number: int) -> str:
    return "is" if number in {0, 1} else "are"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


_SENTENCES: dict[str, Callable[[Any], str]] = {
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

"""Worked examples of the limits on trading: hours, deadlines, news, stops, soft breaches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from monitoring.engine.events import Event, EventKind
from monitoring.engine.market import by_day, flat_by_deadline, local_instant
from monitoring.engine.messages import Holiday, Market, NewsEvent
from monitoring.engine.rules.examples.stage import (
    HOUR,
    MOMENT,
    MONDAY,
    SECOND,
    Stage,
    alone,
    bad,
    local,
    morning,
    verdict,
    what_follows,
)
from monitoring.engine.ruleset import RuleSet
from monitoring.engine.ruleset.model import FlatBy, NewsWindow, SoftBreaches, StopLossRequired, TradingHours
from monitoring.engine.ruleset.sentences import counted, ordinal

_DAY = timedelta(days=1)
_SYMBOL, _OTHER = "EURUSD", "GBPJPY"
_LOT = 10**8
_NEWS = datetime(2026, 6, 5, 12, 30, tzinfo=UTC)
_MOST = 60  # soft breaches that an example plays
_FLAG = {"rule": "max_lots_per_position", "lots": "1", "consequence": "flag"}


def _hours(rule_set: RuleSet, rule: TradingHours) -> list[str]:
    window = rule.windows[0]
    day = MONDAY + min(window.days) * _DAY
    opens = _at(day, window.start, rule.zone)
    closes = _at(day + (_DAY if window.end <= window.start else timedelta()), window.end, rule.zone)
    lines = []
    for at in (opens - SECOND, opens, closes - SECOND, closes):
        stage = Stage(rule_set, at - HOUR)
        said = verdict(stage.open(at, "p1", _SYMBOL, _LOT), rule.rule)
        lines.append(f"A position opened on {local(at, rule.zone)} ({rule.zone}): {said}.")
    return lines


def _at(day: date, second: int, zone: str) -> datetime:
    days, rest = divmod(second, 86_400)
    return local_instant(day + days * _DAY, time(rest // 3600, rest // 60 % 60, rest % 60), zone)


def _flat_by(rule_set: RuleSet, rule: FlatBy) -> list[str]:
    day = MONDAY + (7 + rule.day) * _DAY
    lines = []
    warned, late = _held_over(rule_set, rule, day, ())
    if warned is not None:
        lines.append(f"With a position open, the warning comes on {local(warned.at, rule.zone)} ({rule.zone}).")
    if late is None:
        return lines
    when = local(late.at, rule.zone)
    lines.append(f"A position that is open on {when} ({rule.zone}): not allowed: {what_follows(rule.consequence)}.")
    _, moved = _held_over(rule_set, rule, day, (Holiday(day=day, name="holiday"),))
    if moved is not None and moved.at < late.at:
        lines.append(f"If {day} is a holiday, the deadline is {local(moved.at, rule.zone)}.")
    return lines


def _held_over(
    rule_set: RuleSet, rule: FlatBy, day: date, holidays: tuple[Holiday, ...]
) -> tuple[Event | None, Event | None]:
    """The warning and the verdict on a position that is held over the deadline of a week."""
    week_before = local_instant(day - 6 * _DAY, time(), rule.zone)
    deadline = flat_by_deadline(rule.day, rule.time, rule.zone, rule_set.trading_week, by_day(holidays), week_before)
    if deadline is None:
        return None, None
    announced = deadline.at - timedelta(minutes=rule.warn_minutes)
    stage = Stage(rule_set, announced - 2 * HOUR)
    stage.market(Market(ts=stage.now, revision="example", holidays=holidays))
    stage.open(announced - HOUR, "p1", _SYMBOL, _LOT)
    events = stage.reach(announced) if announced < deadline.at else []
    warned = next((event for event in events if event.event is EventKind.WARNED), None)
    return warned, bad(stage.reach(deadline.at), rule.rule)


def _news(rule_set: RuleSet, rule: NewsWindow) -> list[str]:
    impact = next(word for word in ("high", "medium", "low") if word in rule.impact)
    before, after = timedelta(minutes=rule.before_minutes), timedelta(minutes=rule.after_minutes)
    news = NewsEvent(id="e1", at=_NEWS, currency="USD", impact=impact, title="Nonfarm Payrolls", symbols=(_SYMBOL,))
    lines = [f"US Nonfarm Payrolls, impact {impact}, {_clock(_NEWS)}, listed with {_SYMBOL}:"]
    for at in (_NEWS - before - SECOND, _NEWS - before, _NEWS + after, _NEWS + after + SECOND):
        said = verdict(_stage(rule_set, news, at).open(at, "p1", _SYMBOL, _LOT), rule.rule)
        lines.append(f"{_SYMBOL} opened at {_clock(at)}: {said}.")
    said = verdict(_stage(rule_set, news, _NEWS).open(_NEWS, "p1", _OTHER, _LOT), rule.rule)
    lines.append(f"{_OTHER} opened at {_clock(_NEWS)}: {said}.")
    if rule.exempt_hours is not None:
        for opened in (_NEWS - rule.exempt_hours * HOUR, _NEWS - rule.exempt_hours * HOUR + SECOND):
            stage = _stage(rule_set, news, min(opened, _NEWS - before - HOUR))
            stage.open(opened, "p1", _SYMBOL, _LOT)
            said = verdict(stage.close(max(opened, _NEWS) + MOMENT * bool(opened >= _NEWS), "p1"), rule.rule)
            when = "at the announcement" if opened < _NEWS else "at once"
            lines.append(f"{_SYMBOL} opened at {local(opened, 'UTC')} UTC and closed {when}: {said}.")
    return lines


def _stage(rule_set: RuleSet, news: NewsEvent, at: datetime) -> Stage:
    stage = Stage(rule_set, at - HOUR)
    stage.market(Market(ts=at - HOUR, revision="example", news=(news,)))
    return stage


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S} UTC"


def _stops(rule_set: RuleSet, rule: StopLossRequired) -> list[str]:
    seconds = counted(rule.within_seconds, "second")
    in_time, late = _stage_with_position(rule_set), _stage_with_position(rule_set)
    due = in_time.now + timedelta(seconds=rule.within_seconds)
    events = [*in_time.stop(due, "p1", 1.0), *in_time.reach(due + SECOND)]
    missed = [*late.reach(due), *late.reach(due + MOMENT)]
    return [
        f"A stop set {seconds} after the position was opened: {verdict(events, rule.rule)}.",
        f"No stop when that time is over: {verdict(missed, rule.rule)}.",
    ]


def _stage_with_position(rule_set: RuleSet) -> Stage:
    stage = Stage(rule_set, morning(rule_set))
    stage.open(stage.now + SECOND, "p1", _SYMBOL, _LOT)
    return stage


def _soft_breaches(rule_set: RuleSet, rule: SoftBreaches) -> list[str]:
    if rule.allowed > _MOST:
        return [f"The {ordinal(rule.allowed + 1)} flag or pause is one too many."]
    both = alone(rule_set, rule.index, _FLAG)
    stage = Stage(both, morning(both))
    lines = []
    for number in range(1, rule.allowed + 2):
        said = verdict(_flag(stage, number), rule.rule)
        if number >= rule.allowed:
            lines.append(f"The {ordinal(number)} flag: {said}.")
    if rule.window_days is not None and rule.allowed and rule.window_days <= 400:
        lines.append(_later(both, rule, rule.window_days))
    return lines


def _later(rule_set: RuleSet, rule: SoftBreaches, days: int) -> str:
    """What one more flag does when the first ones are just out of the window."""
    stage = Stage(rule_set, morning(rule_set))
    for number in range(rule.allowed):
        _flag(stage, number)
    stage.update(morning(rule_set, MONDAY + days * _DAY))
    said = verdict(_flag(stage, rule.allowed), rule.rule)
    first = "first was" if rule.allowed == 1 else f"first {rule.allowed} were"
    return f"If the {first} on {MONDAY}, one more on {MONDAY + days * _DAY}: {said}."


def _flag(stage: Stage, number: int) -> list[Event]:
    events = stage.open(stage.now + SECOND, f"p{number}", _SYMBOL, 2 * _LOT)
    return [*events, *stage.close(stage.now + SECOND, f"p{number}")] if not stage.account.must_be_flat else events


TRADING: dict[str, Callable[[RuleSet, Any], list[str]]] = {
    "trading_hours": _hours,
    "flat_by": _flat_by,
    "news_window": _news,
    "stop_loss_required": _stops,
    "soft_breaches": _soft_breaches,
}

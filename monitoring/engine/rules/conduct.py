"""Limits on how is traded: symbols, hours, news, deadlines, stops; docs/rules.md, sections 3 and 4.

Deals are judged when they are seen, by their own time; deadlines and stops when time has come.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from monitoring.engine.events import Event, EventKind
from monitoring.engine.market import affects, inside
from monitoring.engine.messages import NewsEvent
from monitoring.engine.rules.exposure import known_names, listed_names, sleeps
from monitoring.engine.rules.findings import Finding
from monitoring.engine.rules.judge import key
from monitoring.engine.ruleset.model import FlatBy, NewsWindow, OtherRule, StopLossRequired, Symbols, TradingHours
from monitoring.engine.snapshot import Account, Deal, OtherMemory

TOLD_KEPT = 64
AFTER = timedelta(microseconds=1)  # a stop that comes in the very last moment is in time
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Told(NamedTuple):
    """What the deals of one message come to: names that cannot be judged, and violations."""

    refused: list[Event]
    findings: list[Finding]


def judge_deals(account: Account, deals: Iterable[Deal], at: datetime) -> Told:
    """Judge openings by symbol and hour, openings and closings by the news."""
    told = Told([], [])
    for deal in deals:
        for rule, memory in zip(account.rule_set.others, account.state.others, strict=True):
            if sleeps(account, rule):
                continue
            if isinstance(rule, Symbols):
                if deal.first_seen:
                    _judge_symbol(account, rule, memory, deal.position, deal.symbol, at, told)
            elif not deal.traded:
                continue
            elif isinstance(rule, TradingHours):
                if not deal.closing:
                    told.findings.extend(_hours(rule, memory, deal, at))
            elif isinstance(rule, NewsWindow):
                told.findings.extend(_news(account, rule, memory, deal, at))
    return told


def stands(account: Account, rule: OtherRule, ident: str) -> bool:
    """Whether an open position that was told for its symbol or its hour would be told by a rule as it is now."""
    position = account.positions[ident]
    if isinstance(rule, Symbols):
        name = account.owner.almanac.base_name(position.symbol, listed_names(rule))
        return name is not None and bool(_denial(rule, name))
    if isinstance(rule, TradingHours):
        return position.open_time is None or not inside(rule.windows, rule.zone, position.open_time)
    return True  # a deadline that passed, a deal in the news, a stop that was missing: that happened


# --- symbols ---


def await_symbols(account: Account, memory: OtherMemory) -> None:
    """Look at the symbols of all that is open: the rule is new, or another one than it was."""
    memory.awaiting = list(account.positions)


def judge_symbols(account: Account, at: datetime) -> Told:
    """Judge the symbols of what was open when a rule came, as far as they were not told; each position once."""
    told = Told([], [])
    for rule, memory in zip(account.rule_set.others, account.state.others, strict=True):
        if isinstance(rule, Symbols) and memory.awaiting and not sleeps(account, rule):
            held = {ident: account.positions[ident].symbol for ident in memory.awaiting}
            memory.awaiting = []
            symbols = dict.fromkeys(held.values())  # in their order, each once
            kept = {symbol for symbol in symbols if not _wrong(account, rule, symbol, at, told)}
            for ident, symbol in held.items():
                if symbol not in kept:
                    _judge_symbol(account, rule, memory, ident, symbol, at, told)
    return told


def _judge_symbol(
    account: Account, rule: Symbols, memory: OtherMemory, position: str, symbol: str, at: datetime, told: Told
) -> None:
    """Judge the symbol of a position, once."""
    memory.told = [ident for ident in memory.told if ident in account.positions]
    if position in memory.told:
        return
    wrong = _wrong(account, rule, symbol, at, told)
    if wrong:
        memory.told.append(position)
        reason = f"position {position} is of {symbol}: {wrong}"
        told.findings.append(Finding(rule, memory, at, position, reason, (position,)))


def _wrong(account: Account, rule: Symbols, symbol: str, at: datetime, told: Told) -> str:
    """Say why a symbol may not be traded, if so; one that cannot be normalised is told to the desk, once."""
    state = account.state
    name = account.owner.almanac.base_name(symbol, listed_names(rule))
    if name is None:
        account.owner.note_unknown_symbols((symbol,))
        if symbol not in state.unknown_symbols:
            state.unknown_symbols.append(symbol)
            del state.unknown_symbols[:-TOLD_KEPT]
            told.refused.append(_unknown(account, rule, symbol, at))
        return ""
    return _denial(rule, name)


def _denial(rule: Symbols, name: str) -> str:
    if name in rule.deny:
        return f"{name} is denied"
    return f"{name} is not among the symbols that are allowed" if rule.allow and name not in rule.allow else ""


def _unknown(account: Account, rule: Symbols, symbol: str, at: datetime) -> Event:
    return Event(
        key=key(account, rule.index, EventKind.REFUSED.value, symbol),
        at=at,
        account=account.id,
        event=EventKind.REFUSED,
        rule=rule.rule,
        rule_set_version=account.rule_set.version,
        digits=account.rule_set.digits,
        reason=f"the symbol {symbol} has no known base name: set it on the server's table",
    )


# --- hours ---


def _hours(rule: TradingHours, memory: OtherMemory, deal: Deal, at: datetime) -> list[Finding]:
    if inside(rule.windows, rule.zone, deal.at):
        return []
    local = deal.at.astimezone(ZoneInfo(rule.zone))
    when = f"{_WEEKDAYS[local.weekday()]} {local:%Y-%m-%d %H:%M:%S} {rule.zone}"
    reason = f"position {deal.position} of {deal.symbol} was opened on {when}, outside the trading hours"
    return [Finding(rule, memory, at, deal.position, reason, (deal.position,))]


# --- news ---


def _news(account: Account, rule: NewsWindow, memory: OtherMemory, deal: Deal, at: datetime) -> list[Finding]:
    almanac = account.owner.almanac
    around = almanac.news_between(
        deal.at - timedelta(minutes=rule.after_minutes), deal.at + timedelta(minutes=rule.before_minutes)
    )
    if not around:
        return []
    name = almanac.base_name(deal.symbol, known_names(account.rule_set))
    found = [event for event in around if _concerns(event, rule, deal, name)]
    if not found:
        return []
    nearest = min(found, key=lambda event: (abs(event.at - deal.at), event.at, event.id))
    last = f"{deal.position}.{deal.number}" if deal.closing else deal.position
    verb = "closed" if deal.closing else "opened"
    reason = (
        f"position {deal.position} of {deal.symbol} was {verb} at {_clock(deal.at)}, {_distance(deal.at, nearest)}: "
        f"from {rule.before_minutes} min before to {rule.after_minutes} min after it this is not allowed"
    )
    return [Finding(rule, memory, at, last, reason, (deal.position,), almanac.revision)]


def _concerns(event: NewsEvent, rule: NewsWindow, deal: Deal, name: str | None) -> bool:
    if event.impact not in rule.impact or not affects(event, name, rule.scope):
        return False
    if not deal.closing or rule.exempt_hours is None or deal.opened_at is None:
        return True
    return deal.opened_at > event.at - timedelta(hours=rule.exempt_hours)


def _distance(at: datetime, event: NewsEvent) -> str:
    seconds = (at - event.at).total_seconds()
    name = f"{event.currency} {event.title or event.id} of {_clock(event.at)}"
    return f"{abs(seconds):.0f} s {'after' if seconds >= 0 else 'before'} {name}"


# --- deadlines ---


def judge_deadlines(account: Account, at: datetime) -> list[Finding]:
    """Judge every `flat_by` as it stands at an instant: a warning before the deadline, open positions after it."""
    findings: list[Finding] = []
    for rule, memory in zip(account.rule_set.others, account.state.others, strict=True):
        if isinstance(rule, FlatBy) and account.positions:
            findings += _announced(account, rule, memory, at) + _late(account, rule, memory, at)
    return findings


def _announced(account: Account, rule: FlatBy, memory: OtherMemory, at: datetime) -> list[Finding]:
    almanac = account.owner.almanac
    deadline = almanac.deadline(rule, account.rule_set.trading_week, at)
    if deadline is None or not deadline.at - timedelta(minutes=rule.warn_minutes) <= at < deadline.at:
        return []
    name = _clock(deadline.at)
    if memory.warned == name or account.state.paused_until is not None:  # a pause ends warnings silently
        return []
    memory.warned = name
    reason = f"{_counted(len(account.positions))} open: the account must be flat by {_local(deadline.at, rule)}"
    return [Finding(rule, memory, at, name, reason, (), almanac.revision, warning=True)]


def _late(account: Account, rule: FlatBy, memory: OtherMemory, at: datetime) -> list[Finding]:
    """What is open past the deadline: at first all of it in one, later each newly opened position by itself."""
    almanac = account.owner.almanac
    deadline = almanac.deadline(rule, account.rule_set.trading_week, at)
    if deadline is None or at < deadline.at or sleeps(account, rule):
        return []
    name = _clock(deadline.at)
    first = memory.deadline != name
    known = frozenset() if first else frozenset(memory.told)
    late = tuple(ident for ident in account.positions if ident not in known)
    if not late:
        return []
    memory.deadline, memory.told = name, list(account.positions)
    words = f"open after {_local(deadline.at, rule)}, by when the account had to be flat"
    if first:
        return [Finding(rule, memory, at, name, f"{_counted(len(late))} {words}", late, almanac.revision)]
    return [
        Finding(rule, memory, at, f"{name}.{ident}", f"position {ident} is {words}", (ident,), almanac.revision)
        for ident in late
    ]


def _counted(number: int) -> str:
    return "1 position is" if number == 1 else f"{number} positions are"


def _local(instant: datetime, rule: FlatBy) -> str:
    local = instant.astimezone(ZoneInfo(rule.zone))
    return f"{_WEEKDAYS[local.weekday()]} {local:%Y-%m-%d %H:%M} {rule.zone}"


# --- stops ---


def judge_stops(
    account: Account, before: datetime, late: datetime | None = None, seen: Collection[str] = ()
) -> list[Finding]:
    """Look for the stops that were due before an instant. A position is looked at once.

    A finding bears the instant at which the stop was due. Where nobody could look then, it bears `late`, unless the
    position was only `seen` now.
    """
    findings: list[Finding] = []
    for rule, memory in zip(account.rule_set.others, account.state.others, strict=True):
        if not isinstance(rule, StopLossRequired) or not memory.awaiting or sleeps(account, rule):
            continue
        for ident in [ident for ident in memory.awaiting if stop_due(account, rule, ident) < before]:
            memory.awaiting.remove(ident)
            position = account.positions[ident]
            if position.sl:
                continue
            memory.told = [*(known for known in memory.told if known in account.positions), ident]
            at = late if late is not None and ident not in seen else stop_due(account, rule, ident)
            reason = f"position {ident} of {position.symbol} has no stop {rule.within_seconds} s after it was opened"
            findings.append(Finding(rule, memory, at, ident, reason, (ident,)))
    return findings


def stop_due(account: Account, rule: StopLossRequired, position: str) -> datetime:
    """Return the last instant at which a position's stop is in time."""
    opened = account.positions[position].open_time
    assert opened is not None  # `positions.hold` dates every position
    return opened + timedelta(seconds=rule.within_seconds)


def excuse_stop(account: Account, position: str, ts: datetime) -> None:
    """Note before a position changes that its stop was there in time, should nobody have looked yet."""
    if not account.positions[position].sl:
        return
    for rule, memory in zip(account.rule_set.others, account.state.others, strict=True):
        if (
            isinstance(rule, StopLossRequired)
            and position in memory.awaiting
            and stop_due(account, rule, position) < ts
        ):
            memory.awaiting.remove(position)


def await_stops(account: Account, rule: StopLossRequired, memory: OtherMemory) -> None:
    """Look at every open position of the challenge: the rule is new."""
    created = account.state.created_at
    memory.awaiting = [
        ident
        for ident, position in account.positions.items()
        if position.open_time is not None and (created is None or position.open_time >= created)
    ]


def next_call(account: Account, after: datetime) -> datetime | None:
    """Return the first instant after `after` at which a deadline, a warning or a stop is due."""
    if not account.positions:
        return None
    calls = []
    for rule, memory in zip(account.rule_set.others, account.state.others, strict=True):
        if isinstance(rule, FlatBy):
            call = account.owner.almanac.next_call(rule, account.rule_set.trading_week, after)
            if call is not None:
                calls.append(call)
        elif isinstance(rule, StopLossRequired):
            dues = (stop_due(account, rule, ident) + AFTER for ident in memory.awaiting)
            calls += [due for due in dues if due > after]
    return min(calls, default=None)


def _clock(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"

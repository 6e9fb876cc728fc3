"""Where the limits on positions and trading stand now: lots, symbols, hours, deadlines, news, stops, soft breaches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from monitoring.engine.events import Standing, StandingState
from monitoring.engine.market import (
    affects,
    inside,
    lot_units,
    lots_text,
)
from monitoring.engine.messages import NewsEvent, Position
from monitoring.engine.rules.exposure import known_names
from monitoring.engine.rules.progress import clock_text
from monitoring.engine.ruleset.model import (
    FlatBy,
    MaxLotsPerPosition,
    MaxLotsTotal,
    MaxPositions,
    NewsWindow,
    SoftBreaches,
    StopLossRequired,
    Symbols,
    TradingHours,
)
from monitoring.engine.snapshot import Account
from monitoring.engine.snapshot.almanac import Almanac
from monitoring.engine.snapshot.memory import soft_breaches as soft_breaches_of
from monitoring.engine.snapshot.state import OtherMemory

_OK, _VIOLATED = StandingState.OK, StandingState.VIOLATED
_HOURS_KEPT = 4096  # opening times, and rules, of which is known whether they lie within the hours
_NO_NAMES: frozenset[str] = frozenset()
_LOOKS_AHEAD = timedelta(days=7)  # how far the next announcement that matters is looked for


class View(NamedTuple):
    """One account at one moment, with what several rules ask of its positions worked out once."""

    account: Account
    now: datetime
    almanac: Almanac
    positions: tuple[Position, ...]
    lots: list[int]  # of each position, in hundred-millionths
    opened: list[tuple[datetime, Position]]  # those of the challenge, with their opening times
    names: dict[str, str | None]  # base names of the open symbols


def view(account: Account, now: datetime) -> View:
    """Return the account's positions, their lots and names, under the almanac of its server."""
    positions, almanac = tuple(account.positions.values()), account.owner.almanac
    lots = [lot_units(held.volume) for held in positions]
    created = account.state.created_at
    opened = [
        (held.open_time, held)
        for held in positions
        if held.open_time is not None and (created is None or held.open_time >= created)
    ]
    known = known_names(account.rule_set) if positions else _NO_NAMES
    names = {raw: almanac.base_name(raw, known) for raw in {held.symbol for held in positions}}
    return View(account, now, almanac, positions, lots, opened, names)


def largest_position(seen: View, rule: MaxLotsPerPosition, memory: OtherMemory) -> Standing:
    """The largest open position against its limit."""
    largest = max(seen.lots, default=0)
    which = f" ({seen.positions[seen.lots.index(largest)].symbol})" if largest else ""
    return _limit(rule, largest, rule.lots, f"the largest position is {lots_text(largest)} lots{which}")


def total_lots(seen: View, rule: MaxLotsTotal, memory: OtherMemory) -> Standing:
    """All open lots, hedged legs taken against each other under `net`."""
    total = sum(seen.lots) if rule.count == "gross" else _net(seen)
    return _limit(rule, total, rule.lots, f"{lots_text(total)} lots are open, counted {rule.count}")


def position_count(seen: View, rule: MaxPositions, memory: OtherMemory) -> Standing:
    """How many positions are open."""
    count, limit = len(seen.positions), rule.positions
    return Standing(
        rule=rule.rule,
        index=rule.index,
        state=_VIOLATED if count > limit else _OK,
        value=positions_text(count),
        limit=positions_text(limit),
        reason=f"{positions_text(count)} {_are(count)} open; {limit} are allowed",
        consequence=rule.consequence,
        share=Decimal(count) / limit,
    )


def symbols(seen: View, rule: Symbols, memory: OtherMemory) -> Standing:
    """Whether every open symbol may be traded; one whose name cannot be told is in doubt."""
    known, wrong, unknown = rule.allow | rule.deny, [], []
    for raw in sorted(seen.names):
        base = seen.almanac.base_name(raw, known)
        if base is None:
            unknown.append(raw)
        elif base in rule.deny or (rule.allow and base not in rule.allow):
            wrong.append(raw)
    allowed = f"only {_some(sorted(rule.allow))}" if rule.allow else "every symbol"
    limit = f"{allowed}, never {_some(sorted(rule.deny))}" if rule.deny else allowed
    if wrong:
        state, reason = _VIOLATED, f"{_some(wrong)} may not be traded"
    elif unknown:
        state, reason = StandingState.UNKNOWN, f"nobody has said which symbol {_some(unknown)} is"
    else:
        state, reason = _OK, "every open symbol may be traded" if seen.positions else "no position is open"
    return _plain(rule, state, _some(wrong or unknown) if wrong or unknown else "none wrong", limit, reason)


def hours(seen: View, rule: TradingHours, memory: OtherMemory) -> Standing:
    """Whether an open position was opened outside the hours, and whether one may be opened now."""
    told = _opened_outside(seen, rule)
    value = "open" if inside(rule.windows, rule.zone, seen.now) else "closed"
    may = "may" if value == "open" else "may not"
    reason = f"positions {may} be opened at this hour"
    if told:
        reason = f"{positions_text(len(told))} {_were(len(told))} opened outside the trading hours: {_some(told)}"
    return _plain(rule, _VIOLATED if told else _OK, value, f"hours in {rule.zone}", reason)


def flat_by(seen: View, rule: FlatBy, memory: OtherMemory) -> Standing:
    """How many positions are open, and when the account must be flat."""
    count, deadline = len(seen.positions), seen.almanac.deadline(rule, seen.account.rule_set.trading_week, seen.now)
    if deadline is None:
        return _plain(rule, _OK, positions_text(count), "flat", "the market has no day on which to be flat")
    late = deadline.at <= seen.now
    state = _VIOLATED if late and count else _OK
    when = f"the account must be flat {'since' if late else 'by'} {clock_text(deadline.at)}"
    reason = f"{when}; {positions_text(count)} {_are(count)} open"
    due = deadline.until if late else deadline.at
    return _plain(rule, state, positions_text(count), f"flat by {clock_text(deadline.at)}", reason, due)


def news(seen: View, rule: NewsWindow, memory: OtherMemory) -> Standing:
    """Whether an open position was opened in a window, and the next window that matters to what is open."""
    told, coming = _opened_within(seen, rule), _coming(seen, rule)
    before, after = timedelta(minutes=rule.before_minutes), timedelta(minutes=rule.after_minutes)
    limit = f"{rule.before_minutes} min before to {rule.after_minutes} min after"
    value, due, reason = "none coming", None, "no announcement that matters is coming"
    if coming is not None:
        name = f"{coming.currency} {coming.title}".strip()
        start, end = coming.at - before, coming.at + after
        running = start <= seen.now
        due = end if running else start
        value = f"{name}, {clock_text(coming.at)}"
        verb = "runs until" if running else "starts at"
        reason = f"the window of {name} at {clock_text(coming.at)} {verb} {clock_text(due)}"
    if told:
        reason = f"{positions_text(len(told))} {_were(len(told))} opened within a news window: {_some(told)}; {reason}"
    return _plain(rule, _VIOLATED if told else _OK, value, limit, reason, due)


def stops(seen: View, rule: StopLossRequired, memory: OtherMemory) -> Standing:
    """How many open positions have no stop, and when the next of them must have one."""
    within = timedelta(seconds=rule.within_seconds)
    bare = [(at + within, held.id) for at, held in seen.opened if not held.sl]
    ahead = [deadline for deadline, _ in bare if deadline >= seen.now]
    asked = {*memory.told, *memory.awaiting}  # the others had one in time: what became of it is not this rule's matter
    late = [name for deadline, name in bare if deadline < seen.now and name in asked]
    due = min(ahead, default=None)
    reason = "every open position has a stop" if seen.positions else "no position is open"
    if late:
        reason = f"{positions_text(len(late))} had no stop within {rule.within_seconds} s: {_some(late)}"
    elif due is not None:
        reason = f"{positions_text(len(ahead))} without a stop; the first must have one by {clock_text(due)}"
    elif bare:
        reason = f"{positions_text(len(bare))} without a stop now, and with one when it was asked for"
    limit = f"within {rule.within_seconds} s"
    return _plain(rule, _VIOLATED if late else _OK, f"{len(bare)} without a stop", limit, reason, due)


def soft_breaches(seen: View, rule: SoftBreaches, memory: OtherMemory) -> Standing:
    """How many soft breaches count against how many are allowed."""
    count = soft_breaches_of(seen.account.state, rule)
    within = f" within {rule.window_days} days" if rule.window_days is not None else ""
    return Standing(
        rule=rule.rule,
        index=rule.index,
        state=_VIOLATED if count > rule.allowed else _OK,
        value=str(count),
        limit=f"{rule.allowed} allowed",
        reason=f"{count} soft {'breach' if count == 1 else 'breaches'}{within}; {rule.allowed} are allowed",
        consequence=rule.consequence,
        share=Decimal(count) / rule.allowed if rule.allowed else None,
    )


def positions_text(count: int) -> str:
    """Return "1 position" or "3 positions"."""
    return "1 position" if count == 1 else f"{count} positions"


def _limit(rule: MaxLotsPerPosition | MaxLotsTotal, units: int, most: int, said: str) -> Standing:
    limit = f"{lots_text(most)} lots"
    return Standing(
        rule=rule.rule,
        index=rule.index,
        state=_VIOLATED if units > most else _OK,
        value=f"{lots_text(units)} lots",
        limit=limit,
        reason=f"{said}; {limit} are allowed",
        consequence=rule.consequence,
        share=Decimal(units) / most,
    )


def _plain(
    rule: Symbols | TradingHours | FlatBy | NewsWindow | StopLossRequired,
    state: StandingState,
    value: str,
    limit: str,
    reason: str,
    due: datetime | None = None,
) -> Standing:
    return Standing(rule.rule, rule.index, state, value, limit, reason, rule.consequence, None, due)


def _net(seen: View) -> int:
    """Lots bought less lots sold of each symbol, without their signs, summed."""
    sums: defaultdict[str, int] = defaultdict(int)
    for held, units in zip(seen.positions, seen.lots, strict=True):
        sums[held.symbol] += -units if held.type[:4].upper() == "SELL" else units
    nets: defaultdict[str, int] = defaultdict(int)
    for raw, units in sums.items():
        nets[seen.names[raw] or raw] += units
    return sum(map(abs, nets.values()))


_known_hours: dict[int, tuple[TradingHours, dict[datetime, bool]]] = {}


def _opened_outside(seen: View, rule: TradingHours) -> list[str]:
    """Ids of open positions that were opened outside the hours; what is known of an instant stays so."""
    kept = _known_hours.get(id(rule))
    if kept is None or kept[0] is not rule or len(kept[1]) > _HOURS_KEPT:
        if len(_known_hours) > _HOURS_KEPT:
            _known_hours.clear()
        kept = _known_hours[id(rule)] = (rule, {})
    known, found = kept[1], []
    for at, held in seen.opened:
        within = known.get(at)
        if within is None:
            within = known[at] = inside(rule.windows, rule.zone, at)
        if not within:
            found.append(held.id)
    return found


def _opened_within(seen: View, rule: NewsWindow) -> list[str]:
    """Ids of open positions that were opened in the window of an announcement, by the calendar as it is now."""
    if not seen.opened:
        return []
    before, after = timedelta(minutes=rule.before_minutes), timedelta(minutes=rule.after_minutes)
    instants = [at for at, _ in seen.opened]
    found: dict[str, None] = {}
    for event in seen.almanac.news_between(min(instants) - after, max(instants) + before):
        if event.impact in rule.impact and (concerned := _concerned(seen, event, rule.scope)):
            first, last = event.at - before, event.at + after
            for at, held in seen.opened:
                if first <= at <= last and held.symbol in concerned:
                    found[held.id] = None
    return list(found)


def _concerned(seen: View, event: NewsEvent, scope: str) -> list[str]:
    """The open symbols that an announcement affects."""
    return [raw for raw, base in seen.names.items() if affects(event, base, scope)]


def _coming(seen: View, rule: NewsWindow) -> NewsEvent | None:
    """The announcement whose window runs now or comes next, of those that concern an open symbol (all, if flat)."""
    first = seen.now - timedelta(minutes=rule.after_minutes)
    ahead = seen.almanac.news_between(first, seen.now + _LOOKS_AHEAD)
    listed = (event for event in ahead if event.impact in rule.impact)
    return next((event for event in listed if not seen.positions or _concerned(seen, event, rule.scope)), None)


def _some(names: Iterable[str]) -> str:
    """The first few names of a list, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return ", ".join(listed[:5]) + more


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"

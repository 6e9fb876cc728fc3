"""When markets are open and when the trading day rolls over, in market time (which need not be wall time)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from monitoring.upstream.simulator.symbols import Symbol

NEW_YORK = ZoneInfo("America/New_York")
LONDON = ZoneInfo("Europe/London")
ROLLOVER = time(17, 0)
HOLIDAYS = frozenset({(1, 1), (12, 25)})
FRIDAY, SATURDAY, SUNDAY, WEDNESDAY = 4, 5, 6, 2
# A Tuesday with no holiday near: the synthetic week of every demo starts here, whatever the wall clock says.
DEFAULT_START = datetime(2024, 3, 5, 8, 0, tzinfo=LONDON).astimezone(UTC)


def is_open(symbol: Symbol, market_time: datetime) -> bool:
    """True while the symbol trades: Sunday 17:00 to Friday 17:00 New York, no bank holidays; crypto always."""
    if symbol.always_open:
        return True
    local = market_time.astimezone(NEW_YORK)
    weekday = local.weekday()
    if weekday == SATURDAY or (local.month, local.day) in HOLIDAYS:
        return False
    if weekday == SUNDAY:
        return local.time() >= ROLLOVER
    return not (weekday == FRIDAY and local.time() >= ROLLOVER)


def minutes_to_week_end(market_time: datetime) -> float | None:
    """Minutes to the Friday close; None on every other day and after it."""
    local = market_time.astimezone(NEW_YORK)
    if local.weekday() != FRIDAY or local.time() >= ROLLOVER:
        return None
    return (datetime.combine(local.date(), ROLLOVER, NEW_YORK) - local).total_seconds() / 60


def rollover_day(market_time: datetime) -> date:
    """The swap day that `market_time` belongs to: it ends at 17:00 New York of that date."""
    local = market_time.astimezone(NEW_YORK)
    return local.date() + timedelta(days=1) if local.time() >= ROLLOVER else local.date()


def swap_nights(ended: date) -> int:
    """Nights charged when the swap day `ended` rolls over: three on Wednesday, none at the weekend."""
    if ended.weekday() in (SATURDAY, SUNDAY):
        return 0
    return 3 if ended.weekday() == WEDNESDAY else 1


def activity(market_time: datetime) -> float:
    """How lively a foreign exchange market is at this hour: 1 in the London morning, more over New York's open."""
    hour = market_time.astimezone(LONDON).hour
    if 13 <= hour < 17:
        return 1.4
    if 7 <= hour < 13 or 17 <= hour < 20:
        return 1.0
    return 0.55 if hour < 7 else 0.4

"""Names of symbols, windows and deadlines once more, slow and obvious, from docs/rules.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONEY = {"USD", "EUR", "GBP", "JPY", "CHF", "AUD", "NZD", "CAD", "XAU", "XAG", "BTC", "ETH"}
INDEX_OF = {"US30": "USD", "NAS100": "USD", "SPX500": "USD", "GER40": "EUR", "UK100": "GBP", "JP225": "JPY"}


def instant(text: str) -> datetime:
    """An aware UTC time from what a frame says."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


def exact_lots(volume: Any) -> Decimal:
    """Lots to a hundred-millionth, whatever a double made of them."""
    return Decimal(str(volume)).quantize(Decimal("0.00000001"))


def cents(amount: Any) -> Decimal:
    """Money as sent, with its two digits."""
    return Decimal(str(amount)).quantize(Decimal("0.01"))


@lru_cache(maxsize=100_000)
def local(day: date, wall: str, zone: str) -> datetime:
    """The instant of a wall time on a local date, read with fold=0."""
    hour, minute = map(int, wall.split(":"))
    stamp = datetime.combine(day, time(hour, minute)).replace(tzinfo=ZoneInfo(zone), fold=0).timestamp()
    return datetime.fromtimestamp(stamp, UTC)


def days_later(since: datetime, days: int, zone: str) -> datetime:
    """The same wall time so many calendar days later."""
    here = since.astimezone(ZoneInfo(zone)).replace(tzinfo=None) + timedelta(days=days)
    return datetime.fromtimestamp(here.replace(tzinfo=ZoneInfo(zone), fold=0).timestamp(), UTC)


def _known(name: str, lists: set[str]) -> str | None:
    for spelling in (name, name.upper()):
        pair = len(spelling) == 6 and spelling[:3] in MONEY and spelling[3:] in MONEY
        if spelling in lists or pair or spelling in INDEX_OF:
            return spelling
    return None


def base_of(raw: str, table: dict[str, str], lists: set[str]) -> str | None:
    """The base name of what a server calls a symbol; None: it cannot be normalised."""
    if raw in table:
        return table[raw]
    name = re.split(r"[._\-#!+]", re.sub(r"^[#._]", "", raw), maxsplit=1)[0]
    found = _known(name, lists)
    while found is None and name[-1:].islower():
        name = re.sub(r"[a-z]+$", "", name)
        found = _known(name, lists)
    return found


def affected(news: dict[str, Any], base: str | None, scope: str) -> bool:
    """Whether an announcement concerns a symbol."""
    if scope == "all":
        return True
    listed = base in news.get("symbols", ())
    if base is None or scope == "listed" or listed:
        return base is not None and listed
    return INDEX_OF.get(base) == news["currency"] if base in INDEX_OF else news["currency"] in base


def open_hours(rule: dict[str, Any], at: datetime) -> bool:
    """Whether an instant lies in one of a rule's windows."""
    here = at.astimezone(ZoneInfo(rule["zone"])).replace(tzinfo=None)
    for window in rule["windows"]:
        for day in (here.date(), here.date() - timedelta(days=1)):
            midnight = datetime.combine(day, time())
            start = midnight + timedelta(minutes=_minutes(window["from"]))
            end = midnight + timedelta(minutes=_minutes(window["to"]))
            end += timedelta(days=1) if end <= start else timedelta(0)
            if WEEK[day.weekday()] in window["days"] and start <= here < end:
                return True
    return False


def _minutes(wall: str) -> int:
    hour, minute = map(int, wall.split(":"))
    return 60 * hour + minute


def deadlines(
    rule: dict[str, Any], week: list[str], holidays: list[dict[str, Any]], near: datetime
) -> Iterator[tuple[datetime, datetime, datetime]]:
    """Every deadline around an instant: (warning, deadline, the local midnight that ends its date)."""
    zone = rule["zone"]
    today = near.astimezone(ZoneInfo(zone)).date()
    for days in range(-9, 18):
        day = today + timedelta(days=days)
        if WEEK[day.weekday()] != rule["day"]:
            continue
        closed = {holiday["day"] for holiday in holidays if not holiday.get("closes")}
        wanted = day
        while day.isoformat() in closed or (day != wanted and WEEK[day.weekday()] not in week):
            day -= timedelta(days=1)
        at = local(day, rule["time"], zone)
        for holiday in holidays:
            if holiday["day"] == day.isoformat():
                at = min(at, local(day, holiday["closes"], holiday.get("zone", "UTC")))
        yield at - timedelta(minutes=rule.get("warn_minutes", 0)), at, local(day + timedelta(days=1), "00:00", zone)


def best_share(profits: list[Decimal], of: str) -> Fraction | None:
    """The best day's share of the total; None while the total is not above 0."""
    total = {
        "net": sum(profits),
        "positive": sum(profit for profit in profits if profit > 0),
        "absolute": sum(abs(profit) for profit in profits),
    }[of]
    return Fraction(max(profits)) / Fraction(total) if profits and total > 0 else None

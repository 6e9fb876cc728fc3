"""What a calendar file says, row by row: news by `uid`, holidays by server and day; strict."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TypeVar

from accounts import tables
from accounts.models import Impact, Server
from accounts.refusals import Complaint, Refusal
from accounts.tables import Cells
from monitoring.engine.ruleset import zones

NEWS_COLUMNS = ("uid", "at", "currency", "impact", "title")
NEWS_OPTIONAL = ("symbols", "withdrawn")
HOLIDAY_COLUMNS = ("server", "day", "name")
HOLIDAY_OPTIONAL = ("closes", "zone", "withdrawn")
_CURRENCY = re.compile(r"[A-Z]{3,8}")
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9.&_-]{0,31}")
_EARLIEST, _LATEST = 1990, 2100
T = TypeVar("T")


class CalendarError(Refusal):
    """A file that was refused whole; `errors` lists (line and column, message)."""


@dataclass(frozen=True, slots=True)
class NewsRow:
    """An announcement as a file tells it; one that is `withdrawn` needs no more than its uid."""

    uid: str
    at: datetime | None
    currency: str = ""
    impact: str = ""
    title: str = ""
    symbols: tuple[str, ...] = ()
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class HolidayRow:
    """A holiday as a file tells it; `server` None: every server. `closes`: an early close, local in `zone`."""

    server: Server | None
    day: date
    name: str = ""
    closes: time | None = None
    zone: str = "UTC"
    withdrawn: bool = False

    @property
    def key(self) -> tuple[int | None, date]:
        """What tells holidays apart."""
        return (self.server.pk if self.server else None, self.day)


def read_news_csv(text: str) -> list[NewsRow]:
    """Announcements of a CSV text; CalendarError lists everything that is wrong with it."""
    return _news(*tables.csv_rows(text, NEWS_COLUMNS, NEWS_OPTIONAL))


def read_news(data: object) -> list[NewsRow]:
    """Announcements of a JSON list."""
    return _news(*tables.json_rows(data, "news", NEWS_COLUMNS, NEWS_OPTIONAL))


def read_holidays_csv(text: str, servers: Mapping[str, Server] | None = None) -> list[HolidayRow]:
    """Holidays of a CSV text; `servers` by name, where there is no database to ask."""
    return _holidays(*tables.csv_rows(text, HOLIDAY_COLUMNS, HOLIDAY_OPTIONAL), servers)


def read_holidays(data: object) -> list[HolidayRow]:
    """Holidays of a JSON list."""
    return _holidays(*tables.json_rows(data, "holidays", HOLIDAY_COLUMNS, HOLIDAY_OPTIONAL))


def _news(rows: list[Cells], errors: list[Complaint]) -> list[NewsRow]:
    found = tables.read(rows, errors, _news_row, lambda row: row.uid)
    return _whole(found, errors)


def _holidays(
    rows: list[Cells], errors: list[Complaint], servers: Mapping[str, Server] | None = None
) -> list[HolidayRow]:
    known = {server.name: server for server in Server.objects.all()} if servers is None else servers
    found = tables.read(rows, errors, lambda cells: _holiday_row(cells, known), lambda row: row.key)
    return _whole(found, errors)


def _whole(found: list[T], errors: list[Complaint]) -> list[T]:
    if not found and not errors:
        errors = [("", "There is no row in it.")]
    if errors:
        raise CalendarError(errors)
    return found


def _news_row(cells: Cells) -> NewsRow:
    uid = cells.text("uid", 100)
    if cells.flag("withdrawn"):
        return NewsRow(uid, None, withdrawn=True)
    at = _instant(cells)
    currency = cells.text("currency", 8).upper()
    if currency and not _CURRENCY.fullmatch(currency):
        cells.error("currency", f"must be a currency code like USD, is {currency!r}")
    impact = cells.text("impact", 10).lower()
    if impact and impact not in Impact.values:
        cells.error("impact", f"must be one of {', '.join(Impact.values)}, is {impact!r}")
    return NewsRow(uid, at, currency, impact, cells.text("title", 200), _symbols(cells))


def _instant(cells: Cells) -> datetime | None:
    said = cells.text("at", 40)
    if not said:
        return None
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        cells.error("at", f"must be a time like 2026-12-01T13:30:00Z, is {said!r}")
        return None
    if at.tzinfo is None:
        cells.error("at", f"must say its zone (Z for UTC), is {said!r}")
        return None
    if not _EARLIEST <= at.year <= _LATEST:
        cells.error("at", f"lies outside {_EARLIEST} to {_LATEST}")
        return None
    return at.astimezone(UTC)


def _symbols(cells: Cells) -> tuple[str, ...]:
    said = cells.values.get("symbols")
    words = said if isinstance(said, list) else cells.text("symbols", 2000, required=False).replace(";", " ").split()
    names = []
    for word in words:
        name = word.strip().upper() if isinstance(word, str) else ""
        if not _SYMBOL.fullmatch(name):
            cells.error("symbols", f"must be base names like EURUSD, has {word!r:.60}")
        names.append(name)
    return tuple(dict.fromkeys(names))


def _holiday_row(cells: Cells, servers: Mapping[str, Server]) -> HolidayRow:
    name = cells.text("server", 64, required=False)
    if name and name not in servers:
        cells.error("server", f"there is no server {name!r}; known are {', '.join(sorted(servers)) or 'none yet'}")
    day = _day(cells)
    server = servers.get(name)
    if cells.flag("withdrawn"):
        return HolidayRow(server, day, withdrawn=True)
    closes = _closes(cells)
    zone = cells.text("zone", 64, required=False)
    if zone and not zones.exists(zone):
        hint = zones.suggestion(zone) or "write an IANA name like America/New_York"
        cells.error("zone", f"unknown time zone {zone!r}; {hint}")
    if closes is not None and not zone:
        cells.error("zone", "an early close needs the zone of its time, like America/New_York")
    return HolidayRow(server, day, cells.text("name", 200), closes, zone or "UTC")


def _day(cells: Cells) -> date:
    said = cells.text("day", 10)
    try:
        day = date.fromisoformat(said) if said else date.min
        if said and not (re.fullmatch(r"\d{4}-\d\d-\d\d", said) and _EARLIEST <= day.year <= _LATEST):
            raise ValueError(said)
    except ValueError:
        cells.error("day", f"must be a day like 2026-12-25, is {said!r}")
        return date.min
    return day


def _closes(cells: Cells) -> time | None:
    said = cells.text("closes", 8, required=False)
    if not said:
        return None
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", said):
        cells.error("closes", f"must be a wall time like 13:00, or empty for closed all day, is {said!r}")
        return None
    return time.fromisoformat(said)

"""Imports: what a file would change, and the revision that it makes; rows are ended and added, never changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import connection, transaction
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone

from accounts import audit, servers
from accounts.calendar.rows import (
    CalendarError,
    HolidayRow,
    NewsRow,
    read_holidays,
    read_holidays_csv,
    read_news,
    read_news_csv,
)
from accounts.models import CalendarRevision, MarketHoliday, NewsAnnouncement, User
from accounts.refusals import text_errors

_LOCK = 0x5244_0001  # pg_advisory_xact_lock: one import at a time, so that revisions are numbered as they happen
Row = TypeVar("Row", NewsRow, HolidayRow)
Held = TypeVar("Held", NewsAnnouncement, MarketHoliday)


@dataclass(frozen=True, slots=True)
class Changes(Generic[Row, Held]):
    """What a file would change: new rows, changed ones with what holds now, withdrawn ones; the rest is the same."""

    added: tuple[Row, ...]
    changed: tuple[tuple[Held, Row], ...]
    withdrawn: tuple[Held, ...]
    unchanged: int

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.withdrawn)


def compare_news(rows: Iterable[NewsRow]) -> Changes[NewsRow, NewsAnnouncement]:
    """What these announcements would change; CalendarError when one is to be withdrawn that does not hold."""
    wanted = list(rows)
    held = {one.uid: one for one in NewsAnnouncement.objects.filter(until=None, uid__in=[row.uid for row in wanted])}
    return _compare([(row.uid, row) for row in wanted], held, _same_news)


def compare_holidays(rows: Iterable[HolidayRow]) -> Changes[HolidayRow, MarketHoliday]:
    """What these holidays would change."""
    wanted = list(rows)
    held = {
        (one.server_id, one.day): one
        for one in MarketHoliday.objects.filter(until=None, day__in={row.day for row in wanted})
    }
    return _compare([(row.key, row) for row in wanted], held, _same_holiday)


def import_news_csv(
    text: str, actor: User, source: str, *, note: str = "", request: HttpRequest | None = None
) -> CalendarRevision | None:
    """Take over a CSV of announcements whole; the revision that it made, None when it says nothing new."""
    return _import(read_news_csv(text), compare_news, _store_news, actor, source, note, request)


def import_news(
    data: object, actor: User, source: str, *, note: str = "", request: HttpRequest | None = None
) -> CalendarRevision | None:
    """As `import_news_csv`, of a JSON list."""
    return _import(read_news(data), compare_news, _store_news, actor, source, note, request)


def import_holidays_csv(
    text: str, actor: User, source: str, *, note: str = "", request: HttpRequest | None = None
) -> CalendarRevision | None:
    """Take over a CSV of holidays whole; the revision that it made, None when it says nothing new."""
    return _import(read_holidays_csv(text), compare_holidays, _store_holidays, actor, source, note, request)


def import_holidays(
    data: object, actor: User, source: str, *, note: str = "", request: HttpRequest | None = None
) -> CalendarRevision | None:
    """As `import_holidays_csv`, of a JSON list."""
    return _import(read_holidays(data), compare_holidays, _store_holidays, actor, source, note, request)


def _import(
    rows: Sequence[Any],
    compare: Callable[[Iterable[Any]], Changes[Any, Any]],
    store: Callable[[Changes[Any, Any], CalendarRevision], None],
    actor: User,
    source: str,
    note: str,
    request: HttpRequest | None,
) -> CalendarRevision | None:
    if errors := [
        *text_errors("source", source, longest=200),
        *text_errors("note", note, longest=2000, required=False),
    ]:
        raise CalendarError(errors)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        changes = compare(rows)
        if not changes:
            return None
        revision = CalendarRevision.objects.create(
            at=timezone.now(),
            author=actor,
            source=source,
            note=note.strip(),
            added=len(changes.added),
            changed=len(changes.changed),
            withdrawn=len(changes.withdrawn),
        )
        store(changes, revision)
        counts = {"added": revision.added, "changed": revision.changed, "withdrawn": revision.withdrawn}
        audit.record(actor, "calendar_imported", str(revision), {"source": source, **counts}, request)
        servers.book_changed()
    return revision


def _compare(
    wanted: Sequence[tuple[Any, Any]], held: dict[Any, Any], same: Callable[[Any, Any], bool]
) -> Changes[Any, Any]:
    unknown = [key for key, row in wanted if row.withdrawn and key not in held]
    if unknown:
        raise CalendarError([(_name(key), "is to be withdrawn, but does not hold") for key in unknown])
    return Changes(
        added=tuple(row for key, row in wanted if key not in held),
        changed=tuple(
            (held[key], row) for key, row in wanted if key in held and not row.withdrawn and not same(held[key], row)
        ),
        withdrawn=tuple(held[key] for key, row in wanted if row.withdrawn),
        unchanged=sum(key in held and not row.withdrawn and same(held[key], row) for key, row in wanted),
    )


def _store_news(changes: Changes[NewsRow, NewsAnnouncement], revision: CalendarRevision) -> None:
    _end(NewsAnnouncement, changes, revision)
    NewsAnnouncement.objects.bulk_create(
        [
            NewsAnnouncement(
                since=revision,
                uid=row.uid,
                at=row.at,
                currency=row.currency,
                impact=row.impact,
                title=row.title,
                symbols=list(row.symbols),
            )
            for row in _new_rows(changes)
        ],
        batch_size=1000,
    )


def _store_holidays(changes: Changes[HolidayRow, MarketHoliday], revision: CalendarRevision) -> None:
    _end(MarketHoliday, changes, revision)
    MarketHoliday.objects.bulk_create(
        [
            MarketHoliday(
                since=revision, server=row.server, day=row.day, name=row.name, closes=row.closes, zone=row.zone
            )
            for row in _new_rows(changes)
        ],
        batch_size=1000,
    )


def _end(table: type[Model], changes: Changes[Any, Any], revision: CalendarRevision) -> None:
    gone = [held.pk for held, _ in changes.changed] + [held.pk for held in changes.withdrawn]
    table._default_manager.filter(pk__in=gone).update(until=revision)


def _new_rows(changes: Changes[Any, Any]) -> list[Any]:
    return [*changes.added, *(row for _, row in changes.changed)]


def _same_news(held: NewsAnnouncement, row: NewsRow) -> bool:
    return (held.at, held.currency, held.impact, held.title, tuple(held.symbols)) == (
        row.at,
        row.currency,
        row.impact,
        row.title,
        row.symbols,
    )


def _same_holiday(held: MarketHoliday, row: HolidayRow) -> bool:
    return (held.name, held.closes, held.zone) == (row.name, row.closes, row.zone)


def _name(key: object) -> str:
    return key if isinstance(key, str) else f"{key[1]:%Y-%m-%d}" if isinstance(key, tuple) else str(key)

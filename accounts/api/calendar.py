"""The calendar over the API: news and holidays, imported as CSV or JSON, and what any revision said."""

from __future__ import annotations

from typing import Annotated, Any

from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest
from ninja import Router
from pydantic import AwareDatetime, Field

from accounts import calendar
from accounts.api.auth import allowed
from accounts.api.bodies import csv_or_json, either
from accounts.api.shapes import HolidayOut, HolidayRows, Limit, NewsOut, NewsRows, Offset, RevisionOut
from accounts.calendar import Changes
from accounts.models import CalendarRevision, MarketHoliday, NewsAnnouncement
from accounts.permissions import access_calendar, access_calendar_change

router = Router(tags=["calendar"])
Revision = Annotated[int, Field(ge=0, le=2**31)]
NEWS_EXAMPLE = "uid,at,currency,impact,title,symbols\nnfp-2026-12,2026-12-04T13:30:00Z,USD,high,Payrolls,US30\n"
HOLIDAY_EXAMPLE = "server,day,name,closes,zone\n,2026-12-25,Christmas,,\nmain,2026-12-24,Eve,13:00,America/New_York\n"


@router.get("news", response=list[NewsOut], summary="Announcements, by time")
def news(
    request: HttpRequest,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    revision: Revision | None = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> list[NewsOut]:
    """From `since` to `until`, ends included; of an older `revision` when one is named."""
    allowed(request, access_calendar)
    rows: QuerySet[NewsAnnouncement] = calendar.revision_at(_known(revision))[0]
    if since:
        rows = rows.filter(at__gte=since)
    if until:
        rows = rows.filter(at__lte=until)
    return [
        NewsOut(
            uid=row.uid,
            at=row.at,
            currency=row.currency,
            impact=row.impact,
            title=row.title,
            symbols=row.symbols,
            since_revision=row.since_id,
            until_revision=row.until_id,
        )
        for row in rows.order_by("at", "uid")[offset : offset + limit]
    ]


@router.get("holidays", response=list[HolidayOut], summary="Holidays, by day")
def holidays(
    request: HttpRequest,
    server: str | None = None,
    revision: Revision | None = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> list[HolidayOut]:
    """Of one `server` (with those of every server), or all."""
    allowed(request, access_calendar)
    rows: QuerySet[MarketHoliday] = calendar.revision_at(_known(revision))[1].select_related("server")
    if server is not None:
        rows = rows.filter(Q(server=None) | Q(server__name=server.replace("\0", "\ufffd")))
    return [
        HolidayOut(
            server=row.server.name if row.server else None,
            day=row.day,
            name=row.name,
            closes=row.closes,
            zone=row.zone,
            since_revision=row.since_id,
            until_revision=row.until_id,
        )
        for row in rows.order_by("day", "pk")[offset : offset + limit]
    ]


@router.get("revisions", response=list[RevisionOut], summary="Every import, newest first")
def revisions(request: HttpRequest, limit: Limit = 100, offset: Offset = 0) -> list[RevisionOut]:
    """With its author and what it changed."""
    allowed(request, access_calendar)
    rows = CalendarRevision.objects.select_related("author").order_by("-pk")
    return [_revision(row) for row in rows[offset : offset + limit]]


@router.post(
    "news", response=RevisionOut, summary="Import announcements", openapi_extra=dict(either(NewsRows, NEWS_EXAMPLE))
)
def import_news(request: HttpRequest, dry_run: bool = False, source: str = "API") -> RevisionOut:
    """Whole or not at all; a row with `withdrawn` takes an announcement back. `dry_run` only counts."""
    user = allowed(request, access_calendar_change)
    body = csv_or_json(request, NewsRows)
    if dry_run:
        read = calendar.read_news_csv(body) if isinstance(body, str) else calendar.read_news(body.news)
        return _counted(calendar.compare_news(read))
    if isinstance(body, str):
        return _made(calendar.import_news_csv(body, user, source, request=request))
    return _made(calendar.import_news(body.news, user, body.source, note=body.note, request=request))


@router.post(
    "holidays",
    response=RevisionOut,
    summary="Import holidays",
    openapi_extra=dict(either(HolidayRows, HOLIDAY_EXAMPLE)),
)
def import_holidays(request: HttpRequest, dry_run: bool = False, source: str = "API") -> RevisionOut:
    """Whole or not at all; an empty `server` means every server. `dry_run` only counts."""
    user = allowed(request, access_calendar_change)
    body = csv_or_json(request, HolidayRows)
    if dry_run:
        read = calendar.read_holidays_csv(body) if isinstance(body, str) else calendar.read_holidays(body.holidays)
        return _counted(calendar.compare_holidays(read))
    if isinstance(body, str):
        return _made(calendar.import_holidays_csv(body, user, source, request=request))
    return _made(calendar.import_holidays(body.holidays, user, body.source, note=body.note, request=request))


def _known(revision: int | None) -> int:
    newest = calendar.latest_revision()
    if revision is None:
        return newest
    if revision > newest:
        raise Http404(f"There is no revision r{revision} yet; the newest is r{newest}.")
    return revision


def _made(revision: CalendarRevision | None) -> RevisionOut:
    return _revision(revision) if revision else RevisionOut(revision=None, added=0, changed=0, withdrawn=0)


def _counted(changes: Changes[Any, Any]) -> RevisionOut:
    return RevisionOut(
        revision=None, added=len(changes.added), changed=len(changes.changed), withdrawn=len(changes.withdrawn)
    )


def _revision(row: CalendarRevision) -> RevisionOut:
    return RevisionOut(
        revision=row.pk,
        at=row.at,
        author=row.author.username if row.author else None,
        source=row.source,
        note=row.note,
        added=row.added,
        changed=row.changed,
        withdrawn=row.withdrawn,
    )

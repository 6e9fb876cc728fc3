"""News, holidays and imports: listed, filtered, sorted, exported."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts import calendar as book
from accounts.models import CalendarRevision, MarketHoliday, NewsAnnouncement
from accounts.permissions import access_calendar, gate, may_change_calendar
from accounts.views import lists
from accounts.views.calendar.forms import SHOWN, TITLES, CalendarFilterForm, ImportForm
from accounts.views.calendar.windows import widest
from accounts.views.exports import csv_refusal, csv_response

PER_PAGE = 50
OF_A_LIST = ("page", "format", "sort", "show")
ORDER = {"server": "server__name", "author": "author__username"}
DEFAULT = {"news": "at", "holidays": "day", "revisions": "-pk"}
HEADS = {
    "news": ("uid", "at", "currency", "impact", "title", "symbols"),
    "holidays": ("server", "day", "name", "closes", "zone"),
    "revisions": ("revision", "at", "author", "source", "note", "added", "changed", "withdrawn"),
}
Rows = QuerySet[Any]


@require_GET
@gate(access_calendar)
def calendar(request: HttpRequest) -> HttpResponseBase:
    """The page, its list alone for htmx, or everything that matches as CSV, which the import reads again."""
    form = CalendarFilterForm(request.GET)
    shown, now = form.shown, timezone.now()
    sort = form.sort_or(DEFAULT[shown])
    matching = _matching(form, shown, now).order_by(*_order(sort))
    if request.GET.get("format") == "csv":
        if not form.is_valid():
            return csv_refusal(form)
        return csv_response(f"riskdesk-{shown}.csv", HEADS[shown], map(_cells, matching.iterator(chunk_size=1000)))
    page = Paginator(matching, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "shown": shown,
        "tabs": [(name, title, lists.query(request, OF_A_LIST, show=name)) for name, title in SHOWN],
        "page": page,
        "rows": _rows(page, shown, now),
        "sort": sort,
        "headings": lists.headings(request, TITLES[shown], sort),
        "query": lists.query(request),
        "filtered": any(request.GET.get(name) for name in ("q", "currency", "impact", "since", "until", "revision")),
        "newest": book.latest_revision(),
        "may_change": may_change_calendar(request.user),
        "import_form": ImportForm(initial={"kind": "holidays" if shown == "holidays" else "news"}),
    }
    return lists.render_list(request, "accounts/calendar.html", "accounts/_calendar_list.html", context)


def _matching(form: CalendarFilterForm, shown: str, now: datetime) -> Rows:
    """The rows that a valid form asks for; a wrong one finds none, and its errors are on the page."""
    if shown == "revisions":
        found: Rows = CalendarRevision.objects.select_related("author")
    else:
        newest = book.latest_revision()
        asked = form.cleaned_data.get("revision") if form.is_valid() else None
        news, holidays = book.revision_at(newest if asked is None else asked)
        found = news if shown == "news" else holidays.select_related("server")
    if not form.is_valid():
        return found.none()
    return _filtered(found, form.cleaned_data, shown, now)


def _filtered(found: Rows, asked: dict[str, Any], shown: str, now: datetime) -> Rows:
    word = asked["q"].strip()
    if shown == "news":
        if word:
            found = found.filter(Q(title__icontains=word) | Q(uid__icontains=word))
        if asked["currency"]:
            found = found.filter(currency=asked["currency"].strip().upper())
        if asked["impact"]:
            found = found.filter(impact=asked["impact"])
    elif word:
        fields = ("name", "server__name") if shown == "holidays" else ("source", "note", "author__username")
        either = Q()
        for field in fields:
            either |= Q(**{f"{field}__icontains": word})
        found = found.filter(either)
    return _within(found, asked["since"], asked["until"], shown, now)


def _within(found: Rows, since: date | None, until: date | None, shown: str, now: datetime) -> Rows:
    """From the first to the last day; without a first one, what is not over: imports have no such thing."""
    if shown == "holidays":
        found = found.filter(day__gte=since or now.date() - timedelta(days=1))
        return found.filter(day__lte=until) if until else found
    if since:
        found = found.filter(at__gte=datetime.combine(since, time(), UTC))
    elif shown == "news":
        found = found.filter(at__gte=now - timedelta(hours=12))
    return found.filter(at__lt=datetime.combine(until + timedelta(days=1), time(), UTC)) if until else found


def _order(sort: str) -> tuple[str, ...]:
    name = sort.removeprefix("-")
    column = ORDER.get(name, name)
    return (f"-{column}", "-pk") if sort.startswith("-") else (column, "pk")


def _rows(page: Iterable[Any], shown: str, now: datetime) -> list[dict[str, Any]]:
    """What the page says of each row beside its columns."""
    if shown == "news":
        window = widest(now)
        return [{"one": one, "window": window.around(one), "state": window.state(one, now)} for one in page]
    if shown == "holidays":
        return [{"one": one, "state": _today(one, now)} for one in page]
    return [{"one": one} for one in page]


def _today(one: MarketHoliday, now: datetime) -> str:
    """live on the day itself, by the clock of its zone."""
    here = now.astimezone(ZoneInfo(one.zone)).date()
    return "live" if here == one.day else "coming" if here < one.day else "over"


def _cells(row: NewsAnnouncement | MarketHoliday | CalendarRevision) -> tuple[str, ...]:
    """A line of the export, in the order of its head."""
    if isinstance(row, NewsAnnouncement):
        at = row.at.isoformat().replace("+00:00", "Z")
        return (row.uid, at, row.currency, row.impact, row.title, " ".join(row.symbols))
    if isinstance(row, MarketHoliday):
        closes = row.closes.strftime("%H:%M") if row.closes else ""
        return (row.server.name if row.server else "", row.day.isoformat(), row.name, closes, row.zone)
    author = row.author.username if row.author else ""
    counts = (str(row.added), str(row.changed), str(row.withdrawn))
    return (str(row), row.at.isoformat(), author, row.source, row.note, *counts)

"""The desk: the page, the part of it that a filter changes, and the list as CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from io import StringIO
from time import time
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.permissions import access_desk, gate, may_override
from accounts.views.exports import harmless, refusal
from monitoring import replica
from monitoring.live.publish import AccountRow
from monitoring.replica import WINDOW_LIMIT, DeskQuery
from monitoring.views import filters
from monitoring.views.filters import COLUMNS

OFFSET_LIMIT = 1_000_000
FIRST_PAINT = 60  # rows in the HTML; the socket's snapshot brings the rest of the window
FIGURE = re.compile("[\u2212+]?[0-9][0-9,]*([.][0-9]+)?%?")
CSV_FIELDS = [column.key for column in COLUMNS if column.key != "age"]


@require_safe
@gate(access_desk)
@vary_on_headers("HX-Request")
def desk(request: HttpRequest) -> HttpResponse:
    """The live table; an htmx request gets only the filter bar and the table."""
    query, offset = DeskQuery.parse(request.GET.dict()), _offset(request)
    complaints = DeskQuery.complaints(request.GET)
    if offset is None:
        complaints.append(f"The offset is a whole number from 0 to {OFFSET_LIMIT:,}; the list is shown from its top.")
    book, offset = replica.get(), offset or 0
    window = book.view(query, offset, WINDOW_LIMIT)
    if window.total and not window.ids:  # beyond the end: the list was longer when the address was made
        complaints.append(f"The list has {window.total:,} accounts and none from {offset:,} on; this is its end.")
        offset = (window.total - 1) // WINDOW_LIMIT * WINDOW_LIMIT
        window = book.view(query, offset, WINDOW_LIMIT)
    currencies, now_ms = book.choices("currency"), int(time() * 1000)
    context: dict[str, Any] = {
        "rows": [_row(book, row, now_ms) for row in window.rows[:FIRST_PAINT]],
        "more": max(len(window.ids) - FIRST_PAINT, 0),
        "window": window,
        "offset": offset,
        "columns": filters.headers(query, currencies),
        "mixed": len(currencies) > 1,
        "colspan": len(COLUMNS),
        "filters": filters.describe(query, book),
        "pages": filters.pages(query, offset, window.total),
        "view": query.querystring(),
        "limit": WINDOW_LIMIT,
        "complaints": complaints,
        "may_override": may_override(request.user),
    }
    if request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request"):
        return render(request, "monitoring/_desk.html", context)
    context |= {
        "kpi_strip": replica.render_fragment("kpis"),
        "banners": replica.render_fragment("banners"),
        "rail": replica.render_fragment("alert-rail"),
        "tour": request.GET.get("tour") == "1",
        "live": "stale" if book.health().live != "connected" else "reconnecting",
    }
    return render(request, "monitoring/desk.html", context)


@require_safe
@gate(access_desk)
def export(request: HttpRequest) -> HttpResponseBase:
    """Every account that passes the filters, in the order of the desk, as CSV."""
    if complaints := DeskQuery.complaints(request.GET):
        return refusal(complaints)
    query, book = DeskQuery.parse(request.GET.dict()), replica.get()
    window = book.view(query, 0, len(book.rows()))
    lines = _csv([book.cells(row) for row in window.rows])
    headers = {"Content-Disposition": 'attachment; filename="riskdesk.csv"'}
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


def _row(book: replica.Replica, row: AccountRow, now_ms: int) -> dict[str, Any]:
    """The context of `_row.html`: the cells, and what the page's clock will go on counting."""
    cells = book.cells(row)
    sign = {"\u2212": "neg", "+": "pos"}.get(str(cells["day_pl"])[:1], "")
    updated = row.updated_ms
    return {"id": row.public_id, **cells, "sign": sign, "age": replica.age(now_ms - updated if updated else None)}


def _csv(rows: list[replica.Cells]) -> Iterator[str]:
    """The lines; text that a spreadsheet would take for a formula is quoted, true minus signs become plain ones."""
    buffer = StringIO()
    writer = csv.writer(buffer)
    writer.writerow(CSV_FIELDS)
    for row in rows:
        writer.writerow([_plain(str(row[name])) for name in CSV_FIELDS])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _plain(text: str) -> str:
    """A figure as spreadsheets read it, without thousands commas and with their minus; any other text made harmless."""
    if FIGURE.fullmatch(text):
        return text.replace("\u2212", "-").removeprefix("+").replace(",", "")
    return harmless(text)


def _offset(request: HttpRequest) -> int | None:
    """The first row's place in the list, None for nonsense."""
    text = request.GET.get("offset") or "0"
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= OFFSET_LIMIT else None

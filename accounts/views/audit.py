"""The audit log: list, filter, sort, export."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from accounts.forms import AuditFilterForm
from accounts.models import AuditEntry
from accounts.permissions import access_audit, gate

PER_PAGE = 50
COLUMNS = ("at", "actor_name", "verb", "target")
EXPORT_HEAD = ("at", "actor", "verb", "target", "detail", "address")


@require_GET
@gate(access_audit)
def entries(request: HttpRequest) -> HttpResponseBase:
    """The page, its list alone for htmx, or everything that matches as CSV (`?format=csv`)."""
    form = AuditFilterForm(request.GET)
    sort = _sort(request.GET.get("sort", ""))
    matching = _matching(form).order_by(sort, "-pk" if sort.startswith("-") else "pk")
    if request.GET.get("format") == "csv":
        return _export(matching)
    context = {
        "form": form,
        "page": Paginator(matching, PER_PAGE).get_page(request.GET.get("page")),
        "sort": sort,
        "headings": _headings(request, sort),
        "verbs": AuditEntry.objects.order_by("verb").values_list("verb", flat=True).distinct(),
        "query": _query(request, without=("page", "format")),
    }
    response = render(request, "accounts/_audit_list.html" if _partial(request) else "accounts/audit.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _partial(request: HttpRequest) -> bool:
    """Whether htmx asks for the list alone; going back in the history asks for the whole page."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-History-Restore-Request") != "true"


def _matching(form: AuditFilterForm) -> QuerySet[AuditEntry]:
    """The entries that a valid form asks for; a wrong one finds none, and its errors are on the page."""
    if not form.is_valid():
        return AuditEntry.objects.none()
    asked, found = form.cleaned_data, AuditEntry.objects.all()
    if asked["actor"]:
        found = found.filter(actor_name__icontains=asked["actor"])
    if asked["verb"]:
        found = found.filter(verb=asked["verb"])
    if asked["target"]:
        found = found.filter(target__icontains=asked["target"])
    if asked["since"]:
        found = found.filter(at__gte=datetime.combine(asked["since"], time(), UTC))
    if asked["until"]:
        found = found.filter(at__lt=datetime.combine(asked["until"] + timedelta(days=1), time(), UTC))
    return found


def _sort(asked: str) -> str:
    return asked if asked.removeprefix("-") in COLUMNS else "-at"


def _headings(request: HttpRequest, sort: str) -> list[dict[str, str]]:
    """Each column with the link that sorts by it, the other way round where it is sorted by already."""
    titles = {"at": "Time (UTC)", "actor_name": "Who", "verb": "What", "target": "On"}
    return [
        {
            "title": titles[name],
            "query": _query(request, without=("page", "format", "sort"), sort=f"-{name}" if sort == name else name),
            "aria": "ascending" if sort == name else "descending" if sort == f"-{name}" else "none",
        }
        for name in COLUMNS
    ]


def _query(request: HttpRequest, without: Iterable[str], **extra: str) -> str:
    query = request.GET.copy()
    for name in without:
        query.pop(name, None)
    query.update(extra)
    return query.urlencode()


class _Echo:
    """A file for csv that hands each line back instead of keeping it."""

    def write(self, line: str) -> str:
        """The line."""
        return line


def _export(matching: QuerySet[AuditEntry]) -> StreamingHttpResponse:
    """All that matches as a download, streamed."""
    headers = {"Content-Disposition": 'attachment; filename="riskdesk-audit.csv"'}
    return StreamingHttpResponse(_lines(matching), content_type="text/csv; charset=utf-8", headers=headers)


def _lines(matching: QuerySet[AuditEntry]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(EXPORT_HEAD)
    for entry in matching.iterator(chunk_size=1000):
        detail = "; ".join(f"{name}: {value}" for name, value in entry.detail.items())
        at = entry.at.isoformat(timespec="milliseconds")
        row = (at, entry.actor_name, entry.verb, entry.target, detail, entry.address or "")
        yield writer.writerow([_harmless(cell) for cell in row])


def _harmless(cell: str) -> str:
    """A name typed at the login must not become a formula in somebody's spreadsheet."""
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell

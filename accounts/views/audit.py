"""The audit log: list, filter, sort, export."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_GET

from accounts.forms import AuditFilterForm
from accounts.models import AuditEntry
from accounts.permissions import access_audit, gate
from accounts.views import lists
from accounts.views.exports import csv_refusal, csv_response

PER_PAGE = 50
TITLES = {"at": "Time (UTC)", "actor_name": "Who", "verb": "What", "target": "On"}
EXPORT_HEAD = ("at", "actor", "verb", "target", "detail", "address")


@require_GET
@gate(access_audit)
def entries(request: HttpRequest) -> HttpResponseBase:
    """The page, its list alone for htmx, or everything that matches as CSV (`?format=csv`)."""
    form = AuditFilterForm(request.GET)
    sort = form.sort_or("-at")
    matching = _matching(form).order_by(sort, "-pk" if sort.startswith("-") else "pk")
    if request.GET.get("format") == "csv":
        if not form.is_valid():
            return csv_refusal(form)
        rows = (_cells(entry) for entry in matching.iterator(chunk_size=1000))
        return csv_response("riskdesk-audit.csv", EXPORT_HEAD, rows)
    context = {
        "form": form,
        "page": Paginator(matching, PER_PAGE).get_page(request.GET.get("page")),
        "sort": sort,
        "headings": lists.headings(request, TITLES, sort),
        "verbs": AuditEntry.objects.order_by("verb").values_list("verb", flat=True).distinct(),
        "query": lists.query(request),
    }
    return lists.render_list(request, "accounts/audit.html", "accounts/_audit_list.html", context)


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


def _cells(entry: AuditEntry) -> tuple[str, ...]:
    """A line of the export, in the order of its head."""
    detail = "; ".join(f"{name}: {value}" for name, value in entry.detail.items())
    at = entry.at.isoformat(timespec="milliseconds")
    return (at, entry.actor_name, entry.verb, entry.target, detail, entry.address or "")

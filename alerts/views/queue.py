"""The alert queue: list, filter, sort, export."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from accounts.permissions import access_alerts, gate, may_acknowledge
from accounts.templatetags import formats
from accounts.views.exports import csv_refusal, csv_response
from alerts.deliveries import missing_destination
from alerts.forms import AlertFilterForm
from alerts.models import Alert, AlertState, Delivery, DeliveryState, Destination, DestinationHealth
from alerts.routes import AlertKind
from alerts.views.rail import ranked, row_of

PER_PAGE = 50
DEFAULT_SORT = "-severity"
SORTS = {
    "severity": ("sev", "first_fired_at"),
    "state": ("state", "first_fired_at"),
    "account": ("account__login", "first_fired_at"),
    "rule": ("rule", "first_fired_at"),
    "first": ("first_fired_at",),
    "last": ("last_event_at",),
}
TITLES = {
    "severity": "Severity",
    "state": "State",
    "account": "Account",
    "rule": "Rule",
    "first": "First (UTC)",
    "last": "Last (UTC)",
}
EXPORT_HEAD = (
    "first", "last", "severity", "kind", "state", "account", "login", "server", "rule", "used", "text", "times fired",
    "acknowledged by", "acknowledged at", "resolved at",
)  # fmt: skip


@require_GET
@gate(access_alerts)
def queue(request: HttpRequest) -> HttpResponseBase:
    """The page, its list alone for htmx, or everything that matches as CSV (`?format=csv`)."""
    if request.GET.get("format") == "csv":
        form = AlertFilterForm(request.GET)
        if not form.is_valid():
            return csv_refusal(form)
        found = matching(form, form.sort_or(DEFAULT_SORT))
        rows = (_cells(alert) for alert in found.iterator(chunk_size=1000))
        return csv_response("riskdesk-alerts.csv", EXPORT_HEAD, rows)
    partial = (
        request.headers.get("HX-Request") == "true" and request.headers.get("HX-History-Restore-Request") != "true"
    )
    template = "alerts/_list.html" if partial else "alerts/queue.html"
    response = render(request, template, list_context(request))
    patch_vary_headers(response, ["HX-Request"])
    return response


def list_context(request: HttpRequest, notice: str = "") -> dict[str, Any]:
    """What the list shows for the request's query."""
    form = AlertFilterForm(request.GET)
    sort = form.sort_or(DEFAULT_SORT)
    page = Paginator(matching(form, sort), PER_PAGE).get_page(request.GET.get("page"))
    return {
        "form": form,
        "page": page,
        "rows": [row_of(alert) for alert in page.object_list],
        "sort": sort,
        "headings": _headings(request.GET, sort),
        "query": _query(request.GET, without=("page", "format")),
        "may_acknowledge": may_acknowledge(request.user),
        "missing": missing_destination(),
        "degraded": Destination.objects.exclude(health=DestinationHealth.OK),
        "dead": Delivery.objects.filter(state=DeliveryState.DEAD).count(),
        "notice": notice,
    }


def matching(form: AlertFilterForm, sort: str) -> QuerySet[Alert]:
    """The alerts that a valid form asks for, in order; a wrong one finds none, and its errors are on the page."""
    if not form.is_valid():
        return ranked(Alert.objects.none())
    asked = form.asked()
    found = ranked(Alert.objects.all())
    if asked["state"] == "open":
        found = found.filter(state__in=[AlertState.PENDING, AlertState.FIRING, AlertState.ACKNOWLEDGED])
    elif asked["state"] != "all":
        found = found.filter(state=asked["state"])
    if asked["severity"] == "breach":
        found = found.filter(kind=AlertKind.BREACH.value)
    elif asked["severity"]:
        found = found.filter(severity=asked["severity"]).exclude(kind=AlertKind.BREACH.value)
    for word in asked["q"].split():
        found = found.filter(
            Q(account__login__icontains=word)
            | Q(account__public_id__icontains=word)
            | Q(account__holder__icontains=word)
            | Q(account__trader__username__icontains=word)
            | Q(account__server__name__icontains=word)
            | Q(title__icontains=word)
            | Q(text__icontains=word)
        )
    sign, name = ("-", sort[1:]) if sort.startswith("-") else ("", sort)
    first, *rest = SORTS[name]
    return found.order_by(f"{sign}{first}", *(f"-{column}" for column in rest), "pk")


def _headings(query: QueryDict, sort: str) -> list[dict[str, str]]:
    """Each column with the link that sorts by it, the other way round where it is sorted by already."""
    return [
        {
            "title": title,
            "query": _query(query, without=("page", "format", "sort"), sort=name if sort == f"-{name}" else f"-{name}"),
            "aria": "ascending" if sort == name else "descending" if sort == f"-{name}" else "none",
        }
        for name, title in TITLES.items()
    ]


def _query(asked: QueryDict, without: Iterable[str], **extra: str) -> str:
    query = asked.copy()
    for name in without:
        query.pop(name, None)
    query.update(extra)
    return query.urlencode()


def _cells(alert: Alert) -> list[str]:
    """A line of the export, in the order of its head."""
    account, acked_by = alert.account, alert.acked_by
    whom = [account.public_id, account.login, account.server.name] if account else ["", "", ""]
    used = "" if alert.used is None else str(alert.used)
    return [
        *(formats.iso(alert.first_fired_at), formats.iso(alert.last_event_at)),
        *(alert.severity, alert.kind, alert.state, *whom, alert.rule, used, alert.text, str(alert.fired_count)),
        *(acked_by.username if acked_by else "", formats.iso(alert.acked_at), formats.iso(alert.resolved_at)),
    ]

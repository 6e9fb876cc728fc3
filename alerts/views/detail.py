"""One alert: its history, its deliveries with every attempt, and what a person may do with it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction as database
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from accounts.models import User
from accounts.permissions import access_acknowledge, access_alerts, gate, may_acknowledge
from alerts.deliveries import Actor, NotAllowed, StaleVersion, broken_link, missing_destination, transition
from alerts.forms import ResolveForm
from alerts.models import ActorKind, Alert, AlertState, Delivery, DeliveryState
from alerts.routes import AlertEvent, AlertKind
from alerts.views.queue import list_context
from alerts.views.rail import rail, ranked, row_of

SILENT = (DeliveryState.SUPPRESSED, DeliveryState.SUPERSEDED, DeliveryState.DEAD, DeliveryState.UNKNOWN)


@require_GET
@gate(access_alerts)
def detail(request: HttpRequest, alert_id: UUID) -> HttpResponseBase:
    """The alert's page."""
    return render(request, "alerts/detail.html", detail_context(request, _get(alert_id)))


@require_POST
@gate(access_alerts, access_acknowledge)
def acknowledge(request: HttpRequest, alert_id: UUID) -> HttpResponseBase:
    """Take an alert up; answers with whatever part of the page asked."""
    alert = _get(alert_id)
    return _answer(request, alert, _do(request, alert, AlertEvent.ACKNOWLEDGE, "Taken up."))


@require_POST
@gate(access_alerts, access_acknowledge)
def resolve(request: HttpRequest, alert_id: UUID) -> HttpResponseBase:
    """Close a breach by hand, with a reason; warnings end by themselves."""
    alert, form = _get(alert_id), ResolveForm(request.POST)
    if alert.kind != AlertKind.BREACH:
        return _answer(request, alert, "A warning ends by itself when the account is clear of its limit.")
    if not form.is_valid():
        return _answer(request, alert, "Say why: the reason is missing or too long (500 signs at most).")
    return _answer(request, alert, _do(request, alert, AlertEvent.RESOLVE, form.cleaned_data["reason"]))


def _do(request: HttpRequest, alert: Alert, event: AlertEvent, reason: str) -> str:
    """Make the transition with its audit entry; returns why not, empty when done."""
    assert isinstance(request.user, User)  # the gate let nobody else through
    expected = request.POST.get("version", "")
    if expected and not (expected.isascii() and expected.isdigit() and len(expected) < 9):
        return "The alert's version is not a number: load the page again."
    try:
        with database.atomic():
            transition(
                alert.pk, event, Actor(ActorKind.USER, request.user), int(expected) if expected else None,
                at=timezone.now(), reason=reason,
            )  # fmt: skip
            detail = {"reason": reason, "alert": str(alert.pk), "episode": alert.episode}
            audit.record(request.user, f"alert_{event.value}", alert.title, detail, request)
    except (NotAllowed, StaleVersion) as refusal:
        return _why_not(alert.pk, str(refusal))
    return ""


def _why_not(alert_id: UUID, refusal: str) -> str:
    """Who was quicker, where that is the reason."""
    alert = Alert.objects.select_related("acked_by").get(pk=alert_id)
    if alert.state == AlertState.ACKNOWLEDGED and alert.acked_by:
        return f"{alert.acked_by.username} has acknowledged this alert already."
    return "This alert is resolved already." if alert.state == AlertState.RESOLVED else refusal


def _answer(request: HttpRequest, alert: Alert, notice: str) -> HttpResponse:
    """The rail, the list or the timeline anew, by what htmx wants to replace; a plain form goes to the alert's page."""
    target = request.headers.get("HX-Target", "")
    if target == "alert-rail":
        return render(request, "alerts/_rail.html", {**rail(), "notice": notice})
    if target == "alert-list":
        return render(request, "alerts/_list.html", list_context(request, notice))
    context = detail_context(request, _get(alert.pk), notice)
    if target == "alert-detail":
        return render(request, "alerts/_detail.html", context)
    if notice:
        return render(request, "alerts/detail.html", context, status=409)
    return redirect("alert", alert.pk)


def detail_context(request: HttpRequest, alert: Alert, notice: str = "") -> dict[str, Any]:
    """Everything about an alert, and why whoever was not told was not."""
    tries = Prefetch("deliveries", Delivery.objects.select_related("destination").prefetch_related("tries"))
    whole = ranked(Alert.objects.filter(pk=alert.pk)).prefetch_related("transitions", tries).get()
    deliveries = list(whole.deliveries.all())
    return {
        "row": row_of(whole),
        "alert": whole,
        "transitions": whole.transitions.all(),
        "deliveries": deliveries,
        "silent": [one for one in deliveries if one.state in SILENT],
        "broken": broken_link(alert.pk),
        "missing": missing_destination(),
        "may_acknowledge": may_acknowledge(request.user),
        "may_resolve": whole.kind == AlertKind.BREACH and may_acknowledge(request.user),
        "notice": notice,
    }


def _get(alert_id: UUID) -> Alert:
    found = Alert.objects.filter(pk=alert_id).first()
    if found is None:
        raise Http404("There is no such alert.")
    return found

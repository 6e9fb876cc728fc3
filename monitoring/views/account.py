"""One account: its limits, positions, history and chart, live; and the release from review."""

from __future__ import annotations

from time import time
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts import challenges
from accounts.models import Account, User
from accounts.permissions import (
    access_account,
    access_acknowledge,
    gate,
    may_acknowledge,
    may_override,
)
from accounts.templatetags import formats
from monitoring import charts, objectives, replica
from monitoring.objectives import Rulebook
from monitoring.replica.history import HistoryUnavailable, history
from monitoring.views import timeline


class ReleaseForm(forms.Form):
    """Why an account is judged again."""

    reason = forms.CharField(max_length=500)


@require_safe
@gate()
@charts.chart_page
@vary_on_headers("HX-Request")
def account(request: HttpRequest, public_id: str) -> HttpResponseBase:
    """The page; htmx gets the timeline alone; `?format=csv` the events as a file."""
    found = access_account(request.user, public_id)
    if request.GET.get("format") == "csv":
        return timeline.export(request, found)
    if rules_asked(request):
        return rules(request, found)
    mark = objectives.rules_of(replica.get().row(public_id))
    book = objectives.rulebook(found)
    story = timeline.timeline(request, found, book.reset_zone if book and book.reset_zone else "UTC")
    if request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request"):
        return render(request, "monitoring/_timeline.html", story)
    context = {
        **story,
        **live_context(request, found, book),
        "rules_mark": mark,
        "may_release": may_acknowledge(request.user),
        "may_override": may_override(request.user),
    }
    return render(request, "monitoring/account.html", context)


def rules_asked(request: HttpRequest) -> bool:
    """Whether the page asks for what its rules make of it, because they changed."""
    return request.GET.get("part") == "rules" and bool(request.headers.get("HX-Request"))


def rules(request: HttpRequest, found: Account, *, trader: bool = False) -> HttpResponse:
    """The cards, and beside them the rulebook, as they are now."""
    mark = objectives.rules_of(replica.get().row(found.public_id))  # before the book: what is newer is asked for again
    context = {**live_context(request, found, objectives.rulebook(found)), "rules_mark": mark}
    context |= {"trader": trader, "oob": True}
    return render(request, "monitoring/_rules.html", context)


def live_context(request: HttpRequest, found: Account, book: Rulebook | None) -> dict[str, Any]:
    """What the socket goes on with: cells, cards, positions."""
    row, health = replica.get().row(found.public_id), replica.get().health()
    zone = reader_zone(request)
    cells = {**replica.get().cells(row), **objectives.live_cells(row, book, zone)} if row else {}
    return {
        "account": found,
        "book": book,
        "row": row,
        "c": {**cells, "age": _age(row.updated_ms if row else None)},
        "version_words": objectives.version_words(book.version, book.overridden) if book else "",
        "cards": objectives.cards(book, row) if book else [],
        "mark": replica.get().news(row) if row else "",
        "own_zone": zone,
        "ranges": charts.RANGES,
        "live": "stale" if health.live != "connected" else "reconnecting",
        **objectives.positions(row),
    }


def reader_zone(request: HttpRequest) -> str:
    """The zone whose clock the reader has: his own, else the firm's."""
    return str(getattr(request.user, "time_zone", "") or settings.RISKDESK_TIME_ZONE)


@require_safe
@never_cache
@gate()
def chart(request: HttpRequest, public_id: str) -> JsonResponse:
    """The equity chart as Plotly's JSON; `?range=1h|1d|all`. 503 while Redis cannot be asked."""
    found = access_account(request.user, public_id)
    asked = request.GET.get("range", "1h")
    if asked not in charts.RANGES:
        return JsonResponse({"error": f"range must be one of {', '.join(charts.RANGES)}"}, status=400)
    row = replica.get().row(public_id)
    try:
        points = history(list(replica.get().monitors()), public_id)
    except HistoryUnavailable as error:
        return JsonResponse({"error": str(error)}, status=503)
    digits, currency = (row.digits, row.currency) if row else (2, found.currency)
    return JsonResponse(charts.equity_chart(points, asked, int(time() * 1000), currency, digits))


@require_POST
@gate(access_acknowledge)
def release(request: HttpRequest, public_id: str) -> HttpResponse:
    """Judge an account in review again; a reason is needed and audited."""
    found = access_account(request.user, public_id)
    book, form = objectives.rulebook(found), ReleaseForm(request.POST)
    assert isinstance(request.user, User)
    if book is None:
        messages.error(request, "The account has no challenge yet.")
    elif not form.is_valid():
        messages.error(request, f"Not released. Say why: {' '.join(str(error) for error in form.errors['reason'])}")
    else:
        try:
            challenges.release_from_review(book.challenge, request.user, form.cleaned_data["reason"])
            messages.success(request, f"Account {found.login} is judged again.")
        except challenges.ChallengeError as error:
            messages.error(request, str(error))
    return redirect("account", public_id=found.public_id)


def _age(updated_ms: int | None) -> str:
    return replica.age(int(time() * 1000) - updated_ms) if updated_ms else formats.NOTHING

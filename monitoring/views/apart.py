"""Rules set apart from the desk: the accounts that a filter shows, and what an override would do to them now."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from json import dumps
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.models import Challenge
from accounts.permissions import access_override, gate
from accounts.views import overrides
from monitoring import replica
from monitoring.replica import DeskQuery
from monitoring.views import filters
from monitoring.views.preview import ORDER, SEVERITY, WORDS, shown
from monitoring.whatif import Effect, Sweep, SweepUnavailable, Verdict, Wanted, effects_of_override, sweep_by

SHOWN = 100


@require_POST
@gate(access_override)
def apart(request: HttpRequest) -> HttpResponse:
    """Go on to set a rule apart for every account that passes the desk's filters now."""
    view = request.POST.get("view", "")
    if complaints := DeskQuery.complaints_of(view):
        messages.error(request, " ".join(complaints))
        return redirect("desk")
    query, book = DeskQuery.from_string(view), replica.get()
    way_back = f"/desk/?{query.querystring()}" if query.querystring() else "/desk/"
    ids = book.view(query, 0, len(book.rows())).ids
    if not ids:
        messages.error(request, "No account passes these filters any more.")
        return redirect(way_back)
    chips = [chip["text"] for chip in filters.describe(query.effective(), book)["chips"]]
    return overrides.choose_for(request, ids, ", ".join(chips) or "all of the desk", way_back)


@require_POST
@never_cache
@gate(access_override)
def preview(request: HttpRequest) -> HttpResponse:
    """The fragment: who would be warned or in breach by what the form says, one portion of the accounts further."""
    challenges, rule, ordinal, replacement, errors = overrides.wanted_of(request)
    context: dict[str, Any] = {"errors": errors, "challenges": len(challenges)}
    if challenges and not errors:
        wanted = Wanted(rule, ordinal, replacement)
        try:
            context |= _listed(_swept(request, challenges, wanted))
        except SweepUnavailable as error:
            context["errors"] = [("", str(error))]
    return render(request, "monitoring/_apart_preview.html", context)


def _swept(request: HttpRequest, challenges: list[Challenge], wanted: Wanted) -> Sweep:
    keys = [challenge.pk for challenge in challenges]
    asked = dumps([request.user.pk, wanted.rule, wanted.ordinal, wanted.replacement, keys], sort_keys=True)
    key = f"apart:{sha256(asked.encode()).hexdigest()[:32]}"
    concerned = Challenge.objects.filter(pk__in=keys).select_related("account", "rule_set")

    def judged(portion: list[Challenge]) -> list[Effect]:
        return effects_of_override(portion, wanted, datetime.now(UTC))

    return sweep_by(key, concerned, judged, anew=request.POST.get("again") == "1")


def _listed(found: Sweep) -> dict[str, Any]:
    rows = sorted(found.rows, key=lambda one: (ORDER[one.verdict], -(one.after.used or 0), one.login))
    return {
        "sweep": found,
        "strip": [(verdict.value, WORDS[verdict], found.count(verdict), SEVERITY.get(verdict, 0)) for verdict in WORDS],
        "breaches": found.count(Verdict.BREACH),
        "rows": [shown(one) for one in rows[:SHOWN]],
        "more": max(len(rows) - SHOWN, 0),
    }

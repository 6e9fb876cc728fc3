"""A trader's own page: what he may still lose, when the day resets, and why a challenge ended."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.models import Account
from accounts.permissions import AccessRefused, access_own_accounts, gate
from monitoring import charts, objectives, replica
from monitoring.views import timeline
from monitoring.views.account import live_context, rules, rules_asked


@require_safe
@gate(access_own_accounts)
@charts.chart_page
@vary_on_headers("HX-Request")
def me(request: HttpRequest) -> HttpResponseBase:
    """The page of one of his accounts (`?account=`), the one nearest a limit when none is named."""
    own = list(Account.objects.filter(trader_id=request.user.pk).select_related("server", "trader").order_by("login"))
    if not own:
        return render(request, "monitoring/me_empty.html")
    shown = _shown(own, request.GET.get("account", ""))
    if request.GET.get("format") == "csv":
        return timeline.export(request, shown)
    if rules_asked(request):
        return rules(request, shown, trader=True)
    mark = objectives.rules_of(replica.get().row(shown.public_id))
    book = objectives.rulebook(shown)
    story = timeline.timeline(request, shown, book.reset_zone if book and book.reset_zone else "UTC")
    story |= {"trader": True, "base": urlencode({"account": shown.public_id})}
    if request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request"):
        return render(request, "monitoring/_timeline.html", story)
    context = {**story, **live_context(request, shown, book), "picker": _picker(own, shown), "rules_mark": mark}
    return render(request, "monitoring/me.html", context)


def _shown(own: list[Account], asked: str) -> Account:
    """The account asked for; one that is not his is refused as an unknown one is."""
    if asked:
        found = next((account for account in own if account.public_id == asked), None)
        if found is None:
            raise AccessRefused("You can only open your own accounts.")
        return found
    return max(own, key=_nearness)


def _nearness(account: Account) -> tuple[int, int]:
    """How near a limit an account is; one that the monitor has not told of comes last."""
    row = replica.get().row(account.public_id)
    return (row.severity, max(row.daily_used or 0, row.max_used or 0)) if row else (-1, 0)


def _picker(own: list[Account], shown: Account) -> list[dict[str, Any]]:
    """One entry an account, with its live severity and equity."""
    found = []
    for account in own:
        row = replica.get().row(account.public_id)
        found.append({"account": account, "shown": account == shown, "cells": replica.get().cells(row) if row else {}})
    return found

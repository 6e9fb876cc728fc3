"""The feeds: every upstream's health, and the switch between watching and enforcing."""

from __future__ import annotations

import csv
from io import StringIO
from time import time

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts import servers
from accounts.models import EnforcementMode, Server, User
from accounts.permissions import access_enforcement, access_feeds, gate, may_enforce_server
from accounts.views.exports import harmless, refusal
from monitoring import replica
from monitoring.live.publish import ServerRow
from monitoring.replica.feeds import MODE_WORDS, FeedQuery, feeds_page


class SwitchForm(forms.Form):
    """What a server shall do from now on, why, and that it is meant."""

    mode = forms.ChoiceField(choices=[(mode.value, mode.label) for mode in EnforcementMode if mode.value])
    reason = forms.CharField(max_length=500, error_messages={"required": "Say why."})
    confirm = forms.BooleanField(error_messages={"required": "Confirm the switch."})


@require_safe
@gate(access_feeds)
@vary_on_headers("HX-Request")
def feeds(request: HttpRequest) -> HttpResponse:
    """The page; htmx gets the list alone; `?format=csv` the list as a file."""
    query = FeedQuery.parse(request.GET.dict())
    complaints = FeedQuery.complaints(request.GET)
    if request.GET.get("format") == "csv":
        if complaints:
            return refusal(complaints)
        return _export(query.pick(replica.get().servers()))
    context = feeds_page(replica.get(), query, int(time() * 1000))
    if request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request"):
        return render(request, "monitoring/_feeds.html", context)
    context |= {
        "complaints": complaints,
        "servers": [_switch(server) for server in Server.objects.order_by("name")],
        "may_switch": may_enforce_server(request.user),
        "live": "stale" if replica.get().health().live != "connected" else "reconnecting",
    }
    return render(request, "monitoring/feeds.html", context)


@require_POST
@gate(access_enforcement)
def switch(request: HttpRequest, server_id: int) -> HttpResponse:
    """Switch a server between live and dry run; refused without a reason and a confirmation."""
    server, form = get_object_or_404(Server, pk=server_id), SwitchForm(request.POST)
    assert isinstance(request.user, User)
    if form.is_valid():
        mode = EnforcementMode(form.cleaned_data["mode"])
        servers.switch_enforcement(server, mode, request.user, form.cleaned_data["reason"], request)
        messages.success(request, f"{server.name}: enforcement is switched to {mode.label.lower()}.")
    else:
        problems = " ".join(str(error) for errors in form.errors.values() for error in errors)
        messages.error(request, f"{server.name} was not switched. {problems}")
    return redirect("feeds")


def _switch(server: Server) -> dict[str, object]:
    """A server with what it does now and what it could do instead."""
    row = next((one for one in replica.get().servers() if one.server == server.name), None)
    now = row.enforcement_mode if row else server.enforcement or settings.RISKDESK_ENFORCEMENT
    other = EnforcementMode.DRY_RUN if now == EnforcementMode.LIVE else EnforcementMode.LIVE
    return {
        "server": server,
        "now": MODE_WORDS.get(now, now),
        "stored": server.get_enforcement_display(),
        "other": other,
    }


def _export(rows: list[ServerRow]) -> HttpResponse:
    """The upstreams as CSV; times in epoch milliseconds, as they are counted."""
    buffer = StringIO()
    writer = csv.writer(buffer)
    names = ServerRow.__struct_fields__
    writer.writerow(names)
    for row in rows:
        writer.writerow([_plain(getattr(row, name)) for name in names])
    headers = {"Content-Disposition": 'attachment; filename="riskdesk-feeds.csv"'}
    return HttpResponse(buffer.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{reason}: {count}" for reason, count in sorted(value.items()))
    text = "" if value is None else str(value)
    return harmless(text) if isinstance(value, str) else text

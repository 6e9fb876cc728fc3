"""The servers' tables of symbols: listed, set, taken out, imported; names that nobody knows come first."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from accounts import symbols as book
from accounts.forms import ListForm
from accounts.models import Server, SymbolName, User
from accounts.permissions import access_symbols, access_symbols_change, gate, may_change_symbols
from accounts.symbols import SymbolError
from accounts.views import lists
from accounts.views.exports import csv_refusal, csv_response

PER_PAGE = 100
WRONG = 422
TITLES = {"raw": "Name on the server", "base": "Base name", "updated_at": "Set (UTC)"}


class SymbolFilterForm(ListForm):
    """Which names to list."""

    columns: ClassVar[tuple[str, ...]] = tuple(TITLES)

    server = forms.CharField(required=False, max_length=64)
    q = forms.CharField(required=False, max_length=64, label="Search")


class SymbolForm(forms.Form):
    """One name."""

    raw = forms.CharField(max_length=64, label="Name on the server")
    base = forms.CharField(max_length=32, required=False, label="Base name")


@require_GET
@gate(access_symbols)
def symbols(request: HttpRequest) -> HttpResponseBase:
    """The page of one server, its list alone for htmx, or its table as CSV, which the import reads again."""
    form = SymbolFilterForm(request.GET)
    servers = list(Server.objects.order_by("name"))
    server = _chosen(form, servers)
    sort = form.sort_or("raw")
    matching = _matching(form, server).order_by(sort, "pk")
    if request.GET.get("format") == "csv":
        if not form.is_valid():
            return csv_refusal(form)
        rows = ((one.raw, one.base) for one in matching.iterator(chunk_size=1000))
        return csv_response("riskdesk-symbols.csv", ("raw", "base"), rows)
    context = {
        **_about(request, server, servers),
        "form": form,
        "page": Paginator(matching, PER_PAGE).get_page(request.GET.get("page")),
        "sort": sort,
        "headings": lists.headings(request, TITLES, sort),
        "query": lists.query(request),
        "symbol_form": SymbolForm(initial={name: request.GET.get(name, "")[:64] for name in ("raw", "base")}),
    }
    return lists.render_list(request, "accounts/symbols.html", "accounts/_symbols_list.html", context)


@require_POST
@gate(access_symbols_change)
def change(request: HttpRequest, server_id: int) -> HttpResponse:
    """`do=set` one name, `do=remove` one, `do=import` a CSV; what is wrong is said and nothing set."""
    server = Server.objects.filter(pk=server_id).first()
    if server is None:
        raise Http404("There is no such server.")
    assert isinstance(request.user, User)
    raw, base = request.POST.get("raw", ""), request.POST.get("base", "")
    try:
        if request.POST.get("do") == "import":
            done = book.import_csv(server, _text(request), request.user, source="form", request=request)
        else:
            name = None if request.POST.get("do") == "remove" else base
            done = book.set_names(server, {raw: name}, request.user, source="form", request=request)
    except SymbolError as error:
        context = {
            **_about(request, server, list(Server.objects.order_by("name"))),
            "errors": error.errors[:100],
            "symbol_form": SymbolForm(initial={"raw": raw[:64], "base": base[:64]}),
        }
        return render(request, "accounts/symbols.html", context, status=WRONG)
    messages.success(request, f"{done.added} added, {done.changed} changed, {done.removed} removed.")
    return redirect(f"{reverse('symbols')}?{urlencode({'server': server.name})}")


def _about(request: HttpRequest, server: Server | None, servers: list[Server]) -> dict[str, Any]:
    return {
        "server": server,
        "servers": servers,
        "unknown": book.unknown_names(server) if server else [],
        "may_change": may_change_symbols(request.user),
    }


def _chosen(form: SymbolFilterForm, servers: list[Server]) -> Server | None:
    """The server of that name, else the first; an unknown one is said."""
    if not form.is_valid():
        return servers[0] if servers else None
    asked = form.cleaned_data["server"]
    found = next((one for one in servers if one.name == asked), None)
    if asked and found is None:
        form.add_error("server", f"There is no server “{asked}”.")
    return found or (servers[0] if servers else None)


def _matching(form: SymbolFilterForm, server: Server | None) -> QuerySet[SymbolName]:
    if server is None or not form.is_valid():
        return SymbolName.objects.none()
    found = SymbolName.objects.filter(server=server).select_related("author")
    if word := form.cleaned_data["q"].strip():
        found = found.filter(raw__icontains=word) | found.filter(base__icontains=word)
    return found


def _text(request: HttpRequest) -> str:
    """The CSV that was sent, as a file or as text."""
    upload = request.FILES.get("file")
    if upload is None:
        return request.POST.get("text", "")
    if (upload.size or 0) > 2_000_000:
        raise SymbolError("The file has more than 2,000,000 bytes: import it in parts.")
    try:
        return bytes(upload.read()).decode("utf-8")
    except UnicodeDecodeError as error:
        raise SymbolError("The file is no UTF-8 text.") from error

"""The servers' tables of symbols over the API."""

from __future__ import annotations

from django.http import Http404, HttpRequest
from ninja import Router

from accounts import symbols
from accounts.api.auth import allowed
from accounts.api.bodies import csv_or_json, either
from accounts.api.shapes import SymbolOut, SymbolsAsked, SymbolsChanged
from accounts.models import Server, SymbolName
from accounts.permissions import access_symbols, access_symbols_change

router = Router(tags=["symbols"])
EXAMPLE = "raw,base,removed\nGOLD.x,XAUUSD,\nOLDNAME,,yes\n"


@router.get("{server}", response=list[SymbolOut], summary="A server's table of symbols")
def listed(request: HttpRequest, server: str) -> list[SymbolOut]:
    """By raw name."""
    allowed(request, access_symbols)
    rows = SymbolName.objects.filter(server=_found(server)).select_related("author").order_by("raw")
    return [
        SymbolOut(
            raw=row.raw, base=row.base, author=row.author.username if row.author else None, updated_at=row.updated_at
        )
        for row in rows
    ]


@router.post(
    "{server}",
    response=SymbolsChanged,
    summary="Set or take out names of a server's table",
    openapi_extra=dict(either(SymbolsAsked, EXAMPLE)),
)
def change(request: HttpRequest, server: str) -> SymbolsChanged:
    """All of them or none; names that are not mentioned stay."""
    user = allowed(request, access_symbols_change)
    held = _found(server)
    body = csv_or_json(request, SymbolsAsked)
    if isinstance(body, str):
        done = symbols.import_csv(held, body, user, source="API", request=request)
    else:
        done = symbols.set_names(held, body.names, user, source="API", request=request)
    return SymbolsChanged(added=done.added, changed=done.changed, removed=done.removed, unchanged=done.unchanged)


def _found(name: str) -> Server:
    found = None if "\0" in name else Server.objects.filter(name=name).first()
    if found is None:
        raise Http404(f"There is no server {name!r}.")
    return found

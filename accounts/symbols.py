"""What each server calls its symbols: the table that overrides the general normalisation of names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.http import HttpRequest

from accounts import audit, servers, tables
from accounts.models import Server, SymbolName, User
from accounts.refusals import Complaint, Refusal
from accounts.tables import Cells

COLUMNS, OPTIONAL = ("raw", "base"), ("removed",)
_BASE = re.compile(r"[A-Z0-9][A-Z0-9.&_-]{0,31}")


UnknownNames = Callable[[Server], Iterable[str]]
_sources: list[UnknownNames] = []  # who sees names that the engine cannot normalise: monitoring registers itself


class SymbolError(Refusal):
    """Names that were refused, all of them; `errors` lists (line or name, message)."""


@dataclass(frozen=True, slots=True)
class Changed:
    """How many names a call added, changed, removed, and found as they are."""

    added: int
    changed: int
    removed: int
    unchanged: int


def set_names(
    server: Server,
    names: Mapping[str, str | None],
    actor: User,
    *,
    source: str = "",
    request: HttpRequest | None = None,
) -> Changed:
    """Set the base names of raw ones (None: out of the table), all or none; the monitor judges by them at once."""
    rows = [Cells(raw, {"raw": raw, "base": base, "removed": base is None}) for raw, base in names.items()]
    return _store(server, _read(rows, []), actor, source, request)


def import_csv(
    server: Server, text: str, actor: User, *, source: str = "CSV", request: HttpRequest | None = None
) -> Changed:
    """Set names from a CSV with the head raw,base (and removed: yes); SymbolError lists every wrong line."""
    return _store(server, read_csv(text), actor, source, request)


def tell_unknown(source: UnknownNames) -> None:
    """Have `unknown_names` ask that source too: a server's raw names without a base name."""
    if source not in _sources:
        _sources.append(source)


def unknown_names(server: Server) -> list[str]:
    """Raw names that were seen on the server and have no base name yet, by name."""
    seen = {raw for source in _sources for raw in source(server)}
    return sorted(seen - set(SymbolName.objects.filter(server=server).values_list("raw", flat=True)))


def read_csv(text: str) -> dict[str, str | None]:
    """The names of a CSV text; None for one to be removed."""
    return _read(*tables.csv_rows(text, COLUMNS, OPTIONAL))


def _read(rows: list[Cells], errors: list[Complaint]) -> dict[str, str | None]:
    found = tables.read(rows, errors, _name, lambda pair: pair[0])
    if not found and not errors:
        errors.append(("", "There is no name in it."))
    if errors:
        raise SymbolError(errors)
    return dict(found)


def _name(cells: Cells) -> tuple[str, str | None]:
    raw = cells.text("raw", 64)
    if cells.flag("removed"):
        return raw, None
    base = cells.text("base", 32).upper()
    if base and not _BASE.fullmatch(base):
        cells.error("base", f"must be a base name like EURUSD or US30, is {base!r}")
    return raw, base


def _store(
    server: Server, names: Mapping[str, str | None], actor: User, source: str, request: HttpRequest | None
) -> Changed:
    with transaction.atomic():
        held_server = Server.objects.select_for_update().get(pk=server.pk)  # one change of a table at a time
        held = {one.raw: one for one in SymbolName.objects.filter(server=held_server, raw__in=list(names))}
        if unknown := [raw for raw, base in names.items() if base is None and raw not in held]:
            raise SymbolError([(raw, "is not in the table") for raw in unknown])
        added = {raw: base for raw, base in names.items() if base is not None and raw not in held}
        changed = {raw: base for raw, base in names.items() if base and raw in held and held[raw].base != base}
        removed = [raw for raw, base in names.items() if base is None]
        if added or changed or removed:
            SymbolName.objects.bulk_create(
                [SymbolName(server=held_server, raw=raw, base=base, author=actor) for raw, base in added.items()]
            )
            detail = {  # the table has no revisions: what it said at any time is in these entries
                "source": source,
                "added": [f"{raw} = {base}" for raw, base in added.items()],
                "changed": [f"{raw} = {base}, was {held[raw].base}" for raw, base in changed.items()],
                "removed": [f"{raw}, was {held[raw].base}" for raw in removed],
            }
            for raw, base in changed.items():
                one = held[raw]
                one.base, one.author = base, actor
                one.save(update_fields=["base", "author", "updated_at"])
            SymbolName.objects.filter(server=held_server, raw__in=removed).delete()
            audit.record(actor, "symbol_names_changed", held_server.name, detail, request)
            servers.book_changed(held_server.name)
    return Changed(len(added), len(changed), len(removed), len(names) - len(added) - len(changed) - len(removed))

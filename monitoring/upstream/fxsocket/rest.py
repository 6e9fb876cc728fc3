"""The REST bodies of the bearer dialect, pure: listings and accounts become `Resync`, answers plain objects."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct

from monitoring.engine.messages import AccountFigures, Identifier, Instant, Position, Resync, Sequence
from monitoring.upstream.base import Refusal
from monitoring.upstream.fxsocket.decode import (
    AHEAD,
    canonical_position,
    date_problem,
    details_problem,
    figures_problem,
    time_problem,
)
from monitoring.upstream.fxsocket.lenient import refusal_of


class BadBody(ValueError):
    """A REST body that cannot be read; the text names what was wrong."""


class AccountRow(AccountFigures, frozen=True, kw_only=True):
    """One account as the listing and `GET /accounts/{id}` give it; a real upstream may lack seq and locked."""

    account_id: Identifier | None = None
    id: Identifier | None = None
    login: str | int = ""
    name: str | None = None
    group: str | None = None
    locked: bool | None = None
    lock_reason: str | None = None
    locked_until: Instant | None = None
    seq: Sequence | None = None
    last_updated: Instant | None = None


class Pagination(Struct, frozen=True):
    """Where a listing goes on."""

    next_cursor: str | None = None
    has_more: bool = False


class Listing(Struct, frozen=True):
    """One page; its rows are decoded one by one, so that a bad row costs itself only."""

    data: list[Raw]
    pagination: Pagination = Pagination()


class Events(Struct, frozen=True):
    """Frames of one account as they were sent; `complete`: none of them is gone."""

    data: list[Raw]
    complete: bool = False
    pagination: Pagination = Pagination()


_events = msgspec.json.Decoder(Events)
_listing = msgspec.json.Decoder(Listing | list[Raw])
_enveloped = msgspec.json.Decoder(dict[str, Raw])
_row = msgspec.json.Decoder(AccountRow)
_position = msgspec.json.Decoder(Position)


def parse_listing(body: bytes) -> Listing:
    """A page, enveloped or as the bare list of the older dialects; BadBody otherwise."""
    try:
        page = _listing.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadBody(f"no listing: {error}") from error
    return page if isinstance(page, Listing) else Listing(page)


def parse_events(body: bytes) -> list[bytes]:
    """The frames, in order; empty when some are gone or there are more than one page of them; BadBody otherwise."""
    try:
        events = _events.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadBody(f"no events: {error}") from error
    whole = events.complete and not events.pagination.has_more
    return [bytes(frame) for frame in events.data] if whole else []


def parse_account(body: bytes, now: datetime) -> Resync | Refusal:
    """One account, positions left empty; `now` stands in where the upstream gives no `last_updated`."""
    try:
        row = _row.decode(_inner(body))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return refusal_of(body, error)
    account_id = row.account_id or row.id
    if account_id is None or not account_id.isprintable():
        return Refusal("missing_field", "an account without an id - at `$.id`")
    problem = figures_problem(row) or _times_problem(row, now)
    if problem is not None:
        return Refusal(problem[0], problem[1], account_id)
    return Resync(
        account_id=account_id,
        ts=row.last_updated or now,
        data=AccountFigures(*(getattr(row, name) for name in AccountFigures.__struct_fields__)),
        positions=(),
        seq=row.seq,
        locked=bool(row.locked),
        lock_reason=row.lock_reason,
        locked_until=row.locked_until,
        login=str(row.login),
        group=row.group or "",
        name=row.name or "",
    )


def _times_problem(row: AccountRow, now: datetime) -> tuple[str, str] | None:
    """As for frames: a reading from the far future would begin days that have not come."""
    problem = None
    if row.last_updated is not None:
        problem = time_problem(row.last_updated, now + AHEAD, "$.last_updated")
    if problem is None and row.locked_until is not None:
        problem = date_problem(row.locked_until, "$.locked_until")
    return problem


def parse_positions(body: bytes, account_id: str) -> tuple[Position, ...] | Refusal:
    """The open positions of one account; one that cannot be trusted refuses them all, for a part is not the truth."""
    positions = []
    for raw in parse_listing(body).data:
        try:
            position = _position.decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            refusal = refusal_of(bytes(raw), error)
            return Refusal(refusal.reason, refusal.detail, account_id)
        problem = details_problem(position)
        if problem is not None:
            return Refusal(problem[0], problem[1], account_id)
        positions.append(canonical_position(position))
    return tuple(positions)


def symbol_names(page: Listing) -> list[str]:
    """The raw names on a page of symbols: objects with a `name` (or `symbol`), or bare names; the rest is left out."""
    rows = [msgspec.json.decode(raw) for raw in page.data]
    named = [row.get("name") or row.get("symbol") if isinstance(row, dict) else row for row in rows]
    return [name for name in named if isinstance(name, str) and name]


def parse_object(body: bytes) -> dict[str, Any]:
    """An object reply, enveloped or flat, as one dictionary; BadBody otherwise."""
    try:
        reply = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadBody(f"no JSON: {error}") from error
    if not isinstance(reply, dict):
        raise BadBody(f"expected an object, got {type(reply).__name__}")
    inner = reply.get("data")
    return {**reply, **inner} if isinstance(inner, dict) else reply


def _inner(body: bytes) -> bytes | Raw:
    """The object inside `{"data": {..}}`, or the body itself where it is flat."""
    fields = _enveloped.decode(body)
    data = fields.get("data")
    return data if data is not None and bytes(data).lstrip().startswith(b"{") else body

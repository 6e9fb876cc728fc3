"""The event timeline of an account: what was recorded, what is still on its way, filtered, paged, exported."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from accounts.models import Account
from accounts.permissions import may_watch_desk, role_of
from accounts.templatetags import formats
from accounts.views.exports import refusal
from monitoring import replica
from monitoring.engine.ruleset.sentences import CONSEQUENCES
from monitoring.live.publish import EventRow
from monitoring.models import Enforcement, FlagReview, RiskEvent
from monitoring.objectives import EVENT_WORDS, OPERATOR_WORDS
from monitoring.objectives.words import TITLES
from monitoring.replica.query import unknown

PER_PAGE = 25
SHOWN_POSITIONS = 12
FRESH = 500  # of the whole book, as many as a replica keeps
EXPORT = (
    "at", "event", "rule", "floor", "measured", "room", "used", "operator", "consequence", "mode", "rule_set_version",
    "reason", "also", "positions", "calendar_revision", "decision", "enforcement", "equity_at_detection",
    "lowest_equity", "equity_after", "requested_at", "sent_at", "accepted_at", "flat_at", "locked_at", "attempts",
    "last_error",
)  # fmt: skip
STEPS = (
    ("requested_at", "Requested"), ("sent_at", "Sent"), ("accepted_at", "Accepted"), ("flat_at", "Confirmed flat"),
    ("locked_at", "Locked"),
)  # fmt: skip


def timeline(request: HttpRequest, account: Account, zone: str) -> dict[str, Any]:
    """The context of `_timeline.html`; `zone` gives each event its trading day."""
    kind = _kind(request)
    page: Page[RiskEvent] = Paginator(_matching(account, kind), PER_PAGE).get_page(request.GET.get("page"))
    rows = list(page.object_list)
    proofs = _proofs(rows)
    items = [_item(event, proofs.get(event.key), zone) for event in rows]
    if page.number == 1:
        items = _coming(account, kind, zone) + items
    return {
        "events": items,
        "page": page,
        "kind": kind,
        "complaint": _complaint(request),
        "kinds": [(name, EVENT_WORDS.get(name, name)) for name in _kinds(account)],
        "account_id": account.public_id,
        "desk_user": may_watch_desk(role_of(request.user)),
    }


def export(request: HttpRequest, account: Account) -> HttpResponseBase:
    """Every event that the filter leaves, with its enforcement, as CSV; times are ISO 8601 in UTC."""
    if said := _complaint(request):
        return refusal([said])
    headers = {"Content-Disposition": f'attachment; filename="riskdesk-{account.public_id}-events.csv"'}
    lines = _lines(_matching(account, _kind(request)))
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


def _kind(request: HttpRequest) -> str:
    asked = request.GET.get("kind", "")
    return asked if asked in EVENT_WORDS else ""


def _complaint(request: HttpRequest) -> str:
    """What of the query is left out, in words."""
    page = request.GET.get("page") or "1"
    said = unknown("kind of event", request.GET.get("kind", ""), EVENT_WORDS)
    if not (page.isascii() and page.isdigit() and page.strip("0")):
        said = f"{said} The page is a whole number from 1 on."
    return said.strip()


def _kinds(account: Account) -> list[str]:
    """The kinds of events that the account has, in the order of the words."""
    there = set(RiskEvent.objects.filter(account=account).order_by().values_list("event", flat=True).distinct())
    return [name for name in EVENT_WORDS if name in there]


def _matching(account: Account, kind: str) -> QuerySet[RiskEvent]:
    found = (
        RiskEvent.objects.filter(account=account)
        .select_related("review__author")
        .order_by("-at", "-ingested_at", "-key")
    )
    return found.filter(event=kind) if kind else found


def _proofs(rows: list[RiskEvent]) -> dict[str, Enforcement]:
    found = Enforcement.objects.filter(event_key__in=[event.key for event in rows])
    return {proof.event_key: proof for proof in found}


def _coming(account: Account, kind: str, zone: str) -> list[dict[str, Any]]:
    """What the monitor has told and PostgreSQL does not have yet, newest first."""
    heard = [
        event
        for event in replica.get().events(FRESH)
        if event.public_id == account.public_id and (not kind or event.event == kind)
    ]
    keys = [event.key for event in heard]
    known = set(RiskEvent.objects.filter(key__in=keys).values_list("key", flat=True))
    return [_fresh_item(event, zone) for event in heard if event.key not in known]


def _fresh_item(event: EventRow, zone: str) -> dict[str, Any]:
    at = formats.moment(event.at_ms)
    return {
        **_when(at, zone),
        "kind": event.event,
        "word": EVENT_WORDS.get(event.event, event.event),
        "sev": event.severity,
        "rule": TITLES.get(event.rule or "", ""),
        "reason": event.reason,
        "pending": True,
    }


def _item(event: RiskEvent, proof: Enforcement | None, zone: str) -> dict[str, Any]:
    return {
        **_when(event.at, zone),
        "kind": event.event,
        "word": EVENT_WORDS.get(event.event, event.event),
        "sev": event.severity,
        "rule": TITLES.get(event.rule, event.rule),
        "reason": event.reason,
        "figures": _figures(event),
        "also": [TITLES.get(str(rule), str(rule)) for rule in event.also],
        "dry": event.mode == "dry_run",
        "review": _review(event),
        "proof": _proof(proof) if proof else None,
    }


def _when(at: datetime, zone: str) -> dict[str, Any]:
    return {"at": at, "day": at.astimezone(ZoneInfo(zone)).strftime("%a %d %b %Y")}


def _figures(event: RiskEvent) -> list[tuple[str, str]]:
    """Label and text of what the event rests on."""
    if event.event == "target_reached":
        return [("Closed profit", amount(event.measured)), ("Target", amount(event.floor))]
    operator = OPERATOR_WORDS.get(event.operator, event.operator)
    used = None if event.used is None else int(event.used * 10_000)
    grave = event.event in {"violated", "breached"}
    pairs = (
        ("Measured", amount(event.measured)),
        ("Floor", amount(event.floor)),
        ("Breached when it", operator),
        ("Room", amount(event.room)),
        ("Used", replica.percent(used)),
        ("Consequence", CONSEQUENCES.get(event.consequence, "") if grave else ""),
        ("Positions", _some(positions_of(event))),
        ("Calendar revision", str(event.detail.get("calendar_revision", ""))),
    )
    return [(label, text) for label, text in pairs if text not in {"", formats.NOTHING}]


def positions_of(event: RiskEvent) -> list[str]:
    """The positions that a violation is about."""
    found = event.detail.get("positions", [])
    return [str(one) for one in found] if isinstance(found, list) else []


def _some(names: list[str]) -> str:
    more = len(names) - SHOWN_POSITIONS
    return ", ".join(names[:SHOWN_POSITIONS]) + (f" and {more} more" if more > 0 else "")


def _review(event: RiskEvent) -> dict[str, Any] | None:
    """Whether a flagged violation waits for a person, or what he made of it, and where that is decided."""
    if (event.event, event.consequence) != ("violated", "flag"):
        return None
    asked = {"account": event.account.public_id if event.account else "", "rule": event.rule}
    review: FlagReview | None = getattr(event, "review", None)
    if review is None:
        return {"word": "Waits for a decision", "query": urlencode(asked)}
    return {
        "word": review.get_decision_display(),
        "at": review.at,
        "author": review.author.get_full_name() or review.author.get_username(),
        "reason": review.reason,
        "query": urlencode({"state": "all", **asked}),
    }


def _proof(proof: Enforcement) -> dict[str, Any]:
    """What was done about a breach, and how it is known to be done."""
    return {
        "state": proof.state,
        "word": proof.get_state_display(),
        "done": proof.state in {"locked", "flat_confirmed", "closed"},
        "equity": [
            ("Equity at detection", amount(proof.equity_at_detection)),
            ("Lowest equity", amount(proof.lowest_equity)),
            ("Equity after flattening", amount(proof.equity_after)),
        ],
        "steps": [(label, getattr(proof, name)) for name, label in STEPS],
        "attempts": proof.attempts,
        "error": proof.last_error,
        "commands": [_command(one) for one in proof.commands if isinstance(one, dict)],
    }


def _command(one: dict[str, Any]) -> dict[str, str]:
    answer = [
        str(one[name]) for name in ("status", "http_status", "code", "message") if one.get(name) not in (None, "")
    ]
    closed = f"{one['closed']} closed" if one.get("closed") is not None else ""
    return {
        "at": str(one.get("at", "")),
        "command": str(one.get("command", "")).replace("_", " "),
        "answer": ", ".join([*answer, *([closed] if closed else [])]) or "no answer yet",
    }


def amount(value: Decimal | None) -> str:
    """A sum of money with commas and a true minus; a dash for none."""
    return formats.NOTHING if value is None else f"{value:,.2f}".replace("-", formats.MINUS)


class _Echo:
    """A file for csv that hands each line back instead of keeping it."""

    def write(self, line: str) -> str:
        """The line."""
        return line


def _lines(events: QuerySet[RiskEvent]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(EXPORT)
    batch: list[RiskEvent] = []
    for event in events.iterator(chunk_size=500):
        batch.append(event)
        if len(batch) == 500:
            yield from _write(writer, batch)
            batch = []
    yield from _write(writer, batch)


def _write(writer: Any, batch: list[RiskEvent]) -> Iterator[str]:
    proofs = _proofs(batch)
    for event in batch:
        proof = proofs.get(event.key)
        review: FlagReview | None = getattr(event, "review", None)
        own = {
            "enforcement": proof.state if proof else "",
            "also": " ".join(str(rule) for rule in event.also),
            "positions": " ".join(positions_of(event)),
            "calendar_revision": str(event.detail.get("calendar_revision", "")),
            "decision": review.decision if review else "",
        }
        values = [own.get(name, getattr(event, name, getattr(proof, name, ""))) for name in EXPORT]
        yield writer.writerow([_plain(value) for value in values])


def _plain(value: object) -> str:
    """A value as a spreadsheet may have it: no text of somebody else's begins a formula."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return formats.iso(value)
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text

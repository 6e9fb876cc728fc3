"""What an answer to a command means, pure. "200 does not mean done", and a timeout does not mean not done."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from monitoring.upstream.base import ActionResult, ActionStatus
from monitoring.upstream.fxsocket.rest import BadBody, parse_object

PLACED, DONE, PARTIAL, NO_CHANGE = 10008, 10009, 10010, 10025
TAKEN = frozenset({0, PLACED, DONE, PARTIAL, NO_CHANGE})  # return codes of the trading server that are no refusal
LONGEST_WAIT_S = 300.0
TEXT, CODE = 300, 80  # characters of the upstream's own words that are kept


def outcome(status: int, body: bytes, retry_after: float | None = None) -> ActionResult:
    """The result of one command from its HTTP status and body; `retry_after` in seconds, from the header."""
    try:
        reply = parse_object(body)
    except BadBody as error:
        if 200 <= status < 300 and body.strip():
            return ActionResult(ActionStatus.UNKNOWN, status, "bad_body", str(error)[:TEXT])
        reply = {}
    if 200 <= status < 300:
        return _accepted(status, reply)
    code, message = _code(status, reply), _words(reply.get("message"), TEXT)
    return ActionResult(_refused(status, code), status, code, message, retry_after, request_id=_request_id(reply))


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a `Retry-After` header (a number or a date), at most five minutes; None where it says neither."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        date = _http_date(value)
        seconds = -1.0 if date is None else max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
    return None if not seconds >= 0 else min(seconds, LONGEST_WAIT_S)  # NaN is no time


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _refused(status: int, code: str) -> ActionStatus:
    if status in {429, 503} or (status == 409 and code == "idempotency_in_flight"):
        return ActionStatus.RETRY
    if status == 409 and (code.startswith("already") or code == "no_change"):
        return ActionStatus.NO_CHANGE
    # 500, 502 and 504 come from something between us and the terminal: the command may have gone through.
    if status >= 500 or status == 408:
        return ActionStatus.UNKNOWN
    return ActionStatus.REJECTED


def _accepted(status: int, reply: dict[str, Any]) -> ActionResult:
    results = reply.get("results")
    rows = [row for row in results if isinstance(row, dict)] if isinstance(results, list) else []
    bad = [row for row in rows if not _taken(row)]
    failed = max(_count(reply, "failed") or 0, len(bad))
    requested, closed = _count(reply, "requested"), _count(reply, "closed")
    if not rows and not _taken(reply):
        kind, first = ActionStatus.REJECTED, reply
    elif failed or reply.get("retcode") == PARTIAL or (requested or 0) > (closed if closed is not None else 1 << 30):
        kind, first = ActionStatus.PARTIAL, bad[0] if bad else reply
    elif reply.get("retcode") == NO_CHANGE:
        kind, first = ActionStatus.NO_CHANGE, reply
    else:
        kind, first = ActionStatus.DONE, {}
    words = first.get("retcode_description") or first.get("retcodeDescription") or first.get("message") or ""
    code = first.get("retcode") or first.get("error") or ""
    return ActionResult(
        kind,
        status,
        _words(code, CODE),
        _words(words, TEXT),
        requested=requested,
        closed=closed,
        failed=failed if rows or "failed" in reply else None,
        request_id=_request_id(reply),
    )


def _taken(row: dict[str, Any]) -> bool:
    """Whether one answer is a success: by `success` where given, and by `retcode` where given."""
    retcode = row.get("retcode")
    return row.get("success") is not False and (not isinstance(retcode, int) or retcode in TAKEN)


def _count(reply: dict[str, Any], name: str) -> int | None:
    value = reply.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _code(status: int, reply: dict[str, Any]) -> str:
    detail = reply.get("detail")
    reason = detail.get("reason") if isinstance(detail, dict) else None
    return _words(reason or reply.get("error"), CODE) or f"http_{status}"


def _request_id(reply: dict[str, Any]) -> str:
    return _words(reply.get("request_id"), 128)


def _words(value: object, most: int) -> str:
    """The upstream's own words, cut and printable: they are recorded, and PostgreSQL takes no NUL."""
    return "".join(character if character.isprintable() else "?" for character in str(value or "")[:most])

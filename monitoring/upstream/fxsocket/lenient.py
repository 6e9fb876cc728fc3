"""A frame that the one-pass decoder did not take: brought into shape where it says the same thing, else refused.

The published pages contradict each other (`upstream.md`, section 1): `id` and `account_id`, enveloped and flat.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from monitoring.engine.messages import AccountNotice
from monitoring.upstream.base import Refusal
from monitoring.upstream.fxsocket.wire import CONTROL_TYPES, Control

Data = bytes | bytearray | memoryview | str

_ACCOUNT = re.compile(rb'"account_id"\s*:\s*"([^"\\\x00-\x1f]{1,128})"')
_NOT_FINITE = re.compile(rb"[:\[,]\s*-?(NaN|Infinity|inf|nan)\b")
_ENVELOPE = frozenset({"type", "event_id", "seq", "ts", "timestamp", "account_id", "data"})
_FLAT_KEYS = frozenset({"balance", "equity", "symbol", "kind", "reason", "code", "action"})
SHOWN = 120  # characters of foreign text in a detail
_HEAD = 4096  # bytes of a frame too large to parse in which its account is looked for


def too_large(data: Data, limit: int) -> Refusal:
    """The refusal of a frame over the limit."""
    head = data[:_HEAD]
    return Refusal("too_large", f"frame of {len(data)} bytes, over {limit}", _find_account(_bytes(head)))


def has_key(data: Data, key: str) -> bool:
    """Whether the text holds a member of that name (a good enough answer: it decides only what to leave unchecked)."""
    return re.search(rb'"' + key.encode() + rb'"\s*:\s*[-0-9]', _bytes(data)) is not None


def has_nul(data: Data) -> bool:
    """Whether a text in the frame holds a NUL, which PostgreSQL cannot store."""
    return b"\\u0000" in _bytes(data)


def reshape(data: Data, error: Exception, wire: Any) -> Any:
    """The message of another spelling, a control frame, or the refusal that `error` stands for."""
    if isinstance(error, msgspec.ValidationError):
        try:
            frame = msgspec.json.decode(data)
        except msgspec.ValidationError:  # a number out of range: the first error names its field
            return refusal_of(data, error)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as worse:
            return refusal_of(data, worse)
        if isinstance(frame, dict):
            return _reshape(data, frame, error, wire)
    return refusal_of(data, error)


def _reshape(data: Data, frame: dict[str, Any], error: Exception, wire: Any) -> Any:
    kind = frame.get("type")
    if isinstance(kind, str) and kind in CONTROL_TYPES:
        return _control(data, frame)
    try:
        return msgspec.convert(_enveloped(frame), wire, strict=True, str_keys=True)
    except msgspec.ValidationError as worse:
        return refusal_of(data, worse, frame)


def _enveloped(frame: dict[str, Any]) -> dict[str, Any]:
    """The frame with `data`, `account_id` and `ts` where the envelope has them; what is there already stays."""
    shaped = dict(frame)
    inner = frame.get("data")
    if "data" not in frame and _FLAT_KEYS & frame.keys():
        inner = {name: value for name, value in frame.items() if name not in _ENVELOPE}
        shaped["data"] = inner
    if not isinstance(inner, dict):
        return shaped
    if "account_id" not in shaped:
        account = inner.get("account_id")
        # `id` is the account's own only where the frame is about the account: of a position it is the ticket.
        if account is None and not str(frame.get("type")).startswith(("position_", "order_", "balance_")):
            account = inner.get("id")
        if account is not None:
            shaped["account_id"] = account
    if "ts" not in shaped:
        for name, source in (("timestamp", frame), ("last_updated", inner)):
            if name in source:
                shaped["ts"] = source[name]
                break
    return shaped


def _control(data: Data, frame: dict[str, Any]) -> Control | AccountNotice | Refusal:
    """A frame that moves no figure; of an account it is a notice, for its number is one of the account's."""
    given = {name: value for name, value in frame.items() if value is not None}
    try:
        if "account_id" in given and "ts" in given:
            return msgspec.convert(given | {"type": "account_notice", "kind": given["type"]}, AccountNotice)
        return msgspec.convert(given, Control)
    except msgspec.ValidationError as error:
        return refusal_of(data, error, frame)


def refusal_of(data: Data, error: Exception, frame: dict[str, Any] | None = None) -> Refusal:
    """The refusal that a decoding error stands for: its countable reason, the field, the account where it is found."""
    raw = _bytes(data)
    detail = str(error)
    account = _find_account(raw)
    if isinstance(error, RecursionError):
        return Refusal("bad_json", "nested too deeply", account)
    if isinstance(error, UnicodeError):
        return Refusal("bad_json", f"no UTF-8: {detail[:SHOWN]}", account)
    if not isinstance(error, msgspec.ValidationError):
        word = _NOT_FINITE.search(raw)
        if word is not None:
            return Refusal("not_finite", f"{word.group(1).decode()} is no number: {detail}", account)
        return Refusal("bad_json", detail, account)
    if account is None and frame is not None:
        account = _account_of(frame)
    return Refusal(_reason(detail, frame), _shorten(detail), account)


# What msgspec says, in the order in which it must be asked; the words are held by tests.
_REASONS = (
    ("missing required field `type`", "unknown_type"),
    ("missing required field", "missing_field"),
    ("Number out of range", "not_finite"),
    ("timezone component", "naive_time"),
    ("RFC3339", "bad_time"),
    ("Expected `int` <", "out_of_range"),
    ("Expected `int` >", "out_of_range"),
    ("Expected `float` >= 0", "negative_volume"),
    ("Expected `float` <", "out_of_range"),
    ("Expected `float` >", "out_of_range"),
    ("at `$.type`", "unknown_type"),
    ("of length", "wrong_value"),
    ("Expected", "wrong_type"),
)


def _reason(detail: str, frame: dict[str, Any] | None) -> str:
    for words, reason in _REASONS:
        if words in detail:
            return reason
    return "wrong_value"


def _shorten(detail: str) -> str:
    """Foreign text is cut and made printable: an unknown type may be a megabyte long."""
    short = detail if len(detail) <= 2 * SHOWN else f"{detail[:SHOWN]}…{detail[-SHOWN:]}"
    return "".join(character if character.isprintable() else "?" for character in short)


def _account_of(frame: dict[str, Any]) -> str | None:
    inner = frame.get("data")
    places = [frame.get("account_id"), *((inner.get("account_id"), inner.get("id")) if isinstance(inner, dict) else ())]
    named = (str(place) for place in places if isinstance(place, str | int))
    return next((name for name in named if 0 < len(name) <= 128 and name.isprintable()), None)


def _find_account(raw: bytes) -> str | None:
    found = _ACCOUNT.search(raw)
    name = found.group(1).decode("utf-8", "replace") if found else ""
    return name if name and name.isprintable() else None


def _bytes(data: Data) -> bytes:
    return data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)

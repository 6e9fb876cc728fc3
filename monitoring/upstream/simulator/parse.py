"""Reading requests: every field checked at the door, every refusal names the field."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from monitoring.upstream.simulator.errors import Refused
from monitoring.upstream.simulator.symbols import Symbol

_exact = msgspec.json.Decoder(Any, float_hook=Decimal)
_plain = msgspec.json.Decoder(Any)
Body = dict[str, Any]
MAX_BRACKETS = 200  # far more than any request has; thousands, nested, would be too deep to read and to show
ACCOUNT_ID = re.compile(r"[A-Za-z0-9_.:-]+")


def decode(raw: bytes, *, exact: bool = True) -> Any:
    """Any JSON, numbers as Decimal if `exact`; ValueError says why it is none."""
    if raw.count(b"[") + raw.count(b"{") > MAX_BRACKETS:
        raise ValueError("nested too deep")
    return (_exact if exact else _plain).decode(raw)


def body_of(raw: bytes) -> Body:
    """A JSON object; an empty body is an empty one. Refused 400 bad_json otherwise."""
    if not raw.strip():
        return {}
    try:
        value = decode(raw)
    except ValueError as error:
        raise Refused(400, "bad_json", f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Refused(400, "bad_json", "the body is not a JSON object")
    return value


def number(body: Body, name: str, *, required: bool = False, least: int | None = None) -> Decimal | None:
    """A finite number, exact; null counts as absent."""
    value = body.get(name)
    if value is None:
        if required:
            raise Refused.invalid(name, f"{name} is required")
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Refused.invalid(name, f"{name} is not a number: {value!r}")
    exact = Decimal(value)
    if not exact.is_finite() or abs(exact) >= 10**12:
        raise Refused.invalid(name, f"{name} is out of range: {value}")
    if least is not None and exact < least:
        raise Refused.invalid(name, f"{name} is less than {least}: {value}")
    return exact


def whole(body: Body, name: str, *, least: int | None = None) -> int | None:
    """An integer."""
    value = number(body, name, least=least)
    if value is not None and value != value.to_integral_value():
        raise Refused.invalid(name, f"{name} is not a whole number: {value}")
    return None if value is None else int(value)


def cents(body: Body, name: str, *, required: bool = False) -> int | None:
    """Money with at most two digits, as cents."""
    value = number(body, name, required=required)
    if value is None:
        return None
    if value * 100 != (value * 100).to_integral_value():
        raise Refused.invalid(name, f"{name} has more than two decimal digits: {value}")
    return int(value * 100)


def units(body: Body, name: str = "volume", *, required: bool = False) -> int | None:
    """A volume in lots, as units of 0.01 lot; more than zero."""
    value = number(body, name, required=required)
    if value is None:
        return None
    if value <= 0 or value * 100 != (value * 100).to_integral_value():
        text_ = f"{name} must be a positive multiple of 0.01 lots, not {value}"
        raise Refused(422, "volume_out_of_range", text_, field=name)
    return int(value * 100)


def points(body: Body, name: str, symbol: Symbol) -> int | None:
    """A price in points; null and 0 mean none."""
    value = number(body, name, least=0)
    return None if value is None or value == 0 else symbol.points(value)


def text(body: Body, name: str, *, required: bool = False, longest: int = 500) -> str:
    """A string; absent and null are empty."""
    value = body.get(name)
    if value is None or value == "":
        if required:
            raise Refused.invalid(name, f"{name} is required")
        return ""
    if not isinstance(value, str):
        raise Refused.invalid(name, f"{name} is not a string: {value!r}")
    if len(value) > longest:
        raise Refused.invalid(name, f"{name} is longer than {longest} characters")
    return value


def digits(given: str) -> int | None:
    """The number that a path or query spells in plain digits (at most 18); None for anything else."""
    return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None


def account_name(given: str) -> str:
    """An account id that paths and the stream's `accounts=` list can hold."""
    if given and (given == "all" or not ACCOUNT_ID.fullmatch(given)):
        raise Refused.invalid("id", f"{given[:40]!r} is no account id: letters, digits and _ - . : only, and not 'all'")
    return given


def flag(body: Body, name: str, default: bool) -> bool:
    """True or false."""
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise Refused.invalid(name, f"{name} is neither true nor false: {value!r}")
    return value


def texts(body: Body, name: str) -> list[str]:
    """A list of strings; absent is empty."""
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Refused.invalid(name, f"{name} is not a list of strings")
    return value


def instant(value: Any, name: str) -> datetime | None:
    """An aware time from RFC 3339 text; null counts as absent."""
    if value in (None, ""):
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Refused.invalid(name, f"{name} is not an RFC 3339 time with a zone: {value!r}")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise Refused.invalid(name, f"{name} is out of range: {value!r}") from error

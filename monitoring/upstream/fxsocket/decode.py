"""The bearer dialect, pure: one frame in; an engine message, a control frame or a refusal out.

The usual frame is decoded in one pass straight into the engine's struct. What that pass does not take is looked at
again at leisure (`lenient.py`): another spelling of the same thing is brought into shape, the rest is refused.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
from msgspec import convert
from msgspec.structs import asdict, replace

from monitoring.engine.messages import (
    AccountFigures,
    AccountLifecycle,
    AccountLocked,
    AccountMessage,
    AccountNotice,
    AccountUnlocked,
    AccountUpdate,
    AuthFailed,
    BalanceOperation,
    ConnectionLost,
    ConnectionRestored,
    Envelope,
    Position,
    PositionClosed,
    PositionModified,
    PositionOpened,
)
from monitoring.upstream.base import Refusal
from monitoring.upstream.currencies import KNOWN
from monitoring.upstream.fxsocket import lenient
from monitoring.upstream.fxsocket.wire import Control, OrderClosed, OrderOpened

MAX_FRAME = 1 << 20  # bytes
LARGEST = (1 << 53) / 100  # above it floats skip cents
CENT = Decimal("0.01")
# How far ahead of our clock a time may be: one bad frame from later must not begin days that have not come.
AHEAD = timedelta(minutes=5)
CURRENCIES: frozenset[str | None] = KNOWN | {None}
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
# What our own stores can hold: a ticket beyond it, or a time that has no date in UTC, could not be written down.
WHOLE = range(-(1 << 63), 1 << 64)
FIRST_INSTANT, LAST_INSTANT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

Data = bytes | bytearray | memoryview | str
WireMessage = (
    AccountUpdate
    | PositionOpened
    | PositionModified
    | PositionClosed
    | BalanceOperation
    | ConnectionLost
    | ConnectionRestored
    | AuthFailed
    | AccountLocked
    | AccountUnlocked
    | AccountLifecycle
    | OrderOpened
    | OrderClosed
)
decode_wire = msgspec.json.Decoder(WireMessage).decode
WIRE_ERRORS = (msgspec.DecodeError, UnicodeError, RecursionError)


def decode(data: Data, latest: datetime = LATEST) -> AccountMessage | Control | Refusal:
    """One frame as it came from the socket; never raises, never lets a figure past that the engine cannot trust.

    A frame from `latest` on is refused: from far in the future it would reset days that have not come.
    """
    if len(data) > MAX_FRAME:
        return lenient.too_large(data, MAX_FRAME)
    try:
        message = decode_wire(data)
    except WIRE_ERRORS as error:
        retry = lenient.reshape(data, error, WireMessage)
        if isinstance(retry, AccountNotice):
            return _checked(retry, latest)
        if isinstance(retry, Control | Refusal):
            return retry
        message = retry
    problem = _envelope_problem(message, latest) or _data_problem(message, data)
    return _canonical(message) if problem is None else _refused(message, problem)


def figures_problem(figures: AccountFigures, *, credit_given: bool = True) -> tuple[str, str] | None:
    """Why an account's figures cannot be trusted, as (reason, detail), or None."""
    if figures.currency not in CURRENCIES:
        return "unknown_currency", f"unknown currency {figures.currency!r} - at `$.data.currency`"
    if figures.profit is None or not credit_given:
        return None
    if -0.005 < figures.equity - figures.balance - figures.credit - figures.profit < 0.005:
        return None
    equity, balance, credit, profit = (
        Decimal(repr(value)) for value in (figures.equity, figures.balance, figures.credit, figures.profit)
    )
    if abs(equity - balance - credit - profit) > CENT:
        total = balance + credit + profit
        return "inconsistent", f"equity {equity} is not balance {balance} + credit {credit} + profit {profit} = {total}"
    return None


def _checked(notice: AccountNotice, latest: datetime) -> AccountNotice | Refusal:
    problem = _envelope_problem(notice, latest)
    return notice if problem is None else _refused(notice, problem)


def _refused(message: Envelope, problem: tuple[str, str]) -> Refusal:
    return Refusal(*problem, message.account_id if message.account_id.isprintable() else None)


def _envelope_problem(message: Envelope, latest: datetime) -> tuple[str, str] | None:
    """Why a well-formed envelope cannot be trusted, as (reason, detail), or None."""
    if not message.account_id.isprintable():
        return "bad_text", "control character - at `$.account_id`"
    return time_problem(message.ts, latest, "$.ts")


def time_problem(ts: datetime, latest: datetime, place: str) -> tuple[str, str] | None:
    """Why a time cannot move an account's days, as (reason, detail), or None."""
    if ts >= latest:
        return "future_time", f"{ts.isoformat()} is too far ahead - at `{place}`"
    if ts <= EARLIEST:
        return "bad_time", f"{ts.isoformat()} is before this century - at `{place}`"
    return None


def _data_problem(message: WireMessage, data: Data) -> tuple[str, str] | None:
    """Why what a message tells cannot be trusted, as (reason, detail), or None."""
    figures = message.data
    if isinstance(figures, AccountFigures):
        problem = figures_problem(figures)
        if problem is not None and problem[0] == "inconsistent" and not lenient.has_key(data, "credit"):
            return None  # credit was not given, so the sum says nothing
        return problem
    if lenient.has_nul(data):
        return "bad_text", "NUL character in a text"
    return details_problem(figures)


def date_problem(instant: datetime, place: str) -> tuple[str, str] | None:
    """Why a time that moves nothing (the end of a lock) cannot be kept, as (reason, detail), or None."""
    if FIRST_INSTANT <= instant <= LAST_INSTANT:
        return None
    return "bad_time", f"{instant.isoformat()} has no date in UTC - at `{place}`"


def details_problem(details: msgspec.Struct) -> tuple[str, str] | None:
    """Why a position, an operation or a lock cannot be trusted, as (reason, detail), or None."""
    for name, value in asdict(details).items():
        if isinstance(value, float) and abs(value) > LARGEST:
            return "out_of_range", f"{value!r} is too large - at `$.data.{name}`"
        if isinstance(value, int) and value not in WHOLE:
            return "out_of_range", f"a number of {value.bit_length()} bits is too large - at `$.data.{name}`"
        if isinstance(value, datetime) and (problem := date_problem(value, f"$.data.{name}")) is not None:
            return problem
    if isinstance(details, Position) and details.type.upper() not in {"BUY", "SELL"}:
        return "wrong_value", f"a position is BUY or SELL, not {details.type!r} - at `$.data.type`"
    return None


def canonical_position(position: Position) -> Position:
    """The position with its type in capitals (`Buy` of the terminal dialect is BUY)."""
    if position.type.isupper():
        return position
    return replace(position, type=position.type.upper())


def _canonical(message: WireMessage) -> AccountMessage:
    """The message under its own name, its words in the engine's spelling; the aliases keep their `event_id`."""
    if isinstance(message, OrderOpened):
        message = convert(message, PositionOpened, from_attributes=True)
    elif isinstance(message, OrderClosed):
        message = convert(message, PositionClosed, from_attributes=True)
    data = message.data
    if isinstance(data, Position) and not data.type.isupper():
        return replace(message, data=canonical_position(data))
    return message

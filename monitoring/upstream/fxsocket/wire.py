"""The frames of the bearer dialect that are no engine message: greetings, answers, notices."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from monitoring.engine.messages import ClosedPosition, Envelope, Instant, Position, Sequence

CONTROL_TYPES = frozenset(
    {
        "hello",
        "subscribed",
        "unsubscribed",
        "pong",
        "warning",
        "error",
        "tick",
        "order_update",
        "order_rejected",
        "rule_breach",
        "close_all_result",
        "risk_rules_updated",
    }
)


class Control(Struct, frozen=True):
    """A frame that moves no account. `seq` still counts: an account's numbers rise over every kind of its events."""

    type: str
    ts: Instant | None = None
    event_id: str | None = None
    seq: Sequence | None = None
    account_id: str | None = None
    dropped: int = 0  # of `warning`: frames that the upstream left out for a slow reader
    code: str = ""  # of `error`
    message: str = ""
    data: dict[str, Any] = field(default_factory=dict)


class OrderOpened(Envelope, frozen=True, kw_only=True, tag="order_opened", gc=False):
    """The other name of position_open: the same `data` and the same `event_id`."""

    data: Position


class OrderClosed(Envelope, frozen=True, kw_only=True, tag="order_closed", gc=False):
    """The other name of position_close: the same `data` and the same `event_id`."""

    data: ClosedPosition

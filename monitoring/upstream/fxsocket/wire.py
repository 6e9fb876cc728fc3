"""The frames of the bearer dialect that are no engine message: greetings, answers, notices."""

from __future__ import annotations

from msgspec import Struct

from monitoring.engine.messages import ClosedPosition, Count, Envelope, Position

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
    """A frame about no account: greetings, answers, notices. Those about an account become `AccountNotice`."""

    type: str
    dropped: Count = 0  # of `warning`: frames that the upstream left out for a slow reader
    code: str = ""  # of `error`
    message: str = ""


class OrderOpened(Envelope, frozen=True, kw_only=True, tag="order_opened", gc=False):
    """The other name of position_open: the same `data` and the same `event_id`."""

    data: Position


class OrderClosed(Envelope, frozen=True, kw_only=True, tag="order_closed", gc=False):
    """The other name of position_close: the same `data` and the same `event_id`."""

    data: ClosedPosition

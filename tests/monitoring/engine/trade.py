"""Opening, closing and moving money on a small desk, in few words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from monitoring.engine.events import Event
from monitoring.engine.messages import (
    BalanceFigures,
    BalanceOperation,
    ClosedPosition,
    Position,
    PositionClosed,
    PositionOpened,
)
from monitoring.engine.ruleset import parse_rule_set
from tests.monitoring.engine.conftest import STATIC, Desk, document

FAR: dict[str, Any] = STATIC | {"amount": {"percent": "99", "of": "initial"}}  # a loss limit that nothing reaches


def desk_of(*rules: dict[str, Any], **changes: Any) -> Desk:
    """A desk under these rules of section 6, the data fresh for days; its challenge begins with the first frame."""
    return Desk(parse_rule_set(document(FAR, *rules, **{"stale_after": 10**7, "fresh_for": 10**7, **changes})))


def go(desk: Desk, at: str) -> None:
    """Set the desk's clock, e.g. to "2026-06-10T09:00:00+00:00"."""
    desk.now = datetime.fromisoformat(at)


def open_position(
    desk: Desk, name: str, opened: datetime | None = None, symbol: str = "EURUSD", volume: float = 1.0, **more: Any
) -> Sequence[Event]:
    """A position opened a second later, or at its own time."""
    desk.now += timedelta(seconds=1)
    desk.seq += 1
    data = Position(
        id=name, symbol=symbol, type=more.pop("type", "buy"), volume=volume, open_time=opened or desk.now, **more
    )
    return desk.send(PositionOpened(account_id="acc_1", ts=desk.now, seq=desk.seq, data=data))


def close_position(
    desk: Desk, name: str, closed: datetime | None = None, left: float = 0.0, opened: datetime | None = None
) -> Sequence[Event]:
    """A position closed a second later, or at its own time; `left`: lots that stay open."""
    desk.now += timedelta(seconds=1)
    desk.seq += 1
    data = ClosedPosition(
        id=name,
        symbol="EURUSD",
        type="buy",
        volume=1.0,
        open_time=opened,
        close_time=closed or desk.now,
        remaining_volume=left,
    )
    return desk.send(PositionClosed(account_id="acc_1", ts=desk.now, seq=desk.seq, data=data))


def operate(desk: Desk, kind: str, amount: float) -> Sequence[Event]:
    """Money in or out a second later."""
    desk.now += timedelta(seconds=1)
    desk.seq += 1
    data = BalanceFigures(kind=kind, amount=amount)
    return desk.send(BalanceOperation(account_id="acc_1", ts=desk.now, seq=desk.seq, data=data))

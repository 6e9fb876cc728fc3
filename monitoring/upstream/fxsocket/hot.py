"""The hot path: what happens to every frame between socket and pipeline, in one function without a call to spare.

A sound account_update is decoded, checked and delivered here. Everything else, and all that fails the quick check, goes
to `other` with its bytes, where `decode` looks at it whole: the quick check passes nothing that `decode` would refuse.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from monitoring.engine.messages import AccountMessage, AccountUpdate
from monitoring.upstream.base import Deliver, FeedHealth
from monitoring.upstream.fxsocket.decode import AHEAD, CURRENCIES, EARLIEST, MAX_FRAME, WIRE_ERRORS, decode_wire

Other = Callable[[bytes, datetime, datetime], None]  # (frame, received_at, latest time that it may have)


class Recorder(Protocol):
    """Who takes note of what is delivered while a REST reading is under way."""

    recording: bool

    def note(self, message: AccountMessage) -> bool: ...  # whether it is held: it comes later, by the recorder


def wall_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def hot_path(
    deliver: Deliver, recorder: Recorder, health: FeedHealth, other: Other, clock: Callable[[], datetime] = wall_clock
) -> Callable[[bytes], None]:
    """The function that takes one frame. Frames of one read share their `received_at`; health is told after each."""
    soon = asyncio.get_running_loop().call_soon
    frames = size = 0
    stamp: datetime | None = None
    newest: datetime | None = None
    latest = EARLIEST
    usual: str | None = None  # the newest currency: to compare is quicker than to look up
    wire, update, currencies, earliest, limit = decode_wire, AccountUpdate, CURRENCIES, EARLIEST, MAX_FRAME

    def take(data: bytes) -> None:
        nonlocal frames, size, stamp, newest, latest, usual
        if stamp is None:
            stamp = clock()
            latest = stamp + AHEAD
            soon(flush)  # when the read that brought this frame is through
        length = len(data)
        frames += 1
        size += length
        try:
            message = wire(data)
        except WIRE_ERRORS:
            other(data, stamp, latest)
            return
        if type(message) is not update:
            other(data, stamp, latest)
            return
        figures = message.data
        profit = figures.profit
        ts = message.ts
        if (
            # A double is exact enough here: no figure that decodes reaches a trillion.
            (profit is None or -0.005 < figures.equity - figures.balance - figures.credit - profit < 0.005)
            and (figures.currency == usual or figures.currency in currencies)
            and earliest < ts < latest
            and length <= limit
        ):
            newest, usual = ts, figures.currency
            if recorder.recording and recorder.note(message):
                return
            deliver(message, stamp)
            return
        other(data, stamp, latest)

    def flush() -> None:
        nonlocal frames, size, stamp
        if stamp is None:
            return
        health.frames += frames
        health.bytes += size
        health.last_frame_at = stamp
        if newest is not None:
            health.lag_s = (stamp - newest).total_seconds()
        frames = size = 0
        stamp = None

    return take

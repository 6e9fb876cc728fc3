"""Putting a REST reading and the frames that arrived while it was read together into one truth, pure.

The frames are applied at once, for a breach must not wait for a resync of ten thousand accounts. The reading is then
older than what is applied, so what arrived since its `seq` is laid over it before it is delivered.
"""

from __future__ import annotations

from msgspec.structs import replace

from monitoring.engine.messages import (
    AccountLocked,
    AccountMessage,
    AccountUnlocked,
    AccountUpdate,
    Position,
    PositionClosed,
    PositionModified,
    PositionOpened,
    Resync,
)

KEPT = 2000  # events of one account; more while one reading is under way means: read again
LAID = (PositionOpened, PositionModified, PositionClosed, AccountLocked, AccountUnlocked)


class Overlay:
    """What arrived for one account since its reading was asked for."""

    __slots__ = ("_events", "_figures", "_seqs", "torn")

    def __init__(self) -> None:
        self._figures: AccountUpdate | None = None
        self._events: list[AccountMessage] = []
        self._seqs: list[tuple[int, int]] = []  # unbroken runs of numbers, first and last
        self.torn = False

    def _number(self, seq: int | None) -> None:
        if seq is None:
            return
        if self._seqs and seq == self._seqs[-1][1] + 1:
            self._seqs[-1] = (self._seqs[-1][0], seq)
        elif not self._seqs or seq > self._seqs[-1][1]:
            self._seqs.append((seq, seq))

    def note(self, message: AccountMessage) -> None:
        """Take note of a message that was delivered."""
        if isinstance(message, Resync):
            return
        self._number(message.seq)
        if isinstance(message, AccountUpdate):
            if self._figures is None or _newer(message, self._figures):
                self._figures = message
        elif isinstance(message, LAID):
            self._events.append(message)
            self.torn |= len(self._events) > KEPT

    def over(self, truth: Resync) -> Resync | None:
        """The reading with what came after it, or None when a frame between is missing: read again."""
        runs = [run for run in self._seqs if truth.seq is None or run[1] > truth.seq]
        if self.torn or len(runs) > 1 or (runs and truth.seq is not None and runs[0][0] > truth.seq + 1):
            return None
        figures = self._figures
        late = figures is None or _covered(figures, truth)
        merged = truth if late or figures is None else replace(truth, data=figures.data, ts=max(truth.ts, figures.ts))
        positions = {position.id: position for position in truth.positions}
        for event in self._events:
            if not _covered(event, truth):
                merged = _laid(event, merged, positions)
        seq = runs[-1][1] if runs else truth.seq
        return replace(merged, positions=tuple(positions.values()), seq=seq)


def _newer(message: AccountUpdate, known: AccountUpdate) -> bool:
    if message.seq is not None and known.seq is not None:
        return message.seq > known.seq
    return message.ts >= known.ts


def _covered(message: AccountMessage, truth: Resync) -> bool:
    """Whether the reading includes the message already; without numbers only figures can tell, by their time."""
    if message.seq is not None and truth.seq is not None:
        return message.seq <= truth.seq
    return isinstance(message, AccountUpdate) and message.ts <= truth.ts


def _laid(event: AccountMessage, truth: Resync, positions: dict[str, Position]) -> Resync:
    """Apply one event to the reading: positions in place, locks in the answer."""
    if isinstance(event, PositionOpened | PositionModified):
        positions[event.data.id] = event.data
    elif isinstance(event, PositionClosed):
        _close(event, positions)
    elif isinstance(event, AccountLocked):
        return replace(truth, locked=True, lock_reason=event.data.reason, locked_until=event.data.until)
    elif isinstance(event, AccountUnlocked):
        return replace(truth, locked=False, lock_reason=None, locked_until=None)
    return truth


def _close(event: PositionClosed, positions: dict[str, Position]) -> None:
    held = positions.get(event.data.id)
    if held is None:
        return
    if event.data.remaining_volume > 0:
        positions[held.id] = replace(held, volume=event.data.remaining_volume)
    else:
        del positions[held.id]

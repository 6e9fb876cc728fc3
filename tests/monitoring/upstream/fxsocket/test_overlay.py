"""A reading and the frames that came meanwhile: together they are the account as it ends up, or it is read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.engine.messages import (
    AccountFigures,
    AccountLocked,
    AccountMessage,
    AccountNotice,
    AccountUpdate,
    ClosedPosition,
    LockFigures,
    Position,
    PositionClosed,
    PositionOpened,
    Resync,
)
from monitoring.upstream.fxsocket.overlay import Overlay

START = datetime(2026, 11, 20, 10, tzinfo=UTC)


def at(seq: int) -> dict[str, Any]:
    return {"account_id": "a", "ts": START + timedelta(seconds=seq), "seq": seq}


def history(moves: list[int]) -> tuple[list[AccountMessage], list[Resync]]:
    """A run of frames, and the truth of the upstream after each of them (the first before any)."""
    frames: list[AccountMessage] = []
    held: dict[str, Position] = {}
    figures, locked = AccountFigures(100.0, 100.0), False
    truths = [Resync("a", START, figures, (), seq=0)]
    for seq, move in enumerate(moves, start=1):
        kind = move % 5
        if kind == 0:
            figures = AccountFigures(100.0 + seq, 100.0 + seq, open_positions=len(held))
            frames.append(AccountUpdate(**at(seq), data=figures))
        elif kind == 1:
            held[f"p{seq}"] = Position(f"p{seq}", "EURUSD", "BUY", 2.0)
            frames.append(PositionOpened(**at(seq), data=held[f"p{seq}"]))
        elif kind == 2 and held:
            name = sorted(held)[move % len(held)]
            rest = 1.0 if held[name].volume == 2.0 and move % 2 else 0.0
            del held[name]
            if rest:
                held[name] = Position(name, "EURUSD", "BUY", rest)
            closed = ClosedPosition(name, "EURUSD", "BUY", 2.0, remaining_volume=rest)
            frames.append(PositionClosed(**at(seq), data=closed))
        elif kind == 3:
            locked = True
            frames.append(AccountLocked(**at(seq), data=LockFigures(reason="event 7")))
        else:
            frames.append(AccountNotice(**at(seq), kind="rule_breach"))
        reason = "event 7" if locked else None
        positions = tuple(held.values())
        truths.append(
            Resync("a", START + timedelta(seconds=seq), figures, positions, seq=seq, locked=locked, lock_reason=reason)
        )
    return frames, truths


def by_id(truth: Resync) -> dict[str, float]:
    return {position.id: position.volume for position in truth.positions}


@settings(max_examples=400)
@given(st.lists(st.integers(0, 50), max_size=25), st.data())
def test_reading_and_frames_together_are_the_newest_truth(moves: list[int], data: st.DataObject) -> None:
    frames, truths = history(moves)
    read = data.draw(st.integers(0, len(frames)), label="seq of the account's reading")
    held = data.draw(st.integers(read, len(frames)), label="seq at which its positions were read, later")
    since = data.draw(st.integers(0, read), label="frames noted after this one")
    overlay = Overlay()
    for frame in frames[since:]:
        overlay.note(frame)
    account = truths[read]
    reading = Resync(
        "a", account.ts, account.data, truths[held].positions, seq=read, locked=account.locked,
        lock_reason=account.lock_reason,
    )  # fmt: skip
    merged = overlay.over(reading)
    assert merged is not None
    final = truths[-1]
    assert by_id(merged) == by_id(final)
    assert (merged.seq, merged.data, merged.locked) == (final.seq, final.data, final.locked)


@given(st.integers(2, 20), st.data())
def test_a_missing_frame_after_the_reading_asks_for_another(count: int, data: st.DataObject) -> None:
    frames, truths = history([1] * count)
    gone = data.draw(st.integers(0, count - 2))
    overlay = Overlay()
    for frame in frames[:gone] + frames[gone + 1 :]:
        overlay.note(frame)
    assert overlay.over(truths[0]) is None
    assert overlay.over(truths[gone + 1]) is not None, "a reading that includes the missing one is good"


def test_without_numbers_the_newest_figures_win() -> None:
    overlay = Overlay()
    overlay.note(AccountUpdate(account_id="a", ts=START + timedelta(seconds=5), data=AccountFigures(1.0, 5.0)))
    older = Resync("a", START, AccountFigures(1.0, 1.0), ())
    newer = Resync("a", START + timedelta(seconds=9), AccountFigures(1.0, 9.0), ())
    assert [one.data.equity for one in (overlay.over(older), overlay.over(newer)) if one] == [5.0, 9.0]

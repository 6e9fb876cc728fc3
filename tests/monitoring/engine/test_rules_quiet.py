"""What the hot path leaves out changes nothing; what a checkpoint holds is all that there is to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from monitoring.engine.events import Event
from monitoring.engine.rules import process
from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.snapshot import AccountState, Snapshot
from tests.monitoring.engine.others_generate import Day, draw_day
from tests.monitoring.engine.test_others_oracle import apply

LENGTH = 120


def watched(day: Day, state: AccountState | None = None) -> Snapshot:
    snapshot = Snapshot()
    snapshot.add("acc_1", parse_rule_set(day.document), created=day.created, state=state)
    return snapshot


def play(snapshot: Snapshot, frames: Sequence[dict[str, Any]], *, exact: bool = False) -> list[Event]:
    """Process the frames; `exact`: let none of them find the quiet band open."""
    events: list[Event] = []
    for frame in frames:
        if exact:
            snapshot.accounts["acc_1"].disturb()
        events += apply(snapshot, frame)
    return events


def dumped(snapshot: Snapshot) -> bytes:
    return msgspec.msgpack.encode(snapshot.accounts["acc_1"].dump())


@pytest.mark.parametrize("part", range(4))
def test_the_quiet_band_hides_nothing(part: int) -> None:
    for seed in range(10_000 + part * 50, 10_000 + part * 50 + 50):
        # Inside the band the last update, not the latest, says until when the link was alive: a lag shows there.
        day = draw_day(seed, LENGTH, lags=False)
        quick, exact = watched(day), watched(day)
        frames = day.frames
        assert play(quick, frames) == play(exact, frames, exact=True), f"seed {seed}"
        assert dumped(quick) == dumped(exact), f"seed {seed}"


@pytest.mark.parametrize("part", range(4))
def test_an_account_that_is_restored_goes_on_exactly(part: int) -> None:
    for seed in range(20_000 + part * 50, 20_000 + part * 50 + 50):
        day = draw_day(seed, LENGTH)
        frames = day.frames
        cut = seed % len(frames)
        through, before = watched(day), watched(day)
        play(through, frames[:cut])
        expected = play(through, frames[cut:])
        play(before, frames[:cut])
        after = watched(day, msgspec.msgpack.decode(dumped(before), type=AccountState))
        process(after, before.market)
        assert play(after, frames[cut:]) == expected, f"seed {seed}"
        assert dumped(after) == dumped(through), f"seed {seed}"

"""The recording's thread: who is in a hurry is heard, whatever the thread is doing just then."""

from __future__ import annotations

from datetime import date
from functools import partial
from pathlib import Path
from time import perf_counter

from monitoring.live.recording.writer import Writer
from tests.waiting import eventually

DAY = date(2026, 6, 10)


def test_a_hurry_is_heard_while_the_loop_is_busy(tmp_path: Path) -> None:
    """Also in the moment in which the thread stops waiting: what led to an event must outlive a kill."""
    writer = Writer(tmp_path, "main", every=3600.0)
    for number in range(60):
        written, until = writer.bytes_written, perf_counter() + 0.045 + number % 12 / 1000
        while perf_counter() < until:  # computes, as the monitor's loop does, so that the thread wakes late
            pass
        writer.put(DAY, b"{}")
        writer.hurry()
        eventually(partial(more_than, written, writer), every=0.001, what=f"hurry {number} is heard")
    writer.close()


def more_than(written: int, writer: Writer) -> bool:
    return writer.bytes_written > written

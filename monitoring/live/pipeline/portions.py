"""Long work in the loop is done in portions, so that a frame never waits for more than one of them."""

from __future__ import annotations

import asyncio
import gc
import time

PORTION_S = 0.0005  # how long the loop may be held


async def breathe(held: float, portion: float = PORTION_S) -> float:
    """Let the loop run if it has been held for `portion` seconds; returns since when (perf_counter) it is held."""
    if time.perf_counter() - held < portion:
        return held
    await asyncio.sleep(0)
    return time.perf_counter()


def keep_memory() -> None:
    """Have the cycle collector pass over everything that there is now: the book stays for as long as we run.

    Ten thousand accounts are a million objects. To look through them holds the loop for a third of a second, and finds
    nothing. What is let go is still freed at once, by its count.
    """
    gc.collect(1)
    gc.freeze()

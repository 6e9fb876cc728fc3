"""Long work in the loop is done in portions, so that a frame never waits for more than one of them."""

from __future__ import annotations

import asyncio
import time

PORTION_S = 0.0005  # how long the loop may be held


async def breathe(held: float, portion: float = PORTION_S) -> float:
    """Let the loop run if it has been held for `portion` seconds; returns since when (perf_counter) it is held."""
    if time.perf_counter() - held < portion:
        return held
    await asyncio.sleep(0)
    return time.perf_counter()

"""Waiting for a condition, never for a time: the only place of the tests that may sleep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 30.0  # seconds: what a machine with two busy processors may need; a test that passes does not wait for it


def eventually(probe: Callable[[], T], *, within: float = PATIENCE, every: float = 0.02, what: str = "") -> T:
    """Return the first truthy answer of `probe`; AssertionError naming `what` and the last answer after `within` s."""
    deadline = time.monotonic() + within
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what or probe!r} (last answer: {answer!r})")
        time.sleep(every)


async def aeventually(
    probe: Callable[[], T | Awaitable[T]], *, within: float = PATIENCE, every: float = 0.02, what: str = ""
) -> T:
    """As `eventually`, for coroutines; `probe` may be plain or async."""
    deadline = time.monotonic() + within
    while True:
        answer = probe()
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what or probe!r} (last answer: {answer!r})")
        await asyncio.sleep(every)

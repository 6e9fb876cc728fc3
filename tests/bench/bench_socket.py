"""Receive + decode + store through a real socket, beside decode alone: CPU seconds of the receiver for each update.

The receiver is the real feed (connect, resync, heartbeat, health), delivering into a dictionary; the flood comes from a
process of its own. Decode alone is the bare one-pass decode of the same frames, in the same run.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import msgspec

from monitoring.engine.messages import AccountUpdate, Message
from monitoring.upstream.base import UpstreamConfig
from monitoring.upstream.fxsocket import stream
from monitoring.upstream.fxsocket.decode import decode
from monitoring.upstream.fxsocket.execution import FxSocketExecution
from monitoring.upstream.fxsocket.feed import FxSocketFeed
from tests.bench.flood import payloads
from tests.bench.ratio import Ratio
from tests.waiting import aeventually

FRAMES, ROUNDS = 300_000, 5
_bare = msgspec.json.Decoder(AccountUpdate).decode


def ratios() -> list[Ratio]:
    """The share by picows (target of the issue) and by `websockets` (the fallback)."""
    frames = payloads()
    bare: list[float] = []
    checked: list[float] = []
    by: dict[str, list[float]] = {"picows": [], "websockets": []}
    for _ in range(ROUNDS):
        bare.append(cost(_bare, frames))
        checked.append(cost(decode, frames))
        for library, costs in by.items():
            costs.append(asyncio.run(receive(library)))
    alone, ours = min(bare), min(checked)
    return [share(library, min(costs), alone, ours) for library, costs in by.items()]


def share(library: str, received: float, alone: float, ours: float) -> Ratio:
    """The ratio of one library; the figures are microseconds of CPU for one update."""
    target = {"picows": 0.40, "websockets": 0.07}[library]
    return Ratio(
        f"receive_decode_store_{library}",
        alone / received,
        target,
        f"bare decode / (receive + decode + checks + store) by {library}",
        figures={"decode alone µs": alone * 1e6, "with checks µs": ours * 1e6, "through the socket µs": received * 1e6},
    )


def cost(decoder: Callable[[bytes], Any], frames: list[bytes]) -> float:
    """CPU seconds to decode one frame and store what came out."""
    store: dict[str, Any] = {}
    began = time.process_time()
    for _ in range(5):
        for frame in frames:
            message = decoder(frame)
            store[message.account_id] = message
    return (time.process_time() - began) / (5 * len(frames))


async def receive(library: str) -> float:
    """CPU seconds of this process for one update of a flood, from the first frame to the last."""
    store: dict[str, Message] = {}
    times: list[float] = []

    def deliver(message: Message, received_at: datetime) -> None:
        if isinstance(message, AccountUpdate):
            store[message.account_id] = message

    sender = subprocess.Popen(  # noqa: ASYNC220 - nothing is measured yet
        [sys.executable, "-m", "tests.bench.flood", str(FRAMES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert sender.stdout is not None
    assert sender.stdin is not None
    port = int(await asyncio.to_thread(sender.stdout.readline))
    base = f"127.0.0.1:{port}/v1"
    config = UpstreamConfig("fxsocket", f"http://{base}", f"ws://{base}/stream", "k")
    execution = FxSocketExecution(config)
    feed = FxSocketFeed(config, execution)
    with library_of(library):
        task = asyncio.create_task(feed.run(deliver))
        try:
            await aeventually(lambda: feed.health.resyncs)
            gc.collect()
            times.append(time.process_time())
            await execution._get("/start")
            await aeventually(lambda: feed.health.frames >= FRAMES, within=60)
            times.append(time.process_time())
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await execution.close()
            sender.kill()
            sender.wait()
            sender.stdout.close()
            sender.stdin.close()
    assert len(store) == 1000
    return (times[1] - times[0]) / FRAMES


@contextmanager
def library_of(name: str) -> Any:
    """The feed's websocket library."""
    before, stream.LIBRARY = stream.LIBRARY, name
    try:
        yield
    finally:
        stream.LIBRARY = before

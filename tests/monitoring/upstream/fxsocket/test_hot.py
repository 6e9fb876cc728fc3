"""The quick path passes nothing that `decode` would refuse, and gives what `decode` gives."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from monitoring.engine.messages import AccountMessage, Message
from monitoring.upstream.base import FeedHealth
from monitoring.upstream.fxsocket.decode import decode
from monitoring.upstream.fxsocket.hot import hot_path
from tests.monitoring.upstream.fxsocket.test_decode import BAD, GOOD
from tests.waiting import aeventually

NOW = datetime(2026, 11, 20, 10, 0, 5, tzinfo=UTC)  # just after the frames of the tests
MONEY = st.one_of(st.none(), st.integers(-2000, 2000).map(lambda cents: cents / 100), st.floats(allow_nan=False))
FIELDS = st.fixed_dictionaries(
    {"balance": MONEY, "equity": MONEY, "currency": st.sampled_from(["USD", "EUR", "QQQ", None])},
    optional={"credit": MONEY, "profit": MONEY, "margin": MONEY, "free_margin": MONEY},
)
TIMES = st.sampled_from(["2026-11-20T10:00:00Z", "1999-01-01T00:00:00Z", "2199-01-01T00:00:00Z", "2026-11-20T10:00:00"])


class Quiet:
    recording = False

    def note(self, message: AccountMessage) -> bool:
        raise AssertionError("nothing is being read")


def passed(frames: list[bytes]) -> tuple[list[Message], list[bytes], FeedHealth]:
    """What goes straight through, what goes the long way, and what is shown of it."""
    through: list[Message] = []
    rest: list[bytes] = []
    health = FeedHealth()

    async def run() -> None:
        take = hot_path(
            lambda message, received_at: through.append(message),
            Quiet(),
            health,
            lambda data, received_at, latest: rest.append(data),
            clock=lambda: NOW,
        )
        for frame in frames:
            take(frame)
        await aeventually(lambda: health.frames == len(frames), what="health is told of every frame")

    asyncio.run(run())
    return through, rest, health


def test_of_the_wire_s_frames_only_sound_updates_go_through() -> None:
    frames = [text.encode() for text in GOOD] + [case["frame"].encode() for case in BAD]
    through, rest, health = passed(frames)
    assert through
    assert through == [decode(frame) for frame in frames if frame not in rest]
    assert health.frames == len(frames)
    assert health.bytes == sum(map(len, frames))
    assert health.last_frame_at is not None
    assert health.last_frame_at > datetime(2026, 1, 1, tzinfo=UTC)


@given(FIELDS, TIMES)
def test_what_goes_through_is_what_decode_takes(figures: dict[str, Any], ts: str) -> None:
    frame = json.dumps({"type": "account_update", "ts": ts, "account_id": "a", "data": figures}).encode()
    through, rest, _ = passed([frame])
    assert rest or through == [decode(frame)]

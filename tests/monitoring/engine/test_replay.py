"""What a recording says besides the worked cases: other offsets, and frames about no account."""

from __future__ import annotations

import json
from typing import Any

from monitoring.engine.ruleset import parse_rule_set
from monitoring.management.commands.replay import replay
from tests.monitoring.engine.conftest import document


def told(*frames: dict[str, Any]) -> list[dict[str, Any]]:
    lines = [json.dumps(frame).encode() for frame in frames]
    return [json.loads(line) for line in replay(lines, parse_rule_set(document()))]


def update(ts: str, equity: float) -> dict[str, Any]:
    return {"type": "account_update", "ts": ts, "account_id": "acc_1", "data": {"balance": 100000, "equity": equity}}


def clock(ts: str) -> dict[str, Any]:
    return {"type": "clock", "ts": ts}


def test_times_are_utc_whatever_offset_they_came_with() -> None:
    (breached,) = told(update("2026-06-10T10:00:00.5+02:00", 94000))
    assert breached["at"] == "2026-06-10T08:00:00.500Z"
    (started,) = told(update("2026-06-11T01:59:50+02:00", 99000), clock("2026-06-11T02:00:00+02:00"))
    assert (started["event"], started["at"]) == ("day_started", "2026-06-11T00:00:00Z")
    assert "2026-06-10T23:59:50Z, 10 s before" in started["reason"]


def test_a_frame_about_no_account_is_a_sign_of_life() -> None:
    quiet = [update("2026-06-10T10:00:00Z", 99000), clock("2026-06-10T10:00:29Z")]
    tick = {"type": "tick", "symbol": "EURUSD", "bid": 1.0, "ask": 1.1, "timestamp": "2026-06-10T10:00:30Z"}
    late = clock("2026-06-10T10:00:58Z")
    assert [line["event"] for line in told(*quiet, late)] == ["stale"]
    assert told(*quiet, tick, late) == []
    assert told(*quiet, {"type": "pong", "t": 1}, late) == [], "without a time of its own it counts at the newest known"
    assert told(*quiet, tick | {"timestamp": "2026-06-10"}, late) == [], "nor does an unreadable one hide that it came"
    assert told(*quiet, tick | {"timestamp": "2199-06-10T00:00:00Z"}, late) == []

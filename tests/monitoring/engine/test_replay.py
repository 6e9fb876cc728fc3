"""What a recording says besides the worked cases: other offsets, and frames about no account."""

from __future__ import annotations

import json
from typing import Any

from monitoring.engine.ruleset import parse_rule_set
from monitoring.management.commands.replay import replay
from tests.monitoring.engine.conftest import document


def told(*frames: dict[str, Any] | bytes, with_readings: bool = False, **changes: Any) -> list[dict[str, Any]]:
    lines = [frame if isinstance(frame, bytes) else json.dumps(frame).encode() for frame in frames]
    rule_set = parse_rule_set(document(**changes))
    return [json.loads(line) for line in replay(lines, rule_set, with_readings=with_readings)]


def update(ts: str, equity: float, seq: int | None = None, **figures: Any) -> dict[str, Any]:
    data = {"balance": 100000, "equity": equity, **figures}
    return {"type": "account_update", "ts": ts, "seq": seq, "account_id": "acc_1", "data": data}


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


def test_a_refused_line_is_dated_by_itself_where_it_says_when() -> None:
    cut = b'{"type":"account_update","ts":"2026-06-10T10:00:05.5Z","account_id":"acc_1","data":{"balance":NaN,'
    untimed = {"type": "account_update", "account_id": "acc_1", "data": {"balance": 1, "equity": 1}}
    lines = told(cut, untimed, update("2026-06-10T10:00:00Z", 100000), untimed)
    assert [(line["event"], line["at"]) for line in lines] == [
        ("refused", "2026-06-10T10:00:05.500Z"),
        ("refused", None),
        ("refused", "2026-06-10T10:00:00Z"),
    ]


def test_a_line_nested_without_end_is_refused_and_the_rest_goes_on() -> None:
    endless = b'{"type":"clock","ts":"2026-06-10T10:00:00Z","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    lines = told(endless, update("2026-06-10T10:00:00Z", 94000))
    assert [line["event"] for line in lines] == ["refused", "breached"]


def test_a_quiet_update_that_lags_behind_the_clock_is_stale_at_once() -> None:
    tick = {"type": "tick", "symbol": "EURUSD", "bid": 1.0, "ask": 1.1, "timestamp": "2026-06-10T10:00:59Z"}
    lagging = update("2026-06-10T10:00:20Z", 99990, seq=2, open_positions=1)
    lines = told(
        update("2026-06-10T10:00:00Z", 100000, seq=1, open_positions=0),
        tick,
        clock("2026-06-10T10:01:00Z"),
        lagging,
        with_readings=True,
    )
    assert [(line["at"][-4:], line["event"], line.get("state")) for line in lines[2:]] == [
        (":20Z", "stale", None),
        (":20Z", "reading", "unknown"),
        (":20Z", "reading", "unknown"),
    ]


def test_a_payout_before_the_first_figures_leaves_no_limit_without_a_floor() -> None:
    trailing = {"rule": "max_loss", "mode": "trailing", "high_water": "balance_eod", "on_payout": "reset",
                "amount": {"fixed": "5000"}, "operator": "<", "consequence": "fail"}  # fmt: skip
    for stated, floor in (({}, "94000.00"), ({"balance": 103000}, "98000.00")):
        data = {"kind": "payout", "amount": -1000, **stated}
        payout = {"type": "balance_operation", "ts": "2026-06-10T09:59:59Z", "account_id": "acc_1", "data": data}
        (reading,) = told(payout, update("2026-06-10T10:00:00Z", 100000), with_readings=True, rules=[trailing])
        assert reading["floor"] == floor

"""Decode: every frame of the wire, every spelling of it, and what must never get past."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.engine.messages import (
    AccountNotice,
    AccountUpdate,
    PositionClosed,
    PositionOpened,
)
from monitoring.upstream.base import Refusal
from monitoring.upstream.fxsocket.decode import MAX_FRAME, decode
from monitoring.upstream.fxsocket.wire import Control

FRAMES = Path(__file__).parents[3] / "frames"
GOOD = (FRAMES / "good.jsonl").read_text().splitlines()
BAD = [json.loads(line) for line in (FRAMES / "bad.jsonl").read_text().splitlines()]
UPDATE = next(line for line in GOOD if '"account_update"' in line)


@pytest.mark.parametrize("text", GOOD, ids=lambda text: json.loads(text)["type"])
def test_every_frame_of_the_wire_is_taken(text: str) -> None:
    message = decode(text.encode())
    assert not isinstance(message, Refusal), message
    if not isinstance(message, Control):
        assert message.account_id == "acc_1"
        assert message.ts == datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.mark.parametrize("case", BAD, ids=lambda case: f"{case['reason']}-{case['field']}")
def test_a_bad_frame_is_refused_with_its_reason_field_and_account(case: dict[str, Any]) -> None:
    refusal = decode(case["frame"].encode())
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.account_id) == (case["reason"], case["account"])
    assert case["field"] in refusal.detail
    assert len(refusal.detail) < 300
    assert refusal.detail.isprintable()


def test_the_account_update_is_read_whole() -> None:
    message = decode(UPDATE)
    assert isinstance(message, AccountUpdate)
    assert (message.seq, message.event_id) == (101, "e_101")
    assert (message.data.equity, message.data.profit, message.data.currency) == (98750.25, -1249.75, "USD")


def test_text_bytes_and_views_say_the_same() -> None:
    raw = UPDATE.encode()
    assert decode(raw) == decode(UPDATE) == decode(memoryview(raw)) == decode(bytearray(raw))


def test_the_aliases_are_the_positions_own_frames() -> None:
    by_type = {json.loads(line)["type"]: decode(line) for line in reversed(GOOD)}
    assert by_type["order_opened"] == by_type["position_open"]
    assert by_type["order_closed"] == by_type["position_close"]
    assert type(by_type["order_opened"]) is PositionOpened
    assert type(by_type["order_closed"]) is PositionClosed


def test_the_side_is_read_case_blind() -> None:
    sides = {m.data.type for m in map(decode, GOOD) if isinstance(m, PositionOpened)}
    assert sides == {"BUY"}


def test_a_numbered_frame_that_no_rule_reads_keeps_its_number() -> None:
    notice = decode(next(line for line in GOOD if "rule_breach" in line))
    assert isinstance(notice, AccountNotice)
    assert (notice.kind, notice.seq) == ("rule_breach", 108)


def test_what_the_upstream_dropped_is_told() -> None:
    warning = decode('{"type":"warning","dropped":7}')
    assert isinstance(warning, Control)
    assert warning.dropped == 7


def test_a_frame_over_a_mebibyte_is_refused_with_its_account() -> None:
    text = UPDATE.replace('"data":{', '"data":{"padding":"' + "x" * MAX_FRAME + '",')
    refusal = decode(text)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.account_id) == ("too_large", "acc_1")


def test_bytes_that_are_no_text_are_refused() -> None:
    refusal = decode(UPDATE.encode().replace(b"connected", b"\xff\xfe"))
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.account_id) == ("bad_json", "acc_1")


@given(st.binary(max_size=400))
def test_no_bytes_raise(data: bytes) -> None:
    assert isinstance(decode(data), Refusal)


@settings(max_examples=500)
@given(st.integers(0, 395), st.binary(min_size=1, max_size=3))
def test_no_damage_raises(place: int, noise: bytes) -> None:
    raw = UPDATE.encode()
    decode(raw[:place] + noise + raw[place + 1 :])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=500)
@given(st.sampled_from(GOOD), st.data(), JSON)
def test_no_value_anywhere_raises(text: str, data: st.DataObject, value: Any) -> None:
    frame = json.loads(text)
    place = data.draw(st.sampled_from(sorted(frame)))
    inner = frame.get("data")
    if place == "data" and isinstance(inner, dict) and inner:
        inner[data.draw(st.sampled_from(sorted(inner)))] = value
    else:
        frame[place] = value
    decode(json.dumps(frame))


CENTS = st.integers(-10_000_000_000_000, 10_000_000_000_000)


@settings(max_examples=2000)
@given(CENTS, st.integers(0, 10**9), CENTS, st.integers(-3, 3))
def test_the_sum_is_held_to_the_cent(balance: int, credit: int, profit: int, off: int) -> None:
    figures = {"balance": balance, "credit": credit, "profit": profit, "equity": balance + credit + profit + off}
    shown = ",".join(f'"{name}":{Decimal(cents).scaleb(-2):f}' for name, cents in figures.items())
    frame = '{"type":"account_update","ts":"2026-11-20T10:00:00Z","account_id":"a","data":{' + shown + "}}"
    message = decode(frame)
    if abs(off) <= 1:
        assert isinstance(message, AccountUpdate), message
    else:
        assert isinstance(message, Refusal)
        assert message.reason == "inconsistent"

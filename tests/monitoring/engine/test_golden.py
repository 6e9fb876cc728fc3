"""The worked cases of the rules' definition, each through decode, snapshot and rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitoring.engine.events import Event
from monitoring.engine.messages import AccountUpdate, Clock, Envelope
from monitoring.engine.money import money_text
from monitoring.engine.rules import process, readings
from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.snapshot import Snapshot
from monitoring.upstream.fxsocket.decode import decode

GOLDEN = Path(__file__).parents[2] / "golden"
SHARED = Path(__file__).parents[4] / "shared" / "golden"
CASES = sorted(GOLDEN.glob("*.json"))
UNTOLD = {"day_started", "stale", "fresh"}


def messages(frames: list[dict[str, Any]]) -> list[Envelope | Clock]:
    found: list[Envelope | Clock] = []
    for frame in frames:
        if frame["type"] == "clock":
            found.append(msgspec.convert(frame, Clock))
            continue
        message = decode(json.dumps(frame).encode())
        assert isinstance(message, Envelope)
        found.append(message)
    return found


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_worked_case(path: Path) -> None:
    case = json.loads(path.read_text())
    snapshot = Snapshot()
    account = snapshot.add("acc_1", parse_rule_set(case["rules"]))
    events: list[Event] = []
    floors = {}
    for frame, message in zip(case["frames"], messages(case["frames"]), strict=True):
        events += process(snapshot, message)  # type: ignore[arg-type]
        if isinstance(message, AccountUpdate):
            for reading in readings(account, message.ts):
                floors[frame["ts"], reading.rule] = money_text(reading.floor)
    told = [event for event in events if event.event.value not in UNTOLD]
    assert [
        {"event": event.event.value, "rule": event.rule, "at": f"{event.at:%Y-%m-%dT%H:%M:%SZ}"} for event in told
    ] == case["expect_events"]
    for expected in case["expect_floors"]:
        assert floors[expected["at"], expected["rule"]] == expected["floor"]


def test_there_are_the_worked_cases() -> None:
    assert len(CASES) == 23


@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/golden beside this checkout")
def test_they_are_the_shared_ones() -> None:
    assert {path.name: path.read_bytes() for path in CASES} == {
        path.name: path.read_bytes() for path in SHARED.glob("*.json")
    }

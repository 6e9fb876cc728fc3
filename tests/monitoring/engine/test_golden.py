"""The worked cases of the rules' definition and our own, each through decode, snapshot and rules."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitoring.engine.events import Event
from monitoring.engine.messages import AccountUpdate, Clock, Envelope, Market
from monitoring.engine.money import money_text
from monitoring.engine.rules import process, readings
from monitoring.engine.rules.standings import standings
from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.snapshot import Snapshot
from monitoring.upstream.fxsocket.decode import decode

GOLDEN = Path(__file__).parents[2] / "golden"
SHARED = Path(__file__).parents[4] / "shared" / "golden"
CASES = sorted(GOLDEN.glob("*.json"))
UNTOLD = {"day_started", "stale", "fresh"}
RULES = (
    "profit_target", "min_trading_days", "time_limit", "max_lots_per_position", "max_lots_total", "max_positions",
    "symbols", "trading_hours", "flat_by", "news_window", "stop_loss_required", "consistency", "inactivity",
    "soft_breaches",
)  # fmt: skip
ASPECTS = ("inside", "boundary", "beyond", "dispute")
STEMS = [f"{rule}_{aspect}_" for rule in RULES for aspect in ASPECTS]
OURS = [path for path in CASES if f"{path.stem}_".startswith(tuple(STEMS))]


def message_of(frame: dict[str, Any]) -> Envelope | Clock | Market:
    if frame["type"] == "clock":
        return msgspec.convert(frame, Clock)
    if frame["type"] == "market":
        return msgspec.convert(frame, Market)
    message = decode(json.dumps(frame).encode())
    assert isinstance(message, Envelope)
    return message


def stamp(at: datetime) -> str:
    """A time as the cases write it: milliseconds only where there are some."""
    precision = "milliseconds" if at.microsecond else "seconds"
    return at.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def words(event: Event, digits: int) -> dict[str, Any]:
    """Everything of an event that a case may speak of."""
    return {
        "event": event.event.value,
        "rule": event.rule,
        "at": stamp(event.at),
        "consequence": event.consequence,
        "also": list(event.also),
        "positions": list(event.positions),
        "revision": event.revision,
        "measured": None if event.measured is None else money_text(event.measured, digits),
        "floor": None if event.floor is None else money_text(event.floor, digits),
        "operator": event.operator,
    }


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_worked_case(path: Path) -> None:
    case = json.loads(path.read_text())
    rule_set = parse_rule_set(case["rules"])
    snapshot = Snapshot()
    account = snapshot.add("acc_1", rule_set)
    events: list[Event] = []
    floors, stood = {}, {}
    for frame in case["frames"]:
        message = message_of(frame)
        events += process(snapshot, message)  # type: ignore[arg-type]
        if isinstance(message, AccountUpdate):
            for reading in readings(account, message.ts):
                floors[frame["ts"], reading.rule] = money_text(reading.floor)
        if account.figures is not None:
            for standing in standings(account, message.ts):
                stood[frame["ts"], standing.rule] = standing.state.value
    told = [words(event, rule_set.digits) for event in events if event.event.value not in UNTOLD]
    expected = case["expect_events"]
    # What a case does not speak of is not compared; what happened and when always is.
    keys = [{"event", "rule", "at", *one} for one in expected]
    keys += [{"event", "rule", "at"}] * (len(told) - len(keys))
    assert [{key: one[key] for key in spoken} for one, spoken in zip(told, keys, strict=False)] == expected
    assert all(event.reason for event in events)
    for one in case["expect_floors"]:
        assert floors[one["at"], one["rule"]] == one["floor"]
    for one in case.get("expect_standings", ()):
        assert (one["at"], one["rule"], stood[one["at"], one["rule"]]) == (one["at"], one["rule"], one["state"])


def test_there_are_the_worked_cases() -> None:
    """The 23 of the definition; of every rule of section 6 one inside, at and beyond the limit, and a dispute."""
    assert len(CASES) - len(OURS) == 23
    assert not [stem for stem in STEMS if not any(f"{path.stem}_".startswith(stem) for path in OURS)]


def test_each_of_ours_names_itself_and_its_source() -> None:
    for path in OURS:
        case = json.loads(path.read_text())
        rule = next(rule for rule in RULES if path.stem.startswith(f"{rule}_"))
        assert case["name"] == path.stem
        assert len(case["source"]) > 30, path.stem
        assert rule in {one["rule"] for one in case["rules"]["rules"]}, path.stem


@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/golden beside this checkout")
def test_they_are_the_shared_ones() -> None:
    assert {path.name: path.read_bytes() for path in CASES if path not in OURS} == {
        path.name: path.read_bytes() for path in SHARED.glob("*.json")
    }

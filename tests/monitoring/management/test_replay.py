"""The replay command: same decode, snapshot and rules, one line an event, byte for byte the same each time."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

GOLDEN = Path(__file__).parents[2] / "golden"
BASE = ["at", "account", "event", "rule", "floor", "measured", "room", "used", "operator", "reason", "rule_set_version"]

NAMES = {"revision": "calendar_revision"}  # what a golden case calls it, and what a line does


def written(tmp_path: Path, case: str, *extra: str) -> tuple[str, str]:
    """A golden case as two files, with further raw lines."""
    document = json.loads((GOLDEN / f"{case}.json").read_text())
    frames, rules = tmp_path / "frames.jsonl", tmp_path / "rules.json"
    frames.write_text("\n".join([*map(json.dumps, document["frames"]), *extra]) + "\n")
    rules.write_text(json.dumps(document["rules"]))
    return str(frames), str(rules)


def replay(frames: str, rules: str, *options: str) -> str:
    out = StringIO()
    call_command("replay", frames, "--rules", rules, *options, stdout=out, stderr=StringIO())
    return out.getvalue()


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_event_is_a_line_with_strings_for_numbers(tmp_path: Path) -> None:
    warned, started, breached = lines(replay(*written(tmp_path, "overnight_trap")))
    assert list(warned) == BASE
    assert (warned["event"], warned["used"], warned["at"]) == ("warned", "0.9000", "2026-06-09T21:59:45Z")
    assert list(started) == [*BASE, "day", "day_start_balance", "day_start_equity"]
    assert (started["day"], started["day_start_balance"], started["day_start_equity"]) == (
        "2026-06-10",
        "204000.00",
        "191000.00",
    )
    assert list(breached) == [*BASE, "consequence", "also"]
    assert (breached["at"], breached["floor"], breached["measured"], breached["room"]) == (
        "2026-06-09T22:00:00Z",
        "194000.00",
        "191000.00",
        "-3000.00",
    )
    assert (breached["consequence"], breached["also"], breached["operator"]) == ("fail", [], "<")


@pytest.mark.parametrize("case", sorted(path.stem for path in GOLDEN.glob("*.json")))
def test_golden_cases_replay_to_their_events(tmp_path: Path, case: str) -> None:
    files = written(tmp_path, case)
    text = replay(*files, "--readings")
    assert text == replay(*files, "--readings")
    expected = json.loads((GOLDEN / f"{case}.json").read_text())
    found = lines(text)
    told = [line for line in found if line["event"] not in {"reading", "day_started", "stale", "fresh"}]
    events = [{NAMES.get(key, key): value for key, value in event.items()} for event in expected["expect_events"]]
    assert [{key: line.get(key) for key in event} for line, event in zip(told, events, strict=True)] == events
    floors = {(line["at"], line["rule"]): line["floor"] for line in found if line["event"] == "reading"}
    for floor in expected["expect_floors"]:
        assert floors[floor["at"], floor["rule"]] == floor["floor"]


def test_readings_come_for_applied_updates_only(tmp_path: Path) -> None:
    update = json.loads((GOLDEN / "first_day_counts_from_initial.json").read_text())["frames"][0]
    late = update | {"ts": "2026-06-10T08:00:00Z"}
    found = lines(replay(*written(tmp_path, "first_day_counts_from_initial", json.dumps(late)), "--readings"))
    assert [(line["event"], line["state"]) for line in found] == [("reading", "ok")]


def test_a_bad_line_is_refused_with_its_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    bad = [
        '{"type": "account_update"',
        '{"type": "clock"}',
        '{"type": "no_such_type"}',
        '{"type": "account_update", "ts": "2026-06-10T09:00:00Z", "account_id": "acc_1", "data": {"balance": 1}}',
        "",
        '{"type": "tick", "symbol": "EURUSD", "bid": 1.0, "ask": 1.1, "timestamp": "2026-06-10T09:00:00Z"}',
        '{"type": "clock", "ts": "2026-06-10T22:00:01.250Z"}',
    ]
    found = lines(replay(*written(tmp_path, "first_day_counts_from_initial", *bad)))
    refused = [line for line in found if line["event"] == "refused"]
    assert [line["reason"].split(":")[0] for line in refused] == ["line 2", "line 3", "line 4", "line 5"]
    assert [line["account"] for line in refused] == [None, None, None, "acc_1"]
    assert [line["event"] for line in found][4:] == ["day_started", "stale"]
    assert found[-1]["at"] == "2026-06-10T22:00:01.250Z"


def test_bad_rules_are_named_and_end_with_code_2(tmp_path: Path) -> None:
    frames, rules = written(tmp_path, "overnight_trap")
    document = json.loads(Path(rules).read_text())
    del document["rules"][0]["operator"]
    Path(rules).write_text(json.dumps(document))
    with pytest.raises(CommandError, match=r"rules\.json: rules\[0\]\.operator: operator is missing") as caught:
        replay(frames, rules)
    assert caught.value.returncode == 2


@pytest.mark.parametrize("content", ["{", "[]", "\udcff", '{"version": ' + "9" * 5000 + "}"])
def test_rules_that_are_no_json_object_are_named(tmp_path: Path, content: str) -> None:
    frames, rules = written(tmp_path, "overnight_trap")
    Path(rules).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(CommandError, match=r"rules\.json") as caught:
        replay(frames, rules)
    assert caught.value.returncode == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    frames, rules = written(tmp_path, "overnight_trap")
    with pytest.raises(CommandError, match=r"absent\.jsonl: No such file"):
        replay(str(tmp_path / "absent.jsonl"), rules)
    with pytest.raises(CommandError, match=r"absent\.json: No such file"):
        replay(frames, str(tmp_path / "absent.json"))

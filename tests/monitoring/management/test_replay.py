"""The replay command: same decode, snapshot and rules, one line an event, byte for byte the same each time."""

from __future__ import annotations

import gzip
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from monitoring.live.recording.blocks import member
from tests.monitoring.engine.conftest import DAILY, document
from tests.monitoring.test_tape import Live, a_day

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


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("replay", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def a_recording(directory: Path) -> list[str]:
    live = Live(directory)
    a_day(live)
    return list(map(str, live.files()))


def test_a_recording_says_its_rules_itself(tmp_path: Path) -> None:
    files = a_recording(tmp_path)
    text = run(*files)
    assert text == run(*files)
    breached = [line for line in lines(text) if line["event"] == "breached"]
    assert [(line["account"], line["floor"]) for line in breached] == [("acc_1", "95000.00"), ("acc_2", "190000.00")]


def test_what_a_recording_lacks_is_said(tmp_path: Path) -> None:
    files, errors = a_recording(tmp_path), StringIO()
    gap = {"type": "gap", "ts": "2026-06-11T00:01:00Z", "until": "2026-06-11T00:09:00Z", "lost": 7, "reason": "full"}
    with Path(files[-1]).open("ab") as file:
        file.write(member(json.dumps(gap).encode(), 3))
    call_command("replay", *files, stdout=StringIO(), stderr=errors)
    assert "lacks 7 entries, 2026-06-11T00:01:00Z to 2026-06-11T00:09:00Z (full)" in errors.getvalue()


def test_given_rules_replace_those_of_a_recording(tmp_path: Path) -> None:
    files = a_recording(tmp_path / "recordings")
    _, rules = written(tmp_path, "overnight_trap")
    document = json.loads(Path(rules).read_text())
    document["rules"] = [document["rules"][0] | {"amount": {"percent": "1", "of": "initial"}}]
    Path(rules).write_text(json.dumps(document | {"version": 9}))
    breached = [line for line in lines(run(*files, "--rules", rules)) if line["event"] == "breached"]
    assert {(line["account"], line["floor"]) for line in breached} == {("acc_1", "99000.00"), ("acc_2", "198000.00")}
    assert {line["rule_set_version"] for line in breached} == {9}


def test_frames_in_several_files_are_one_stream_and_bad_lines_name_theirs(tmp_path: Path) -> None:
    frames, rules = written(tmp_path, "overnight_trap")
    whole = Path(frames).read_text().splitlines(keepends=True)
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl.gz"
    one.write_text("".join(whole[:2]))
    two.write_bytes(gzip.compress("".join(["{\n", *whole[2:]]).encode()))
    found = lines(run(str(one), str(two), "--rules", rules))
    assert found[1]["reason"].startswith("two.jsonl.gz line 1: bad_json")
    assert [line for line in found if line["event"] != "refused"] == lines(replay(frames, rules))


def test_frames_that_say_no_rules_need_them(tmp_path: Path) -> None:
    frames, _ = written(tmp_path, "overnight_trap")
    with pytest.raises(CommandError, match=r"say no rules.*--rules RULES\.json") as caught:
        run(frames)
    assert caught.value.returncode == 2


NEWS = {"rule": "news_window", "before_minutes": 2, "after_minutes": 2, "consequence": "flag"}
FLAT = {"rule": "flat_by", "day": "wed", "time": "21:55", "zone": "UTC", "warn_minutes": 0, "consequence": "flag"}


def opened(tmp_path: Path, rule: dict[str, Any], *more: dict[str, Any]) -> tuple[str, str]:
    """Frames of a position opened at 14:30 and rules with one of section 6."""
    data = {"id": "p1", "symbol": "EURUSD", "type": "BUY", "volume": 1.0}
    at = {"ts": "2026-06-10T14:30:00Z", "account_id": "acc_1"}
    figures = {"type": "account_update", "data": {"balance": 100000, "equity": 100000, "open_positions": 0}}
    found = [at | figures, at | {"type": "position_open", "data": data}, *more]
    frames, rules = tmp_path / "frames.jsonl", tmp_path / "rules.json"
    frames.write_text("\n".join(map(json.dumps, found)))
    rules.write_text(json.dumps(document(DAILY, rule)))
    return str(frames), str(rules)


def test_violations_carry_consequence_positions_and_the_calendars_revision(tmp_path: Path) -> None:
    news = tmp_path / "news.csv"
    news.write_text("uid,at,currency,impact,title\nnfp,2026-06-10T14:31:00Z,USD,high,Payrolls\n")
    frames, rules = opened(tmp_path, NEWS)
    (violated,) = lines(run(frames, "--rules", rules, "--calendar", str(news)))
    assert list(violated) == [*BASE, "consequence", "positions", "calendar_revision"]
    assert (violated["event"], violated["consequence"], violated["positions"]) == ("violated", "flag", ["p1"])
    assert len(violated["calendar_revision"]) == 12
    assert lines(run(frames, "--rules", rules)) == []


def test_a_market_line_is_the_calendar_from_there_on(tmp_path: Path) -> None:
    frames, rules = opened(tmp_path, NEWS)
    event = {"id": "nfp", "at": "2026-06-10T14:31:00Z", "currency": "USD", "impact": "high"}
    market = {"type": "market", "ts": "2026-06-10T14:00:00Z", "revision": "r7", "news": [event]}
    path = Path(frames)
    path.write_text(json.dumps(market) + "\n" + path.read_text())
    (violated,) = lines(run(frames, "--rules", rules))
    assert violated["calendar_revision"] == "r7"


def test_holidays_move_deadlines(tmp_path: Path) -> None:
    holidays = tmp_path / "holidays.csv"
    holidays.write_text("server,day,name\nanywhere,2026-06-10,A feast\n")
    data = {"balance": 100000, "equity": 100000, "open_positions": 1}
    late = {"type": "account_update", "account_id": "acc_1", "ts": "2026-06-10T21:54:50Z", "data": data}
    frames, rules = opened(tmp_path, FLAT, late, {"type": "clock", "ts": "2026-06-10T21:55:00Z"})

    def violated(*options: str) -> list[str]:
        return [one["at"] for one in lines(run(frames, "--rules", rules, *options)) if one["event"] == "violated"]

    assert violated() == ["2026-06-10T21:55:00Z"]
    assert violated("--holidays", str(holidays)) == []


@pytest.mark.parametrize(
    ("option", "content", "complaint"),
    [
        ("--calendar", "uid,at\n", r"news\.csv: "),
        ("--calendar", "uid,at,currency,impact,title\nx,yesterday,USD,high,T\n", r"line 2[. ]at: must be a time"),
        ("--holidays", "server,day,name\n,2026-02-31,T\n", r"line 2[. ]day"),
        ("--calendar", "\udcff", "not UTF-8"),
    ],
)
def test_a_bad_calendar_is_named_by_file_and_line(tmp_path: Path, option: str, content: str, complaint: str) -> None:
    path = tmp_path / "news.csv"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    frames, rules = opened(tmp_path, NEWS)
    with pytest.raises(CommandError, match=complaint) as caught:
        run(frames, "--rules", rules, option, str(path))
    assert caught.value.returncode == 2
    with pytest.raises(CommandError, match="absent"):
        run(frames, "--rules", rules, option, str(tmp_path / "absent.csv"))

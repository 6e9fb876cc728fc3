"""The recording's files: portions over midnight, gaps that are said, tails that are torn, private and not for ever."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from monitoring.engine.messages import Clock
from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.snapshot import Snapshot
from monitoring.engine.tape import Gap, Header, Unwatch, Watch, decode
from monitoring.lab.frames import Frames
from monitoring.live.recording import Recording
from monitoring.live.recording.blocks import HEAD, Lines, member
from monitoring.live.recording.files import delete_older, file_of, recorded_days
from monitoring.upstream.base import Refusal
from tests.monitoring.engine.conftest import document
from tests.monitoring.test_tape import T0, Live, a_day, played
from tests.waiting import aeventually, eventually

RULES = parse_rule_set(document())


def entries(path: Path) -> list[object]:
    return [decode(line) for line in Lines(path)]


def test_the_files_are_private_and_any_gzip_reads_them(tmp_path: Path) -> None:
    live = Live(tmp_path / "recordings")
    a_day(live)
    path, _ = live.files()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with gzip.open(path) as text:
        assert json.loads(next(text))["type"] == "recording"


def test_nobodys_name_is_written(tmp_path: Path) -> None:
    from monitoring.engine.messages import AccountFigures, Resync

    live = Live(tmp_path)
    live.watch("acc_1", RULES)
    truth = Resync("acc_1", T0, AccountFigures(balance=1.0, equity=1.0), (), 1, name="Ada Lovelace", login="4711")
    live.send(truth)
    (path,) = live.files()
    with gzip.open(path) as file:
        text = file.read()
    assert b"resync" in text
    assert b"Ada" not in text
    assert b"4711" not in text


async def test_midnight_carries_accounts_over_in_portions_and_loses_nothing(tmp_path: Path) -> None:
    live = Live(tmp_path)
    names = [f"acc_{number}" for number in range(400)]
    for name in names:
        live.watch(name, RULES)
    for turn in range(30):
        live.tick()
        for name in names:
            live.update(name, 100_000 - turn)
        if live.tape.carrying:
            portion = asyncio.Event()  # set in the loop's next turn
            asyncio.get_running_loop().call_soon(portion.set)
            await portion.wait()
    for name in names:
        live.update(name, 94_000)
    await aeventually(lambda: not live.tape.carrying)
    first, second = live.files()
    watched = [entry.account_id for entry in entries(second) if isinstance(entry, Watch)]
    left = [entry.account_id for entry in entries(first) if isinstance(entry, Unwatch)]
    assert sorted(watched) == sorted(left) == sorted(names)
    assert sorted(event.key for event in played([first, second])) == sorted(event.key for event in live.events)
    on_its_own = {event.key for event in played([second])}
    assert {event.key for event in live.events if event.event == "breached"} <= on_its_own


async def test_a_slow_disk_costs_the_recording_and_never_the_loop(tmp_path: Path) -> None:
    live = Live(tmp_path, limit=50)
    live.watch("acc_1", RULES)
    live.tick()
    for number in range(2_000):  # without a turn for the thread to speak of
        live.update("acc_1", 100_000 - number / 100)
        if live.tape.warnings():
            break
    (warning,) = live.tape.warnings()
    assert "the disk is too slow" in warning
    for _ in range(10):
        live.update("acc_1", 99_000)
    await aeventually(lambda: not live.tape.writer.waiting)
    live.update("acc_1", 94_000)  # goes on here at the latest, with everybody's state
    await aeventually(lambda: not live.tape.warnings())
    await aeventually(lambda: not live.tape.carrying)
    assert live.tape.lost >= 1
    (path,) = live.files()
    found = entries(path)
    *_, gap = gaps = [entry for entry in found if isinstance(entry, Gap)]
    assert sum(one.lost for one in gaps) == live.tape.lost
    assert isinstance(found[found.index(gap) - 1], Header)
    assert "acc_1" in {entry.account_id for entry in found[found.index(gap) :] if isinstance(entry, Watch)}
    played([path])


async def test_a_disk_that_refuses_is_shown_and_tried_again(tmp_path: Path) -> None:
    directory = tmp_path / "recordings"
    directory.write_text("a file where the folder should be")
    live = Live(directory, again=0.01)
    live.watch("acc_1", RULES)
    await aeventually(lambda: live.tape.writer.error is not None)
    live.update("acc_1", 99_000)
    assert "the disk refuses" in live.tape.warnings()[0]
    began, refused = live.now, live.tape.lost

    def refused_again() -> bool:
        live.tick()
        assert live.tape.warnings(), "it does not come and go with each try"
        return live.tape.lost > refused + 50

    await aeventually(refused_again)
    directory.unlink()
    live.events.clear()

    def goes_on() -> bool:
        live.tick()
        return not live.tape.warnings()

    await aeventually(goes_on)
    await aeventually(lambda: not live.tape.carrying)
    live.update("acc_1", 94_000)
    (path,) = live.files()
    (gap,) = (entry for entry in entries(path) if isinstance(entry, Gap))
    assert (gap.lost, gap.ts <= began) == (live.tape.lost, True)
    assert [event.event for event in played([path])] == ["breached"]


def test_two_monitors_do_not_write_one_file(tmp_path: Path) -> None:
    first, second = Live(tmp_path), Live(tmp_path)
    first.watch("acc_1", RULES)
    eventually(lambda: first.tape.writer.bytes_written)
    second.watch("acc_1", RULES)
    eventually(lambda: second.tape.writer.error)
    assert "another monitor writes main-2026-06-10.jsonl.gz" in str(second.tape.writer.error)
    second.tape.close()
    first.tape.close()


def test_a_new_start_goes_on_in_the_file_with_everybodys_state(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.watch("acc_1", RULES)
    live.tick()
    live.update("acc_1", 96_000)
    live.files()
    again = Live(tmp_path, now=live.now)
    again.seqs = live.seqs
    again.watch("acc_1", RULES, state=live.snapshot.accounts["acc_1"].dump())
    again.tick()
    again.update("acc_1", 94_000)
    (path,) = again.files()
    assert [event.key for event in played([path])] == [event.key for event in [*live.events, *again.events]]


def test_what_a_kill_cut_off_is_let_go_and_the_next_start_is_read(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.watch("acc_1", RULES)
    live.tick()
    (path,) = live.files()
    whole, kept = path.read_bytes(), list(Lines(path))
    last = whole.rindex(HEAD)
    for cut in range(last + 1, len(whole), 7):
        path.write_bytes(whole[:cut] + whole)
        lines = Lines(path)
        found = list(lines)
        assert lines.torn == 1, cut
        assert found[-len(kept) :] == kept
        assert lines.position == lines.size


@pytest.mark.parametrize("cut", [1, 10, 19, 25, 60])
def test_a_torn_tail_is_read_as_far_as_it_goes(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "main-2026-06-10.jsonl.gz"
    path.write_bytes(member(b'{"a":1}\n{"b":2}\n', 3) + member(b'{"c":3}\n' * 50, 3)[:-cut])
    assert list(Lines(path))[:2] == [b'{"a":1}', b'{"b":2}']


def test_no_damage_to_a_file_goes_unsaid(tmp_path: Path) -> None:
    path = tmp_path / "main-2026-06-10.jsonl.gz"
    first, second = member(b'{"equity":95000.01}\n' * 3, 3), member(b'{"equity":100000.0}\n' * 3, 3)
    path.write_bytes(first + second)
    sound = list(Lines(path))
    for place in range(len(HEAD), len(first)):
        for bit in range(8):
            spoilt = bytearray(first + second)
            spoilt[place] ^= 1 << bit
            path.write_bytes(spoilt)
            lines = Lines(path)
            assert list(lines) == sound or lines.torn, (place, bit)


def test_a_recording_whose_head_is_damaged_is_still_one(tmp_path: Path) -> None:
    path = tmp_path / "main-2026-06-10.jsonl.gz"
    live = Live(tmp_path / "lived")
    live.watch("acc_1", RULES)
    (lived,) = live.files()
    kept = [line for line in Lines(lived) if b'"watch"' in line]
    spoilt = bytearray(member(b'{"type":"recording","ts":"2026-06-10T00:00:00Z"}\n', 3))
    spoilt[-12] ^= 255
    path.write_bytes(spoilt + member(kept[0] + b"\n", 3))
    frames = Frames.of([path])
    found = list(frames)
    assert isinstance(found[-1], Watch)
    assert (frames.torn, frames.bad) == (1, len(found) - 1)


def test_a_kill_costs_a_second_at_most(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom tests.monitoring.test_tape import Live, RULES\n"
        "live = Live(Path(sys.argv[1]))\nlive.watch('acc_1', RULES)\nlive.tick()\n"
        "while True:\n    live.update('acc_1', 99_000)\n    print(live.seqs['acc_1'], flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    writer = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"1\n"
    path = file_of(tmp_path, "main", date(2026, 6, 10))
    eventually(lambda: path.exists() and any(b'"seq":1,' in line for line in Lines(path)))
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdin.close()
    writer.stdout.close()
    assert played([path]) == []


def test_what_led_to_an_event_is_on_the_disk_before_the_second_is_over(tmp_path: Path) -> None:
    tape = Recording(tmp_path, "main", Snapshot("main"), every=3600.0, clock=lambda: T0)
    tape.message(Clock(ts=T0))
    tape.hurry()
    path = file_of(tmp_path, "main", T0.date())
    eventually(lambda: path.exists() and b'"clock"' in b"".join(Lines(path)))
    tape.message(Clock(ts=T0))
    tape.hurry()
    eventually(lambda: sum(b'"clock"' in line for line in Lines(path)) == 2)
    tape.close()


def test_a_plain_gzip_of_others_is_read(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a":1}\n') + gzip.compress(b'{"b":2}\n'))
    assert list(Lines(path)) == [b'{"a":1}', b'{"b":2}']
    path.write_bytes(gzip.compress(b'{"a":1}\n' * 1000)[:-12])
    torn = Lines(path)
    assert b'{"a":1}' in list(torn)
    assert torn.torn == 1
    path.write_bytes(gzip.compress(b'{"a":1}\n') + b"rubbish")
    spoilt = Lines(path)
    assert list(spoilt) == [b'{"a":1}']
    assert spoilt.torn == 1


def test_refusals_reviews_and_the_clock_are_on_the_tape(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.watch("acc_1", RULES)
    live.update("acc_1", 99_000)
    live.tape.refusal(Refusal("not_finite", "NaN", "acc_1"), live.now)
    live.tape.hold("acc_1", "a person looks")
    live.tape.release("acc_1")
    live.tape.set_back(live.now)
    live.tape.rules("acc_1", parse_rule_set(document(version=4)), live.now)
    live.tape.unwatch("acc_1")
    (path,) = live.files()
    kinds = [json.loads(line)["type"] for line in Lines(path)]
    assert [kind for kind in kinds if kind != "rulebook"][-6:] == [
        "refusal", "hold", "release", "set_back", "rules", "unwatch",
    ]  # fmt: skip


def test_old_days_are_deleted_by_their_name(tmp_path: Path) -> None:
    for name in ("main-2026-06-01", "main-2026-06-09", "b.2-2026-06-01", "main-2026-02-31"):
        (tmp_path / f"{name}.jsonl.gz").write_bytes(b"")
    (tmp_path / "main-2026-06-01.jsonl").write_bytes(b"")  # not ours
    assert delete_older(tmp_path, 7, date(2026, 6, 10)) == ["b.2-2026-06-01.jsonl.gz", "main-2026-06-01.jsonl.gz"]
    assert [(one.shard, one.day.day) for one in recorded_days(tmp_path)] == [("main", 9)]


def test_there_is_no_recording_before_something_happens(tmp_path: Path) -> None:
    tape = Recording(tmp_path, "main", Live(tmp_path).snapshot, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    tape.close()
    assert recorded_days(tmp_path) == []

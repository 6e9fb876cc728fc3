"""Two rule sets over the same frames: what differs, where it came closest, and that it can be stopped."""

from __future__ import annotations

import codecs
import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.engine.rules import change_rules
from monitoring.engine.ruleset import RuleSet, parse_rule_set
from monitoring.engine.tape import RecordingError
from monitoring.lab import Cancelled, Frames, compare
from monitoring.lab.compare import POINTS, curve
from monitoring.lab.peek import NoFrames, says_rules
from monitoring.management.commands.replay import replay
from tests.monitoring.engine.conftest import DAILY, STATIC, document
from tests.monitoring.test_tape import Live, a_day

FIVE = parse_rule_set(document(DAILY))
FOUR = parse_rule_set(document({**DAILY, "amount": {"percent": "4", "of": "initial"}}, version=4))
TRAIL = {**STATIC, "mode": "trailing", "high_water": "equity_intraday"}
PEAK = {**DAILY, "reference": "intraday_peak_equity"}


def update(second: int, equity: float, account: str = "acc_1", balance: float = 100_000) -> bytes:
    ts = f"2026-06-{10 + second // 86400:02d}T{second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"
    data = {"balance": balance, "equity": equity}
    return json.dumps({"type": "account_update", "ts": ts, "seq": second, "account_id": account, "data": data}).encode()


def run(lines: Sequence[bytes], a: RuleSet | None, b: RuleSet | None, **options: Any) -> dict[str, Any]:
    return compare(Frames([lines]), a, b, **options)


def test_who_breaches_under_one_rule_set_only_stands_side_by_side() -> None:
    lines = [update(1, 100_000), update(2, 95_500), update(3, 97_000), update(4, 95_800)]
    found = run(lines, FIVE, FOUR)
    (row,) = found["accounts"]
    assert row["differs"]
    assert (row["a"]["breached"], row["b"]["breached"]) == (0, 1)
    assert (row["a"]["warned"], row["b"]["warned"]) == (2, 0)
    assert row["a"]["breach"] is None
    assert row["b"]["breach"]["at"] == "2026-06-10T00:00:02.000Z"
    assert row["b"]["breach"]["rule"] == "daily_loss"
    assert (row["a"]["state"], row["b"]["state"]) == ("warned", "breached")
    assert (row["a"]["room"], row["a"]["room_at"]) == ("500.00", "2026-06-10T00:00:02.000Z")
    assert row["b"]["room"] == "-500.00"
    assert found["totals"]["b"]["failed"] == 1
    assert [number for _, number in found["curves"]["b"]] == [1]
    assert found["curves"]["a"] == []


def test_the_same_rules_twice_differ_in_nothing() -> None:
    lines = [update(second, 100_000 - 100 * second) for second in range(1, 80)]
    found = run(lines, FIVE, FIVE)
    assert found["differing"] == 0
    assert found["accounts"][0]["a"] == found["accounts"][0]["b"]


def test_bad_lines_are_counted_and_shown_by_their_number() -> None:
    found = run([update(1, 100_000), b"{", b"", b'{"type": "nothing"}'], FIVE, FOUR)
    assert found["bad"] == 2
    assert [place for place, _ in found["bad_lines"]] == ["line 2", "line 4"]


def test_frames_without_an_account_are_no_run() -> None:
    with pytest.raises(RecordingError, match=r"2 line\(s\) could not be read, the first: line 1: bad_json"):
        run([b"{", b"["], FIVE, FOUR)
    with pytest.raises(RecordingError, match="no account"):
        run([], FIVE, FOUR)


def test_it_stops_when_told_to() -> None:
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 3

    with pytest.raises(Cancelled):
        run([update(second, 100_000) for second in range(1, 20_000)], FIVE, FOUR, cancelled=cancelled)
    assert len(asked) == 4


@pytest.mark.parametrize("text", [b"\n", b"\0"])
def test_a_file_that_gives_no_line_can_be_stopped_as_well(tmp_path: Path, text: bytes) -> None:
    """A small file that unpacks to a great many empty lines, or to one line without an end."""
    path = tmp_path / "frames.jsonl.gz"
    path.write_bytes(gzip.compress(update(1, 100_000) + b"\n" + text * (8 << 20), 1))
    asked = count(1)
    with pytest.raises(Cancelled):
        compare(Frames.of([path]), FIVE, FOUR, cancelled=lambda: next(asked) > 4)


def test_more_accounts_than_the_machine_bears_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("monitoring.lab.compare"), "MOST_ACCOUNTS", 3)
    run([update(1, 100_000, f"acc_{number}") for number in range(3)], FIVE, FOUR)
    with pytest.raises(RecordingError, match="more than 3 accounts are in these frames"):
        run([update(1, 100_000, f"acc_{number}") for number in range(4)], FIVE, FOUR)


def test_a_file_of_another_system_is_read(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_bytes(codecs.BOM_UTF8 + b"\r\n".join([update(1, 100_000), update(2, 94_000)]) + b"\r\n")
    found = compare(Frames.of([path]), FIVE, FOUR)
    assert (found["bad"], found["accounts"][0]["a"]["breached"]) == (0, 1)


def test_a_first_look_sees_what_can_be_read() -> None:
    frame = update(1, 100_000)
    for start in (
        b"# frames of Friday\n" + frame,
        gzip.compress(b"") + gzip.compress(frame + b"\n"),
        frame[:-9] + b"\n" + frame,
    ):
        assert not says_rules(start)
    for start in (b"", gzip.compress(b""), gzip.compress(frame)[:9], b"ts,account\n1,2\n", b"\x1f\x8b\x08rubbish"):
        with pytest.raises(NoFrames):
            says_rules(start)


def test_progress_goes_by_the_bytes_read(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_bytes(b"\n".join(update(second, 100_000) for second in range(1, 10_000)))
    told: list[int] = []
    compare(Frames.of([path]), FIVE, FOUR, progress=told.append)
    assert told == sorted(told)
    assert told[-1] > 90


def test_a_recording_is_compared_with_its_own_rules(tmp_path: Path) -> None:
    live = Live(tmp_path)
    a_day(live)
    found = compare(Frames.of(live.files()), None, FOUR)
    rows = {row["account"]: row for row in found["accounts"]}
    assert rows["acc_1"]["a"]["breached"] == rows["acc_1"]["b"]["breached"] == 1
    assert rows["acc_2"]["a"]["room"] == "-10000.00"
    kinds = [event.event.value for event in live.events if event.account == "acc_2"]
    assert rows["acc_2"]["a"]["warned"] == kinds.count("warned")


def test_the_least_room_follows_a_change_of_rules(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.watch("acc_1", FIVE)
    live.tick()
    live.update("acc_1", 98_000)
    live.events += change_rules(live.snapshot, "acc_1", FOUR, live.now)
    live.tape.rules("acc_1", FOUR, live.now)
    live.update("acc_1", 98_500)
    found = compare(Frames.of(live.files()), None, FIVE)["accounts"][0]
    assert (found["a"]["room"], found["b"]["room"]) == ("2500.00", "3000.00")


def test_the_least_room_follows_a_new_day() -> None:
    lines = [(1, 100_000), (2, 107_000), (86_400, 107_100)]  # the floor is 95,000, then 5% below the balance
    found = run([update(*line, balance=110_000) for line in lines], FIVE, FOUR)["accounts"][0]
    assert (found["a"]["room"], found["b"]["room"]) == ("2100.00", "1100.00")


def test_a_refused_frame_leaves_doubt_as_it_does_in_replay() -> None:
    stop = parse_rule_set(document(DAILY, {"rule": "stop_loss_required", "within_seconds": 5, "consequence": "flag"}))
    at = "2026-06-10T00:00:0{}Z"
    position = {"id": "p1", "symbol": "EURUSD", "type": "BUY", "volume": 1.0, "open_time": at.format(2)}
    opened = {"type": "position_open", "account_id": "acc_1", "ts": at.format(2), "seq": 2, "data": position}
    spoilt = update(3, 100_000).replace(b'"equity": 100000', b'"equity": "much"')
    frames = [
        update(1, 100_000),
        json.dumps(opened).encode(),
        spoilt,
        b'{"type": "clock", "ts": "2026-06-10T00:00:09Z"}',
    ]
    assert "violated" not in {json.loads(line)["event"] for line in replay(frames, stop)}
    assert run(frames, stop, FIVE)["accounts"][0]["a"]["violated"] == 0
    without = [frame for frame in frames if frame is not spoilt]
    assert "violated" in {json.loads(line)["event"] for line in replay(without, stop)}


def test_a_breach_at_a_reset_or_a_reading_has_its_room() -> None:
    reset = parse_rule_set(document(DAILY, reset={"time": "00:00", "zone": "UTC"}))
    night = [update(86_390, 104_000, balance=110_000), b'{"type": "clock", "ts": "2026-06-11T00:00:01Z"}']
    (row,) = run(night, reset, FIVE)["accounts"]
    assert (row["a"]["breach"]["at"], row["a"]["room"]) == ("2026-06-11T00:00:00.000Z", "-1000.00")
    reading = {"type": "resync", "account_id": "acc_1", "ts": "2026-06-10T00:00:02Z", "seq": 2, "positions": [],
               "data": {"balance": 100_000.0, "equity": 94_000.0}}  # fmt: skip
    (row,) = run([update(1, 100_000), json.dumps(reading).encode()], FIVE, FOUR)["accounts"]
    assert (row["a"]["breached"], row["a"]["room"], row["a"]["room_at"]) == (1, "-1000.00", "2026-06-10T00:00:02.000Z")


def test_the_least_room_is_that_of_risk_equity() -> None:
    def with_credit(second: int, equity: float, credit: float) -> bytes:
        frame = json.loads(update(second, equity))
        return json.dumps({**frame, "data": frame["data"] | {"credit": credit}}).encode()

    frames = [with_credit(1, 98_000, 0), with_credit(2, 98_500, 1_000), with_credit(3, 100_000, 1_000)]
    assert run(frames, FIVE, FOUR)["accounts"][0]["a"]["room"] == "2500.00"


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(88_000, 112_000), st.sampled_from([100_000, 99_000, 101_500])), min_size=1),
    st.sampled_from([(DAILY,), (STATIC,), (DAILY, STATIC), (TRAIL,), (PEAK,), (PEAK, TRAIL)]),
    st.integers(1, 40_000),
)
def test_the_least_room_is_that_of_every_reading(
    figures: list[tuple[int, int]], rules: tuple[dict[str, Any], ...], step: int
) -> None:
    rule_set = parse_rule_set(document(*rules))
    lines = [update(number * step % 500_000 + number, e, balance=b) for number, (e, b) in enumerate(figures, 1)]
    lines.sort(key=lambda line: json.loads(line)["ts"])
    frames = [json.dumps({**json.loads(line), "seq": number}).encode() for number, line in enumerate(lines, 1)]
    told = [json.loads(line) for line in replay(frames, rule_set, with_readings=True)]
    rooms = [float(line["room"]) for line in told if line["room"] is not None]
    found = run(frames, rule_set, rule_set)["accounts"][0]["a"]["room"]
    assert float(found) == min(rooms)


def test_the_curve_counts_each_account_once_at_its_first_breach_and_ends_with_the_last() -> None:
    start = datetime(2026, 6, 10, tzinfo=UTC)
    found = curve([(start + timedelta(hours=2), "b"), (start + timedelta(hours=1), "a"), (start, "b")])
    ms = int(start.timestamp() * 1000)
    assert found == [(ms, 1), (ms + 3_600_000, 2)]
    many = curve([(start + timedelta(seconds=number), str(number)) for number in range(POINTS * 2 + 1)])
    assert len(many) == POINTS + 1
    assert many[-1] == (ms + POINTS * 2000, POINTS * 2 + 1)


def test_the_same_breach_at_another_time_differs() -> None:
    lines = [update(1, 100_000), update(2, 95_950), update(3, 94_900)]
    quiet = {"warn_at": ["0.999"], "clear_below": "0.5"}
    four, five = (
        parse_rule_set(document({**DAILY, "amount": {"percent": share, "of": "initial"}}, **quiet)) for share in "45"
    )
    found = run(lines, four, five)
    (row,) = found["accounts"]
    assert [row[side]["breach"]["at"][-8:-5] for side in "ab"] == [":02", ":03"]
    assert row["differs"]

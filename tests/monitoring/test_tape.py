"""What a recording holds, and that playing it comes to what was lived."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from monitoring.engine import tape
from monitoring.engine.events import Event
from monitoring.engine.messages import (
    AccountFigures,
    AccountUpdate,
    BalanceFigures,
    BalanceOperation,
    Clock,
    Link,
    Message,
)
from monitoring.engine.rules import change_rules, process, refuse
from monitoring.engine.ruleset import RuleSet, parse_rule_set
from monitoring.engine.snapshot import Account, Snapshot
from monitoring.engine.tape import Player, RecordingError
from monitoring.lab.frames import BadLine, Frames
from monitoring.live.recording import Recording
from monitoring.live.recording.files import recorded_days
from monitoring.upstream.base import Refusal
from tests.monitoring.engine.conftest import DAILY, STATIC, document
from tests.monitoring.engine.others_documents import draw_document
from tests.monitoring.engine.others_generate import draw_day

T0 = datetime(2026, 6, 10, 23, 59, 50, tzinfo=UTC)
RULES = parse_rule_set(document())


class Live:
    """A snapshot that is recorded, as the pipeline does it: each change first, then the tape."""

    def __init__(self, directory: Path, *, now: datetime = T0, **options: Any) -> None:
        self.snapshot = Snapshot("main")
        self.now = now
        self.directory = directory
        self.tape = Recording(directory, "main", self.snapshot, every=0.01, clock=lambda: self.now, **options)
        self.events: list[Event] = []
        self.seqs: dict[str, int] = {}

    def watch(self, account_id: str, rule_set: RuleSet, **options: Any) -> None:
        self.tape.watch(self.snapshot.add(account_id, rule_set, challenge="c1", **options))

    def send(self, message: Message) -> None:
        self.events += process(self.snapshot, message)
        self.tape.message(message)

    def tick(self, seconds: float = 1.0) -> None:
        self.now += timedelta(seconds=seconds)
        self.send(Link(ts=self.now, state="alive"))
        self.send(Clock(ts=self.now))

    def update(self, account_id: str, equity: float, balance: float = 100000.0) -> None:
        self.seqs[account_id] = self.seqs.get(account_id, 0) + 1
        data = AccountFigures(balance=balance, equity=equity)
        self.send(AccountUpdate(account_id=account_id, ts=self.now, seq=self.seqs[account_id], data=data))

    def files(self) -> list[Path]:
        self.tape.close()
        return [one.path for one in recorded_days(self.directory)]


def played(files: Sequence[Path], rules: RuleSet | None = None) -> list[Event]:
    player, found = Player(rules), list[Event]()
    for line in Frames.of(files):
        assert not isinstance(line, BadLine), line
        found += player.play(line)
    return found


def a_day(live: Live) -> None:
    """Two accounts over midnight UTC: one falls on the first day, the other on the second."""
    rule_set = parse_rule_set(document())
    live.watch("acc_1", rule_set)
    live.watch("acc_2", rule_set, initial_balance=200_000_00)
    live.tick()
    live.update("acc_1", 94_900)
    live.update("acc_2", 199_000, 200_000)
    for _ in range(15):
        live.tick()
        live.update("acc_1", 94_000)
        live.update("acc_2", 196_000, 200_000)
    live.update("acc_2", 180_000, 200_000)


def test_a_recorded_day_replays_to_the_events_that_were_lived(tmp_path: Path) -> None:
    live = Live(tmp_path)
    a_day(live)
    files = live.files()
    assert [path.name for path in files] == ["main-2026-06-10.jsonl.gz", "main-2026-06-11.jsonl.gz"]
    assert {event.event for event in live.events} >= {"breached", "day_started"}
    assert sorted(played(files), key=lambda event: event.key) == sorted(live.events, key=lambda event: event.key)


def test_each_day_replays_on_its_own(tmp_path: Path) -> None:
    live = Live(tmp_path)
    a_day(live)
    first, second = live.files()
    assert {event.key for event in [*played([first]), *played([second])]} == {event.key for event in live.events}


def test_under_other_rules_every_account_keeps_its_own_size(tmp_path: Path) -> None:
    live = Live(tmp_path)
    a_day(live)
    tighter = parse_rule_set(document({**DAILY, "amount": {"percent": "1", "of": "initial"}}, initial_balance="5.00"))
    breached = [event for event in played(live.files(), tighter) if event.event == "breached"]
    assert len(breached) == 2  # a breach of the first day stands on the second
    assert {event.account: event.floor for event in breached} == {"acc_1": 99_000_00, "acc_2": 198_000_00}


def test_where_a_file_is_missing_what_had_failed_stays_failed(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.watch("acc_1", RULES)
    for equity in (98_000, 99_500):  # a day with a breach under 1% alone, and days without
        live.tick()
        live.update("acc_1", equity)
        live.tick(86_400)
        live.update("acc_1", 100_000)
    first, _, last = live.files()
    tighter = parse_rule_set(document({**DAILY, "amount": {"percent": "1", "of": "initial"}}))
    assert [event.event for event in played([first, last], tighter) if event.event == "breached"] == ["breached"]
    assert [event for event in played([last], tighter) if event.event == "breached"] == []


def test_other_rules_remember_through_a_kill(tmp_path: Path) -> None:
    """What was applied last is not on the tape: marks, episodes and reviews of the given rules go on all the same."""
    live = Live(tmp_path, now=T0.replace(hour=12))
    live.watch("acc_1", RULES)
    live.tick()
    live.update("acc_1", 108_000)
    live.update("acc_1", 99_900)
    live.tape.close()
    unrecorded = AccountUpdate(account_id="acc_1", ts=live.now, seq=3, data=AccountFigures(balance=1e5, equity=99_800))
    process(live.snapshot, unrecorded)
    again = Live(tmp_path, now=live.now)
    again.watch("acc_1", RULES, state=live.snapshot.accounts["acc_1"].dump())
    again.tick()
    again.seqs = {"acc_1": 3}
    again.update("acc_1", 99_700)
    again.update("acc_1", 97_500)
    trailing = parse_rule_set(document({**STATIC, "mode": "trailing", "high_water": "equity_intraday"}))
    told = played(again.files(), trailing)
    assert [event.event for event in told] == ["warned", "breached"]
    assert (told[-1].floor, told[-1].measured) == (98_000_00, 97_500_00)


def test_other_rules_judge_nobody_by_money_that_nobody_has_classed(tmp_path: Path) -> None:
    """The operation is not on the tape; that verdicts wait for it is in the state that follows."""
    live = Live(tmp_path, now=T0.replace(hour=12))
    live.watch("acc_1", RULES)
    live.tick()
    live.update("acc_1", 100_000)
    live.tape.close()
    data = BalanceFigures(kind="mystery", amount=-20_000)
    process(live.snapshot, BalanceOperation(account_id="acc_1", ts=live.now, seq=2, data=data))
    again = Live(tmp_path, now=live.now)
    again.watch("acc_1", RULES, state=live.snapshot.accounts["acc_1"].dump())
    again.tick()
    again.seqs = {"acc_1": 2}
    again.update("acc_1", 80_000, 80_000)
    assert played(again.files(), parse_rule_set(document(STATIC))) == []


def test_other_rules_know_of_money_that_came_unnumbered_and_unrecorded(tmp_path: Path) -> None:
    """Where frames carry no `seq` their time tells whether some are missing."""
    live = Live(tmp_path, now=T0.replace(hour=12))

    def update(of: Live, balance: float) -> AccountUpdate:
        figures = AccountFigures(balance=balance, equity=balance)
        return AccountUpdate(account_id="acc_1", ts=of.now, data=figures)

    live.watch("acc_1", RULES)
    live.tick()
    live.send(update(live, 100_000))
    live.tape.close()
    live.now += timedelta(seconds=1)
    data = BalanceFigures(kind="deposit", amount=20_000)
    process(live.snapshot, BalanceOperation(account_id="acc_1", ts=live.now, data=data))
    again = Live(tmp_path, now=live.now)
    again.watch("acc_1", RULES, state=live.snapshot.accounts["acc_1"].dump())
    again.tick()
    again.send(update(again, 120_000))
    goal = {"rule": "profit_target", "amount": {"percent": "8", "of": "initial"}}
    assert played(again.files(), parse_rule_set(document(STATIC, goal))) == []


def test_frames_that_say_no_rules_need_some() -> None:
    update = AccountUpdate(account_id="acc_1", ts=T0, data=AccountFigures(balance=1.0, equity=1.0))
    with pytest.raises(RecordingError, match="say no rules"):
        Player().play(update)


def test_what_no_monitor_writes_is_said(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.watch("acc_1", RULES)
    header, book, watch, *_ = (line for line in Frames.of(live.files()) if isinstance(line, tape.Entry))
    assert isinstance(watch, tape.Watch)
    player = Player()
    player.play(header)
    player.play(book)
    player.play(watch)
    with pytest.raises(RecordingError, match="a line cannot be played: ValueError: not a number: 'much'"):
        player.play(replace(watch, initial_balance="much"))


def test_a_later_format_is_not_misread() -> None:
    with pytest.raises(RecordingError, match="format 2"):
        Player().play(tape.Header(ts=T0, format=2))


def test_a_rule_set_that_the_recording_lacks_is_named(tmp_path: Path) -> None:
    live = Live(tmp_path)
    live.watch("acc_1", parse_rule_set(document()))
    lines = [line for line in Frames.of(live.files()) if isinstance(line, tape.Header | tape.Watch)]
    player = Player()
    player.play(lines[0])
    with pytest.raises(RecordingError, match="acc_1: the recording does not hold its rule set"):
        player.play(lines[1])


class Hostile(Live):
    """A story that is lived with restarts, reviews, refusals, other rules and a clock that goes back."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.day = draw_day(seed, 80)
        ours = {"refuse", "hold", "release"}  # which are done below
        frames = [frame for frame in self.day.frames if frame["type"] not in ours]
        self.messages = [msgspec.convert(frame, type=Message) for frame in frames]
        super().__init__(directory, now=self.messages[0].ts)
        self.watch("acc_1", parse_rule_set(self.day.document), created=self.day.created)

    def live(self) -> None:
        """All of it."""
        doings = (self.restart, self.review, self.refuse, self.other_rules, self.set_back)
        for message in self.messages:
            self.now = max(self.now, message.ts)
            self.send(message)
            if self.rng.random() < 0.08:
                self.rng.choice(doings)()

    @property
    def account(self) -> Account:
        return self.snapshot.accounts["acc_1"]

    def restart(self) -> None:
        """A monitor that ends and one that begins, from what the first left."""
        self.tape.close()
        state, rule_set, market = self.account.dump(), self.account.rule_set, self.snapshot.market
        self.snapshot = Snapshot("main")
        self.tape = Recording(self.directory, "main", self.snapshot, every=0.01, clock=lambda: self.now)
        self.watch("acc_1", rule_set, state=state)
        if market.revision:
            self.send(market)

    def review(self) -> None:
        if self.account.review:
            self.account.release()
            self.tape.release("acc_1")
        else:
            self.account.hold_for_review("a person looks")
            self.tape.hold("acc_1", "a person looks")

    def refuse(self) -> None:
        refusal = Refusal("not_finite", "NaN - at `$.data.equity`", "acc_1")
        self.events += refuse(self.snapshot, self.account, refusal.reason, refusal.detail, self.now)
        self.tape.refusal(refusal, self.now)

    def other_rules(self) -> None:
        drawn = draw_document(self.rng)
        kept = {name: self.day.document[name] for name in ("currency", "initial_balance")}
        rule_set = parse_rule_set({**drawn, **kept, "version": self.rng.randrange(2, 9)})
        self.events += change_rules(self.snapshot, "acc_1", rule_set, self.now)
        self.tape.rules("acc_1", rule_set, self.now)

    def set_back(self) -> None:
        earlier = self.now - timedelta(seconds=7)
        self.snapshot.link.set_back(earlier)
        self.tape.set_back(earlier)


@pytest.mark.parametrize("part", range(4))
def test_hostile_days_under_all_rules_replay_to_themselves(tmp_path: Path, part: int) -> None:
    for seed in range(part * 15, part * 15 + 15):
        live = Hostile(tmp_path / str(seed), seed)
        live.live()
        files = live.files()
        assert played(files) == live.events, seed


@pytest.mark.slow
def test_hostile_days_never_seen_replay_to_themselves(tmp_path: Path) -> None:
    first = random.SystemRandom().randrange(10**9)
    for seed in range(first, first + 500):
        live = Hostile(tmp_path / str(seed), seed)
        live.live()
        assert played(live.files()) == live.events, seed

"""The single writer with its real journal, recorder and book; the upstream's words are given by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from accounts.models import Challenge, ChallengeState
from monitoring.engine.messages import (
    AccountFigures,
    AccountUpdate,
    BalanceFigures,
    BalanceOperation,
    ConnectionFigures,
    ConnectionLost,
    Resync,
)
from monitoring.engine.snapshot import Account
from monitoring.live.enforcer import Enforcer
from monitoring.live.journal import Journal
from monitoring.live.pipeline import Marks, Pipeline
from monitoring.live.pipeline.recovery import Memory, recordable
from monitoring.live.pipeline.roster import Roster
from monitoring.live.recorder import Recorder
from monitoring.live.recorder.records import EnforcementRecord
from monitoring.live.rulesets import Book
from monitoring.models import RiskEvent
from monitoring.upstream import registry
from monitoring.upstream.base import UpstreamConfig
from tests.monitoring.live.book import DOCUMENT, make_challenge
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)
ACCOUNT = "acc_x"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)  # in Prague
NOWHERE = UpstreamConfig("fxsocket", "http://127.0.0.1:9/v1", "ws://127.0.0.1:9/v1/stream", "key", server="main")
PAUSED = {**DOCUMENT, "rules": [{**DOCUMENT["rules"][0], "consequence": "pause"}]}


class Live:
    """One server's pipeline with its roster; each `run` is a turn of the loop."""

    def __init__(self, directory: Path, conninfo: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.journal = Journal(directory, "main", 1)
        self.recorder = Recorder(
            conninfo, reread=lambda after: recordable(self.journal, after), hint=lambda event_id: None
        )
        self.recorder.start(0)
        self.book = Book("main", "fxsocket")
        self.enforced: list[EnforcementRecord] = []
        self.enforcer = Enforcer(save=self.enforced.append, clock=lambda: NOON)
        self.pipeline = Pipeline(
            registry.connect(NOWHERE), shard="main", marks=Marks(1), journal=self.journal, recorder=self.recorder,
            enforcer=self.enforcer,
        )  # fmt: skip
        self.roster = Roster(self.book, self.pipeline, Memory())
        self.seq = 0

    def run(self, work: Callable[[], object]) -> None:
        """Do it in a loop, and let what it wrote arrive in PostgreSQL."""

        async def turn() -> None:
            done = work()
            if isinstance(done, Awaitable):
                await done
            self.pipeline.follow_up()
            self.pipeline.write_quiet(100)

        self.loop.run_until_complete(turn())
        eventually(self.recorder.drained, what="everything is recorded")

    @property
    def account(self) -> Account:
        """The account as the snapshot has it."""
        return self.pipeline.snapshot.accounts[ACCOUNT]

    def update(self, at: datetime, equity: float, balance: float = 100_000.0) -> None:
        """An account_update arrives."""
        self.seq += 1
        figures = AccountFigures(balance, equity, credit=0.0, open_positions=0)
        self.pipeline.deliver(AccountUpdate(account_id=ACCOUNT, ts=at, seq=self.seq, data=figures), at)

    def operate(self, at: datetime, kind: str, amount: float) -> None:
        """A balance operation arrives."""
        self.seq += 1
        figures = BalanceFigures(kind=kind, amount=amount)
        self.pipeline.deliver(BalanceOperation(account_id=ACCOUNT, ts=at, seq=self.seq, data=figures), at)

    def close(self) -> None:
        """End the threads and the loop."""
        self.loop.run_until_complete(self.enforcer.close())
        self.loop.run_until_complete(self.pipeline.execution.close())
        self.loop.close()
        self.recorder.close()
        self.journal.close()
        self.book.close()


@pytest.fixture
def live(tmp_path: Path, database_url: str) -> Iterator[Live]:
    made = Live(tmp_path, database_url)
    yield made
    made.close()


def recorded() -> list[str]:
    """The recorded events as they came in."""
    return list(RiskEvent.objects.order_by("ingested_at").values_list("event", flat=True))


def test_an_operation_of_unknown_kind_holds_verdicts_tells_the_desk_and_ends_by_a_person(live: Live) -> None:
    challenge = make_challenge(upstream_id=ACCOUNT)
    live.run(live.roster.follow)
    live.run(lambda: live.update(NOON, 100_000.0))
    live.run(lambda: live.operate(NOON, "gift", -6_000.0))
    live.run(lambda: live.update(NOON, 94_000.0, 94_000.0))
    challenge.refresh_from_db()
    assert challenge.state == ChallengeState.REVIEW
    assert "unknown kind 'gift'" in challenge.state_reason
    assert any(ACCOUNT in line and "'gift'" in line for line in live.roster.warnings())
    assert "breached" not in recorded()

    live.run(live.roster.follow)
    Challenge.objects.update(state=ChallengeState.ACTIVE, state_reason="it was a fee")  # a person releases it
    live.run(live.roster.follow)
    assert not any(ACCOUNT in line for line in live.roster.warnings())
    live.run(lambda: live.update(NOON, 93_900.0, 94_000.0))
    assert recorded() == ["breached"]


def test_who_is_released_from_review_during_a_pause_is_paused(live: Live) -> None:
    challenge = make_challenge(upstream_id=ACCOUNT, document=PAUSED)
    live.run(live.roster.follow)
    live.run(lambda: live.update(NOON, 94_000.0))
    live.run(lambda: live.operate(NOON, "gift", -1.0))
    live.run(live.roster.follow)
    challenge.refresh_from_db()
    assert challenge.state == ChallengeState.REVIEW
    Challenge.objects.update(state=ChallengeState.ACTIVE, state_reason="it was a fee")  # a person releases it
    live.run(live.roster.follow)
    challenge.refresh_from_db()
    assert (challenge.state, "daily floor" in challenge.state_reason) == (ChallengeState.PAUSED, True)
    live.run(lambda: live.pipeline.tick(MIDNIGHT))
    challenge.refresh_from_db()
    assert challenge.state == ChallengeState.ACTIVE


def test_an_account_released_while_no_monitor_ran_is_judged(live: Live) -> None:
    make_challenge(upstream_id=ACCOUNT, state=ChallengeState.REVIEW)
    live.run(live.roster.follow)
    held = live.account.dump()
    assert held.review
    Challenge.objects.update(state=ChallengeState.ACTIVE)
    [entry] = live.loop.run_until_complete(live.book.load()).values()
    live.run(lambda: live.pipeline.watch(entry, held))
    live.run(lambda: live.update(NOON, 94_000.0))
    assert recorded() == ["breached"]


def test_a_reset_is_recorded_in_its_order(live: Live) -> None:
    """The day starts, then the pause ends, then the account is judged anew."""
    make_challenge(upstream_id=ACCOUNT, document=PAUSED)
    live.run(live.roster.follow)
    live.run(lambda: live.update(MIDNIGHT - timedelta(seconds=20), 94_000.0))
    live.run(lambda: live.pipeline.tick(MIDNIGHT))
    assert recorded() == ["breached", "day_started", "resumed", "breached"]


def test_a_clock_that_is_set_back_does_not_end_all_verdicts(live: Live) -> None:
    """An hour ahead, then right: what arrives is as fresh as it says."""
    make_challenge(upstream_id=ACCOUNT)
    live.run(live.roster.follow)
    live.run(lambda: live.update(NOON, 100_000.0))
    live.run(lambda: live.pipeline.tick(NOON + timedelta(hours=1)))
    live.run(lambda: live.pipeline.tick(NOON + timedelta(seconds=1)))
    live.run(lambda: live.update(NOON + timedelta(seconds=2), 94_000.0))
    assert recorded()[-1] == "breached"
    live.run(lambda: live.pipeline.tick(NOON + timedelta(seconds=40)))
    assert live.account.stale  # nothing has arrived for long, whatever the wrong clock made of it


@pytest.mark.parametrize("reason", ["not_found", "not_listed"])
def test_an_account_that_was_deleted_and_made_again_is_judged(live: Live, reason: str) -> None:
    """The new one of the same id counts from the start: its frames are not late, and its reading is believed."""
    make_challenge(upstream_id=ACCOUNT)
    live.run(live.roster.follow)
    live.seq = 30
    live.run(lambda: live.update(NOON, 99_000.0))
    lost = ConnectionLost(account_id=ACCOUNT, ts=NOON, data=ConnectionFigures(reason=reason))
    live.run(lambda: live.pipeline.deliver(lost, NOON))
    made = Resync(account_id=ACCOUNT, ts=NOON, seq=1, data=AccountFigures(100_000.0, 100_000.0), positions=())
    live.run(lambda: live.pipeline.deliver(made, NOON))
    live.seq = 1
    live.run(lambda: live.update(NOON, 94_000.0))
    assert "breached" in recorded()

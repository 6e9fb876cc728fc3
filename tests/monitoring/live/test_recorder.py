"""Records reach PostgreSQL once and in order, also after an outage that memory does not cover."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from accounts.models import Account, Challenge, ChallengeState, Server
from monitoring.live.journal import Journal
from monitoring.live.recorder import Recorder
from monitoring.live.recorder.records import ENFORCEMENT, EVENT, TYPES, AnyRecord, EnforcementRecord, EventRecord
from monitoring.models import Enforcement, RiskEvent
from tests.monitoring.live.book import make_challenge
from tests.waiting import eventually

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db(transaction=True)


def event(
    number: int, account: Account | None = None, challenge: Challenge | None = None, **more: object
) -> EventRecord:
    fields: dict[str, Any] = {
        "event": "warned", "rule": "daily_loss", "severity": 2, "floor": 9500000, "used": "0.8123", **more
    }  # fmt: skip
    return EventRecord(
        key=f"k:{number}", shard="main", epoch=1, at=AT,
        account=account.pk if account else None, challenge=challenge.pk if challenge else None, **fields,
    )  # fmt: skip


class Desk:
    """A journal and a recorder that reads it back."""

    def __init__(self, directory: Path, conninfo: str, limit: int = 20_000) -> None:
        self.journal = Journal(directory, "main", 1)
        self.hinted: list[str] = []
        self.recorder = Recorder(conninfo, reread=self.reread, hint=self.hinted.append, limit=limit)

    def reread(self, after: int) -> Iterator[tuple[int, AnyRecord]]:
        for record in self.journal.read(after):
            if record.kind in TYPES:
                yield record.n, msgspec.json.decode(record.body, type=TYPES[record.kind])

    def put(self, kind: str, record: AnyRecord) -> None:
        self.recorder.put(self.journal.append(kind, AT, record), record)

    def finish(self) -> None:
        eventually(self.recorder.drained, what="the recorder is drained")
        self.recorder.close()
        self.journal.close()


@pytest.mark.parametrize(("used", "kept"), [("0.74005", "0.7401"), ("0.740049", "0.7400"), ("1E+30", "99999999.9999")])
def test_the_share_used_is_rounded_as_replay_rounds_it(tmp_path: Path, database_url: str, used: str, kept: str) -> None:
    desk = Desk(tmp_path, database_url)
    desk.recorder.start(desk.journal.last_n)
    desk.put(EVENT, event(1, used=used))
    desk.finish()
    assert str(RiskEvent.objects.get().used) == kept


def test_what_postgresql_cannot_hold_costs_no_record(tmp_path: Path, database_url: str) -> None:
    """A violation by a position whose id has a NUL, and what was done about it."""
    challenge = make_challenge()
    desk = Desk(tmp_path, database_url)
    desk.recorder.start(desk.journal.last_n)
    violated = event(
        1, challenge.account, challenge, event="violated", reason="position p\0 is of X", positions=["p\0"]
    )
    desk.put(EVENT, msgspec.structs.replace(violated, key="k:p\0"))
    done = EnforcementRecord(event_key="k:p\0", account=challenge.account.pk, state="sent", requested_at=AT)
    done.commands, done.last_error = [{"command": "close_position", "position": "p\0"}], "no p\0"
    desk.put(ENFORCEMENT, done)
    desk.finish()
    stored, enforced = RiskEvent.objects.get(), Enforcement.objects.get()
    assert (stored.key, stored.detail, stored.reason) == (
        "k:p\ufffd",
        {"positions": ["p\ufffd"]},
        "position p\ufffd is of X",
    )
    assert (enforced.event_key, enforced.commands[0]["position"], enforced.last_error) == (
        "k:p\ufffd",
        "p\ufffd",
        "no p\ufffd",
    )


def test_events_are_recorded_once_and_hinted(tmp_path: Path, database_url: str) -> None:
    challenge = make_challenge()
    desk = Desk(tmp_path, database_url)
    desk.recorder.start(0)
    for number in (1, 2, 2, 1):
        desk.put(EVENT, event(number, challenge.account, challenge))
    desk.finish()
    rows = list(RiskEvent.objects.order_by("key").values_list("key", "floor", "used", "account__login"))
    assert [(key, str(floor), str(used), login) for key, floor, used, login in rows] == [
        ("k:1", "95000.00", "0.8123", challenge.account.login),
        ("k:2", "95000.00", "0.8123", challenge.account.login),
    ]
    assert len(desk.hinted) == 2


def test_an_outage_longer_than_memory_is_caught_up_from_the_journal(tmp_path: Path, database_url: str) -> None:
    desk = Desk(tmp_path, "host=/nowhere dbname=nothing", limit=10)
    desk.recorder.start(0)
    for number in range(1, 101):
        desk.put(EVENT, event(number))
    eventually(lambda: desk.recorder.failing_since is not None, what="the outage is noticed")
    desk.recorder.conninfo = database_url  # PostgreSQL is back
    desk.finish()
    keys = list(RiskEvent.objects.order_by("ingested_at").values_list("key", flat=True))
    assert keys == [f"k:{number}" for number in range(1, 101)]
    assert desk.recorder.failing_since is None


def test_a_restart_records_what_the_last_run_could_not(tmp_path: Path, database_url: str) -> None:
    first = Journal(tmp_path, "main", 1)
    for number in range(1, 4):
        first.append(EVENT, AT, event(number))
    first.close()
    desk = Desk(tmp_path, database_url)
    desk.recorder.start(desk.journal.last_n)
    desk.finish()
    assert RiskEvent.objects.count() == 3


def test_a_record_that_the_database_refuses_does_not_hold_up_the_others(tmp_path: Path, database_url: str) -> None:
    desk = Desk(tmp_path, database_url)
    desk.recorder.start(0)
    desk.put(EVENT, event(1))
    desk.put(EVENT, msgspec.structs.replace(event(2), account=999_999_999))  # no such account
    desk.put(EVENT, event(3))
    desk.finish()
    assert set(RiskEvent.objects.values_list("key", flat=True)) == {"k:1", "k:3"}


def test_a_record_that_comes_late_is_not_forgotten_with_the_batch_before_it(tmp_path: Path, database_url: str) -> None:
    desk = Desk(tmp_path, database_url)
    desk.recorder.start(0)
    desk.put(EVENT, event(1))
    eventually(lambda: desk.recorder.drained(), what="the start is over")
    late, early = (desk.journal.append(EVENT, AT, event(number)) for number in (2, 3))
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE monitoring_riskevent IN EXCLUSIVE MODE")
        desk.recorder.put(early, event(3))
        eventually(lambda: waits_for_a_lock(database_url), what="the batch is being written")
        desk.recorder.put(late, event(2))
    desk.finish()
    assert set(RiskEvent.objects.values_list("key", flat=True)) == {"k:1", "k:2", "k:3"}


def waits_for_a_lock(database_url: str) -> bool:
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'riskdesk-recorder' AND wait_event_type = 'Lock'"
        ).fetchone()
    return found is not None


@pytest.mark.parametrize(
    ("before", "made", "after"),
    [
        (ChallengeState.ACTIVE, "failed", ChallengeState.FAILED),
        (ChallengeState.ACTIVE, "paused", ChallengeState.PAUSED),
        (ChallengeState.PAUSED, "active", ChallengeState.ACTIVE),
        (ChallengeState.FAILED, "active", ChallengeState.FAILED),
        (ChallengeState.REVIEW, "paused", ChallengeState.REVIEW),
    ],
)
def test_a_breach_moves_its_challenge(
    tmp_path: Path, database_url: str, before: ChallengeState, made: str, after: ChallengeState
) -> None:
    challenge = make_challenge(state=before)
    desk = Desk(tmp_path, database_url)
    desk.recorder.start(0)
    desk.put(EVENT, event(1, challenge.account, challenge, event="breached", challenge_state=made, reason="below"))
    desk.finish()
    challenge.refresh_from_db()
    assert challenge.state == after
    assert (challenge.ended_at == AT) is (made == "failed")


def test_the_newest_word_on_an_enforcement_wins(tmp_path: Path, database_url: str) -> None:
    account = make_challenge().account
    desk = Desk(tmp_path, database_url)
    desk.recorder.start(0)
    first = EnforcementRecord(event_key="k", account=account.pk, state="sent", requested_at=AT, sent_at=AT, attempts=1)
    done = msgspec.structs.replace(first, state="locked", flat_at=AT, locked_at=AT, equity_after=9_400_000)
    for record in (first, done):
        desk.put(ENFORCEMENT, record)
    desk.finish()
    row = Enforcement.objects.get()
    assert (row.state, row.attempts, str(row.equity_after)) == ("locked", 1, "94000.00")
    assert Server.objects.count() == 1


def test_what_a_full_disk_kept_out_of_the_journal_is_recorded_from_memory(tmp_path: Path, database_url: str) -> None:
    """PostgreSQL is away and the disk refuses one record; the next one, which it takes, must not hide it."""
    desk = Desk(tmp_path, "host=/nowhere dbname=nothing")
    desk.journal.append(EVENT, AT, event(1))  # of the run before: the start reads the journal
    desk.recorder.start(1)
    refused = desk.journal.append("noise", AT, {})  # a number without a record that could be read back
    desk.recorder.put(refused, event(2))
    desk.put(EVENT, event(3))
    eventually(lambda: desk.recorder.failing_since is not None, what="the outage is noticed")
    desk.recorder.conninfo = database_url
    desk.finish()
    assert set(RiskEvent.objects.values_list("key", flat=True)) == {"k:1", "k:2", "k:3"}

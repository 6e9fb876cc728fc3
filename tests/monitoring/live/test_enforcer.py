"""The enforcer against an upstream on real sockets that answers what a test says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any

import pytest

from monitoring.engine.messages import Resync
from monitoring.engine.rules import process
from monitoring.engine.ruleset import RuleSet, parse_rule_set
from monitoring.engine.snapshot import Account, Snapshot
from monitoring.live.enforcer import SETTLE, Enforcer
from monitoring.live.recorder.records import EnforcementRecord
from monitoring.upstream.fxsocket.execution import FxSocketExecution
from tests.monitoring.live.book import DOCUMENT
from tests.monitoring.upstream.fxsocket.fake import FakeUpstream, position, row
from tests.waiting import aeventually

ACCOUNT = "acc_1"
RULES = {**DOCUMENT, "version": 1, "currency": "USD", "initial_balance": "100000.00"}


class Site:
    """One server whose snapshot is fed by what the enforcer reads."""

    name, mode = "main", "live"

    def __init__(self, execution: FxSocketExecution) -> None:
        self.execution = execution
        self.snapshot = Snapshot(self.name)

    def account_key(self, account_id: str) -> int | None:
        return 1

    def deliver_truth(self, truth: Resync) -> None:
        process(self.snapshot, truth)


class Desk:
    """A breached account with an open position, and what the enforcer saved, in order."""

    def __init__(self, upstream: FakeUpstream) -> None:
        self.upstream = upstream
        self.site = Site(FxSocketExecution(upstream.config, connect_s=10.0, total_s=10.0))
        self.saved: list[EnforcementRecord] = []
        self.enforcer = Enforcer(save=self.saved.append, clock=lambda: datetime.now(UTC))
        self.rule_set: RuleSet = parse_rule_set(RULES)

    async def breach(self, *, act: bool = True) -> Account:
        """Read a breach; `act`: send its commands as the pipeline does."""
        self.upstream.accounts[ACCOUNT] = row(ACCOUNT, equity=90_000.0, profit=-10_000.0, open_positions=1)
        self.upstream.positions[ACCOUNT] = [position(7001)]
        await self.site.execution.open()
        account = self.site.snapshot.add(ACCOUNT, self.rule_set, challenge="c1")
        [event] = process(self.site.snapshot, await self.site.execution.read_account(ACCOUNT))
        assert event.event == "breached"
        departure = self.enforcer.answer(self.site, account, event) if act else None
        if departure is not None:
            self.enforcer.depart(departure, 0.0)
        else:
            self.enforcer.guard(self.site, account)
        return account

    def fulfil(self) -> None:
        """From now on the upstream shows the account flat and locked."""
        self.upstream.positions[ACCOUNT] = []
        self.upstream.accounts[ACCOUNT] = row(ACCOUNT, equity=90_000.0, profit=-10_000.0, locked=True, seq=20)

    def sent(self, action: str) -> int:
        return self.upstream.asked(f"accounts/{ACCOUNT}/{action}")

    def answer(self, path: str, status: int, *, times: int = 1, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.upstream.answers[f"accounts/{ACCOUNT}{path}"].extend([(status, named, {"error": "no"})] * times)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    upstream = FakeUpstream()
    await upstream.start()
    made = Desk(upstream)
    yield made
    await made.enforcer.close()
    await made.site.execution.close()
    await upstream.stop()


def noted(record: EnforcementRecord) -> list[str]:
    return [str(entry["key"]) for entry in record.commands]


async def test_every_command_is_saved_before_it_leaves_also_a_repeated_one(desk: Desk) -> None:
    """A command taken up by the sweep (a restart) and one sent again: each key is on disk when the upstream gets it."""
    known: list[list[str]] = []
    missing: list[str] = []

    def save(record: EnforcementRecord) -> None:
        known.append(noted(record))

    desk.enforcer = Enforcer(save=save, clock=lambda: datetime.now(UTC))
    call = desk.site.execution.close_all

    def close_all(account_id: str, *, idempotency_key: str) -> Any:
        if not known or idempotency_key not in known[-1]:
            missing.append(idempotency_key)
        return call(account_id, idempotency_key=idempotency_key)

    desk.site.execution.close_all = close_all  # type: ignore[method-assign]  # listens, and passes on
    desk.answer("/close-all", 503, times=2, Retry_After="0")
    await desk.breach(act=False)
    desk.enforcer.sweep()
    await aeventually(lambda: desk.sent("close-all") >= 3, what="sent, and again after each 503")
    assert missing == []


async def test_a_close_that_was_not_executed_is_sent_again_though_nothing_can_be_read(desk: Desk) -> None:
    desk.answer("/close-all", 503)
    await desk.breach()
    desk.answer("", 500, times=1000)  # from now on no reading
    await aeventually(lambda: desk.sent("close-all") >= 2, what="the close is sent again")


async def test_an_unknown_outcome_is_not_sent_again_while_nothing_can_be_read(desk: Desk) -> None:
    desk.answer("/close-all", 504)
    await desk.breach()
    desk.answer("", 500, times=1000)
    await aeventually(lambda: desk.upstream.asked(f"accounts/{ACCOUNT}") >= 6, what="it is read again")
    assert desk.sent("close-all") == 1


async def test_a_restart_takes_an_unanswered_close_for_unknown(desk: Desk) -> None:
    """Killed between command and answer: the successor looks before it sends again."""
    account = await desk.breach(act=False)
    assert account.breach_event is not None
    began, at, key = monotonic(), datetime.now(UTC), account.breach_event.key
    desk.enforcer.remember(
        [
            EnforcementRecord(
                event_key=key, account=1, state="sent", requested_at=at, sent_at=at, attempts=1,
                commands=[{"at": at.isoformat(), "command": "close_all", "key": f"{key}:close_all:1", "reason": "x"}],
            )
        ]
    )  # fmt: skip
    desk.enforcer.sweep()
    await aeventually(lambda: desk.sent("lock") == 1, what="the lock, which no earlier run sent")
    await aeventually(lambda: desk.sent("close-all") == 1, what="sent again once it had its time")
    [sent_at] = desk.upstream.asked_at(f"accounts/{ACCOUNT}/close-all")
    assert sent_at - began >= SETTLE.total_seconds()
    read_before = [one for one in desk.upstream.asked_at(f"accounts/{ACCOUNT}") if began < one < sent_at]
    assert len(read_before) >= 3, "it is read again and again"


async def test_a_restart_proves_what_was_done_and_not_yet_confirmed(desk: Desk) -> None:
    """Killed between the command and the reading that confirms it: nothing is left to send, the proof is."""
    account = await desk.breach(act=False)
    assert account.breach_event is not None
    at, key = datetime.now(UTC), account.breach_event.key
    entry = {"at": at.isoformat(), "command": "close_all", "key": f"{key}:close_all:1", "reason": "x"}
    desk.enforcer.remember(
        [EnforcementRecord(event_key=key, account=1, state="sent", requested_at=at, attempts=1, commands=[entry])]
    )
    desk.fulfil()
    desk.site.deliver_truth(await desk.site.execution.read_account(ACCOUNT))
    desk.enforcer.sweep()
    await aeventually(lambda: desk.saved and desk.saved[-1].state == "locked", what="proven")
    assert desk.saved[-1].flat_at
    assert (desk.sent("close-all"), desk.sent("lock")) == (0, 0)


async def test_a_new_challenge_is_not_flattened_for_the_old_ones_breach(desk: Desk) -> None:
    desk.answer("/close-all", 422, times=1000)  # the market is closed: the old enforcement goes on and on
    await desk.breach()
    await aeventually(lambda: desk.sent("close-all") >= 2, what="refused, and tried again")
    fresh = desk.site.snapshot.add(ACCOUNT, desk.rule_set, challenge="c2", initial_balance=9_000_000)
    before = desk.sent("close-all"), desk.sent("lock")
    await aeventually(lambda: not desk.enforcer._tasks, what="the old enforcement ends")
    assert (desk.sent("close-all"), desk.sent("lock")) == before
    desk.enforcer.sweep()
    assert not fresh.must_be_flat
    assert desk.enforcer.shown["main", ACCOUNT] == ""
    assert desk.enforcer.warnings() == []
    assert "new challenge" in desk.saved[-1].last_error


async def test_readings_wait_as_long_as_the_upstream_asked(desk: Desk) -> None:
    await desk.breach()
    desk.answer("", 429, times=1000, Retry_After="3")
    before = desk.upstream.asked(f"accounts/{ACCOUNT}")  # readings that had another answer
    await aeventually(lambda: desk.upstream.asked(f"accounts/{ACCOUNT}") >= before + 2, what="it is read again")
    told, again = desk.upstream.asked_at(f"accounts/{ACCOUNT}")[-2:]
    assert again - told >= 3.0


async def test_flat_and_locked_ends_it(desk: Desk) -> None:
    await desk.breach()
    desk.fulfil()
    await aeventually(lambda: desk.saved and desk.saved[-1].state == "locked", what="proven")
    assert json.dumps(desk.saved[-1].commands).count("close_all") >= 1
    assert desk.sent("close-all") >= 1


async def test_a_pass_that_goes_on_after_its_504_is_not_sent_again(desk: Desk) -> None:
    """The terminal closes one position after the other, longer than an unknown outcome is looked at."""
    now, reading = [datetime.now(UTC)], f"accounts/{ACCOUNT}"
    desk.enforcer = Enforcer(save=desk.saved.append, clock=lambda: now[0])
    desk.answer("/close-all", 504)
    await desk.breach(act=False)
    open_now = desk.upstream.positions[ACCOUNT] = [position(ticket) for ticket in range(7001, 7006)]
    desk.enforcer.sweep()
    await aeventually(lambda: desk.sent("close-all") == 1, what="sent")
    while open_now:
        open_now.pop()
        seen = desk.upstream.asked(reading) + 2  # the second reading from now on began after it was closed
        await aeventually(partial(asked_as_often, desk, reading, seen), what="it is read that one is gone")
        assert desk.sent("close-all") == 1
        now[0] += SETTLE / 2  # all of them take longer than SETTLE
    desk.fulfil()
    await aeventually(lambda: desk.saved[-1].state == "locked", what="proven")
    assert desk.sent("close-all") == 1


async def test_a_clock_that_is_set_back_holds_up_no_close(desk: Desk) -> None:
    back = [timedelta(0)]
    desk.enforcer = Enforcer(save=desk.saved.append, clock=lambda: datetime.now(UTC) - back[0])
    desk.answer("/close-all", 422)
    await desk.breach()
    await aeventually(lambda: desk.saved and "rejected" in json.dumps(desk.saved[-1].commands), what="it is refused")
    back[0] = timedelta(hours=1)
    await aeventually(lambda: desk.sent("close-all") >= 2, what="sent again, not an hour later")


def asked_as_often(desk: Desk, path: str, times: int) -> bool:
    return desk.upstream.asked(path) >= times

"""A hole in the middle of a connection: nothing is judged past it before what was lost has been fetched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from monitoring.engine.ruleset import parse_rule_set
from monitoring.upstream.fxsocket import gaps
from tests.monitoring.engine.conftest import document
from tests.monitoring.upstream.fxsocket.conftest import Watch, running
from tests.monitoring.upstream.fxsocket.fake import FakeUpstream, row, update
from tests.monitoring.upstream.fxsocket.test_catchup import EVENTS, answer, numbers, withdrawal
from tests.waiting import aeventually

ACCOUNT = "accounts/acc_1"
AFTER = {"balance": 94000.0}


def lower(seq: int, equity: float = 94000.0) -> dict[str, Any]:
    """An update after the withdrawal of 6,000: a loss of six percent to who does not know of it."""
    return update("acc_1", seq, equity, **AFTER)


@asynccontextmanager
async def watching(upstream: FakeUpstream) -> AsyncIterator[Watch]:
    """A desk that has followed acc_1 to 11."""
    upstream.accounts["acc_1"] = row("acc_1", seq=10)
    async with running(upstream, judged_by=parse_rule_set(document())) as desk:
        assert isinstance(desk, Watch)
        await aeventually(lambda: desk.resyncs("acc_1"), what="the first reading")
        await upstream.send(update("acc_1", 11))
        await aeventually(lambda: desk.follows("acc_1") == 11)
        upstream.accounts["acc_1"] |= {"seq": 13, "equity": 94000.0, **AFTER}
        yield desk


async def test_a_lost_withdrawal_is_no_loss(upstream: FakeUpstream, library: str) -> None:
    upstream.hold[EVENTS] = asyncio.Event()
    answer(upstream, [withdrawal(12), lower(13)])
    async with watching(upstream) as desk:
        await upstream.send(lower(13))
        await aeventually(lambda: upstream.asked(EVENTS) == 1, what="what was lost is asked for")
        await upstream.send(lower(14, 93900.0))
        await upstream.send(update("acc_2", 1))
        await aeventually(lambda: desk.updates("acc_2"), what="others wait for nothing")
        assert desk.follows("acc_1") == 11
        upstream.hold[EVENTS].set()
        await aeventually(lambda: desk.follows("acc_1") == 14, what="all in order")
        assert numbers(desk)[-3:] == [12, 13, 14]
        assert "breached" not in desk.events
        assert (desk.snapshot.counts.gaps, desk.feed.health.gaps) == (0, 1)
        upstream.accounts["acc_1"]["seq"] = 14
        await aeventually(lambda: len(desk.resyncs("acc_1")) == 2, what="the truth is read as after any gap")
        await upstream.send(lower(15, 84000.0))
        await aeventually(lambda: "breached" in desk.events, what="a real loss still is one, at once")


async def test_an_upstream_that_cannot_say_at_once_is_asked_again(upstream: FakeUpstream) -> None:
    answer(upstream, [], status=503)
    answer(upstream, [], status=502)
    answer(upstream, [withdrawal(12), lower(13)])
    async with watching(upstream) as desk:
        await upstream.send(lower(13))
        await aeventually(lambda: desk.follows("acc_1") == 13)
        assert numbers(desk)[-2:] == [12, 13]
        assert "breached" not in desk.events


async def test_a_reading_ahead_of_a_withdrawal_waits_for_it(upstream: FakeUpstream) -> None:
    answer(upstream, [withdrawal(12), lower(13)])
    async with watching(upstream) as desk:
        desk.feed.request_resync("acc_1")
        await aeventually(lambda: len(desk.resyncs("acc_1")) == 2, what="the reading")
        assert numbers(desk)[-2:] == [12, 13]
        assert desk.feed.health.gaps == 0, "what is still on its way is no hole"
        assert "breached" not in desk.events


@pytest.mark.parametrize("how", ["slow", "gone", "refused", "no such call"])
async def test_what_cannot_be_filled_is_judged_as_it_stands(
    upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(gaps, "HOLD_S", 0.3)
    if how == "slow":
        upstream.hold[EVENTS] = asyncio.Event()
    frames = [withdrawal(12) | {"data": {"kind": "withdrawal", "amount": "much"}}] if how == "refused" else []
    for _ in range(4):
        answer(upstream, frames, complete=how != "gone", status=404 if how == "no such call" else 200)
    async with watching(upstream) as desk:
        await upstream.send(lower(13))
        await aeventually(lambda: desk.follows("acc_1") == 13, what="let go after its time")
        assert "breached" in desk.events
        assert desk.snapshot.counts.gaps == 1
        await upstream.send(lower(14))
        await aeventually(lambda: desk.follows("acc_1") == 14, what="and the stream goes on")


async def test_two_holes_are_filled_one_after_the_other(upstream: FakeUpstream) -> None:
    upstream.hold[EVENTS] = asyncio.Event()
    answer(upstream, [withdrawal(12)])
    answer(upstream, [lower(14)])
    async with watching(upstream) as desk:
        for seq in (13, 15, 16):
            await upstream.send(lower(seq))
        await aeventually(lambda: desk.feed.health.frames == 4)
        upstream.hold[EVENTS].set()
        await aeventually(lambda: numbers(desk)[-3:] == [14, 15, 16] and desk.follows("acc_1") == 16)
        assert desk.snapshot.counts.gaps == 0
        assert desk.feed.health.gaps == 2


async def test_a_withdrawal_that_came_is_judged_before_the_reading_that_overtook_it(upstream: FakeUpstream) -> None:
    upstream.hold[EVENTS] = asyncio.Event()
    answer(upstream, [], status=404)
    async with watching(upstream) as desk:
        desk.feed.request_resync("acc_1")
        await aeventually(lambda: upstream.asked(EVENTS) == 1, what="the reading is ahead and waits")
        await upstream.send(withdrawal(12))
        await upstream.send(lower(13))
        await aeventually(lambda: desk.feed.health.frames == 3, what="they wait as well")
        upstream.hold[EVENTS].set()
        await aeventually(lambda: desk.follows("acc_1") == 13, what="all pass, the upstream cannot say")
        assert numbers(desk)[-2:] == [12, 13]
        assert "breached" not in desk.events


async def test_an_upstream_that_cannot_say_holds_nothing_up_twice(upstream: FakeUpstream) -> None:
    upstream.hold[EVENTS] = asyncio.Event()
    answer(upstream, [], status=404)
    async with watching(upstream) as desk:
        for seq in (13, 15, 17):
            await upstream.send(lower(seq))
        await aeventually(lambda: desk.feed.health.frames == 4, what="all of them wait")
        upstream.hold[EVENTS].set()
        await aeventually(lambda: desk.follows("acc_1") == 17, what="all pass, the upstream cannot say")
        assert upstream.asked(EVENTS) == 1


async def test_too_many_messages_are_not_held(upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "HELD_MOST", 0)
    async with watching(upstream) as desk:
        await upstream.send(lower(13))
        await aeventually(lambda: desk.follows("acc_1") == 13)
        assert upstream.asked(EVENTS) == 0

"""What was missed comes first, in order, and what arrives meanwhile waits for it, but not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from monitoring.engine.messages import AccountUpdate, BalanceOperation
from monitoring.upstream.base import Reached
from monitoring.upstream.fxsocket import catchup
from tests.monitoring.upstream.fxsocket.conftest import Desk, running
from tests.monitoring.upstream.fxsocket.fake import FakeUpstream, now_text, row, update
from tests.waiting import aeventually

EVENTS = "accounts/acc_1/events"


def withdrawal(seq: int) -> dict[str, Any]:
    return {
        "type": "balance_operation", "ts": now_text(), "account_id": "acc_1", "seq": seq, "event_id": f"e_{seq}",
        "data": {"kind": "withdrawal", "amount": -6000.0, "balance": 94000.0},
    }  # fmt: skip


def answer(upstream: FakeUpstream, frames: Sequence[Any], *, complete: bool = True, status: int = 200) -> None:
    page = {"limit": 1000, "next_cursor": None, "has_more": False}
    upstream.answers[EVENTS].append((status, {}, {"data": frames, "complete": complete, "pagination": page}))


def followed_to(seq: int) -> dict[str, Reached]:
    return {"acc_1": Reached(seq, 100_000.0)}


def numbers(desk: Desk) -> list[int | None]:
    """The numbers of the account's frames as they were delivered."""
    return [one.seq for one in desk.delivered if isinstance(one, AccountUpdate | BalanceOperation)]


async def test_missed_frames_come_before_those_of_the_new_socket(upstream: FakeUpstream, library: str) -> None:
    upstream.accounts["acc_1"] = row("acc_1", seq=12)
    upstream.hold[EVENTS] = asyncio.Event()
    answer(upstream, [withdrawal(11), update("acc_1", 12)])
    async with running(upstream, reached=lambda: followed_to(10)) as desk:
        await aeventually(lambda: upstream.asked(EVENTS) == 1, what="the missed events are asked for")
        await upstream.send(update("acc_1", 13))
        await aeventually(lambda: desk.feed.health.frames == 1, what="a frame arrives meanwhile")
        assert numbers(desk) == []
        upstream.hold[EVENTS].set()
        await aeventually(lambda: numbers(desk) == [11, 12, 13], what="all in order")
        await aeventually(lambda: desk.resyncs("acc_1"), what="and the truth")
        assert desk.resyncs("acc_1")[0].seq == 13
        assert any("since_seq=10" in request[1] for request in upstream.requests)


async def test_who_missed_nothing_or_is_new_waits_for_nothing(upstream: FakeUpstream) -> None:
    upstream.accounts["acc_1"] = row("acc_1", seq=10)
    upstream.accounts["acc_2"] = row("acc_2", seq=500)
    async with running(upstream, reached=lambda: followed_to(10)) as desk:
        await aeventually(lambda: desk.resyncs("acc_1") and desk.resyncs("acc_2"), what="read")
        await upstream.send(update("acc_1", 11))
        await aeventually(lambda: numbers(desk) == [11])
        assert upstream.asked(EVENTS) == upstream.asked("accounts/acc_2/events") == 0


@pytest.mark.parametrize("how", ["incomplete", "a hole", "refused", "no such call"])
async def test_what_is_not_whole_is_not_replayed_past_the_hole(upstream: FakeUpstream, how: str) -> None:
    upstream.accounts["acc_1"] = row("acc_1", seq=13)
    frames: list[Any] = [withdrawal(11), update("acc_1", 12)]
    if how == "a hole":
        frames = [withdrawal(11), update("acc_1", 13)]
    elif how == "refused":
        frames = [withdrawal(11), update("acc_1", 12, equity="much")]  # type: ignore[arg-type]
    answer(upstream, frames, complete=how != "incomplete", status=404 if how == "no such call" else 200)
    async with running(upstream, reached=lambda: followed_to(10)) as desk:
        await aeventually(lambda: desk.resyncs("acc_1"), what="the truth comes all the same")
        assert numbers(desk) == ([11] if how in {"a hole", "refused"} else [])
        await upstream.send(update("acc_1", 14))
        await aeventually(lambda: 14 in numbers(desk), what="and the stream goes on")


async def test_a_slow_replay_holds_nothing_for_long(upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catchup, "HOLD_S", 0.3)
    upstream.accounts["acc_1"] = row("acc_1", seq=12)
    upstream.hold[EVENTS] = asyncio.Event()
    async with running(upstream, reached=lambda: followed_to(10)) as desk:
        await aeventually(lambda: upstream.asked(EVENTS) == 1)
        await upstream.send(update("acc_1", 13))
        await aeventually(lambda: numbers(desk) == [13], what="let go after its time")
        await aeventually(lambda: desk.resyncs("acc_1"), what="and read as after any gap")


async def test_a_listing_that_fails_holds_nothing_for_long(
    upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catchup, "HOLD_S", 0.3)
    upstream.answers["accounts"].extend([(503, {}, {"error": "terminal_not_ready"})] * 1000)
    async with running(upstream, reached=lambda: followed_to(10)) as desk:
        await aeventually(lambda: upstream.sockets)
        await upstream.send(update("acc_1", 11))
        await aeventually(lambda: numbers(desk) == [11], what="delivered")

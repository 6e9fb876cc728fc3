"""The stream: what is sent to whom, actions, heartbeat, close codes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError

from monitoring.upstream.simulator.hub import Reader
from tests.monitoring.upstream.simulator.client import SCOPED_KEY, Desk
from tests.waiting import aeventually


async def test_hello_then_updates_of_all_accounts(desk: Desk) -> None:
    await desk.account()
    async with desk.socket() as socket:
        hello = await socket.frame()
        assert (hello["type"], hello["data"]["protocol"]) == ("hello", "fxsocket-v1")
        assert hello["data"]["accounts"] == ["acc_1", "acc_2", "acc_3", "acc_t"]
        await desk.trade()
        opened = await socket.until("position_open", "acc_t")
        assert {"type", "event_id", "seq", "ts", "account_id", "data"} == set(opened)
        position = opened["data"]
        assert (position["id"], position["type"]) == (f"pos_{position['ticket']}", "BUY")
        assert position["commission"] == -3.5
        update = await socket.until("account_update", "acc_t", open_positions=1)
        assert update["seq"] == opened["seq"] + 1
        assert update["data"]["margin"] == pytest.approx(1083.5, abs=10)


async def test_a_single_accounts_socket_gets_order_events_and_aliases_too(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?account=acc_t") as one, desk.socket("?accounts=acc_t") as several:
        await desk.trade()
        opened = await one.until("position_open")
        alias = await one.until("order_opened")
        assert (alias["event_id"], alias["data"]) == (opened["event_id"], opened["data"])
        await desk.trade(kind="BUY_LIMIT", price=1.06)
        assert (await one.until("order_update"))["data"]["status"] == "pending"
        await desk.control("POST", "/accounts/acc_t/positions", {"symbol": "EURUSD", "type": "BUY", "volume": 99})
        assert (await one.until("order_rejected"))["data"]["code"] == "insufficient_margin"
        await desk.api("POST", "/accounts/acc_t/close-all")
        closed = await one.until("order_closed")
        assert closed["data"]["reason"] == "risk_engine"
        await several.until("close_all_result")
        assert not [frame for frame in several.seen if frame["type"].startswith("order_")]
        counted = [frame["seq"] for frame in several.seen if "seq" in frame]
        assert counted == list(range(counted[0], counted[0] + len(counted)))


async def test_nothing_comes_before_subscribe_when_nothing_was_asked_for(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("") as socket:
        assert (await socket.frame())["data"]["accounts"] == []
        await desk.trade()
        await socket.say(action="subscribe", accounts=["acc_t"], events=["position_close"], req_id=7)
        answer = await socket.frame()
        assert answer == {"type": "subscribed", "req_id": 7, "data": {
            "accounts": ["acc_t"], "symbols": [], "events": ["position_close"]}}  # fmt: skip
        await desk.api("POST", "/accounts/acc_t/close-all")
        assert (await socket.frame())["type"] == "position_close"
        await socket.say(action="unsubscribe", accounts=["acc_t"], req_id=8)
        assert (await socket.frame())["type"] == "unsubscribed"


async def test_ticks_come_for_subscribed_symbols_only(desk: Desk) -> None:
    async with desk.socket("") as socket:
        await socket.say(action="subscribe", symbols=["EURUSD"])
        tick = await socket.until("tick")
        assert (tick["symbol"], tick["data"]["symbol"]) == ("EURUSD", "EURUSD")
        assert tick["bid"] == tick["data"]["bid"] < tick["ask"]
        assert {tick["timestamp"], tick["data"]["time"]} == {tick["timestamp"]}


async def test_ping_pong_and_bad_requests_leave_the_socket_open(desk: Desk) -> None:
    async with desk.socket("") as socket:
        await socket.frame()
        await socket.say(action="ping", t=1)
        assert await socket.frame() == {"type": "pong", "t": 1}
        await socket.raw.send_str("{nonsense")
        assert (await socket.frame())["code"] == "bad_request"
        await socket.say(action="dance", req_id=3)
        assert (await socket.frame())["req_id"] == 3
        await socket.say(action="subscribe", accounts=["none"])
        assert (await socket.frame())["code"] == "account_not_found"
        await socket.say(action="subscribe", events=["gossip"])
        assert "gossip" in (await socket.frame())["message"]
        await socket.say(action="ping", t=2)
        assert (await socket.frame())["t"] == 2


async def test_a_bad_key_is_refused_at_the_upgrade(desk: Desk) -> None:
    with pytest.raises(WSServerHandshakeError) as refused:
        async with desk.socket(key="wrong"):
            pass
    assert refused.value.status == 401


async def test_an_account_outside_the_keys_scope_closes_4403(desk: Desk) -> None:
    async with desk.socket("?account=acc_2", key=SCOPED_KEY) as socket:
        assert await socket.closed() == 4403
    async with desk.socket("?accounts=all", key=SCOPED_KEY) as socket:
        assert (await socket.frame())["data"]["accounts"] == ["acc_1"]


@pytest.mark.parametrize("desk", [{"pong_within": 0.6}], indirect=True)
async def test_who_does_not_pong_is_closed_with_4408(desk: Desk) -> None:
    async with desk.socket("", autoping=False) as socket:
        await socket.frame()
        assert (await socket.raw.receive()).type is WSMsgType.PING
        assert await socket.closed() == 4408


@pytest.mark.parametrize("desk", [{"pong_within": 2.0}], indirect=True)
async def test_who_pongs_stays(desk: Desk) -> None:
    async with desk.socket("") as socket:
        await socket.frame()
        (reader,) = desk.simulator.service.hub.readers
        heard = reader.last_heard
        waiting = asyncio.create_task(socket.raw.receive())  # reading is what answers the pings
        assert await aeventually(lambda: reader.last_heard > heard + 2.2)
        assert not waiting.done()
        waiting.cancel()


@pytest.mark.parametrize("desk", [{"pong_within": 60, "stuck_within": 600, "buffer_limit": 100_000}], indirect=True)
async def test_a_slow_reader_is_warned_of_what_it_lost(desk: Desk) -> None:
    async with desk.socket(max_msg_size=0) as socket:
        await overwhelm(desk, lambda reader: reader.dropped > 10)
        while "dropped" not in (frame := await socket.frame()):
            pass
        assert frame["type"] == "warning"
        assert frame["dropped"] > 0


@pytest.mark.parametrize("desk", [{"pong_within": 600, "stuck_within": 0.4, "buffer_limit": 100_000}], indirect=True)
async def test_who_reads_nothing_for_long_is_let_go_with_4429(desk: Desk) -> None:
    async with desk.socket(max_msg_size=0):
        await overwhelm(desk, lambda reader: reader.close_code == 4429)
        assert await aeventually(lambda: not desk.simulator.service.hub.readers)


async def overwhelm(desk: Desk, enough: Callable[[Reader], bool]) -> None:
    """Send more than all buffers on the way to the only reader take, until the simulator has had enough of it."""
    await desk.account()
    await desk.trade()
    (reader,) = desk.simulator.service.hub.readers

    async def more() -> bool:
        await desk.fault("huge", account="acc_t")
        return enough(reader)

    assert await aeventually(more)  # type: ignore[arg-type]  # its coroutine answers with a bool


async def test_a_restart_closes_with_1012(desk: Desk) -> None:
    async with desk.socket() as socket:
        await socket.frame()
        code = asyncio.create_task(socket.closed())
        await desk.simulator.stop()
        assert await code == 1012


async def test_a_new_account_is_announced_and_its_money_moves_are_told_in_order(desk: Desk) -> None:
    async with desk.socket() as socket:
        await desk.account()
        assert (await socket.until("account_lifecycle", "acc_t"))["data"]["action"] == "created"
        assert (await socket.until("account_update", "acc_t"))["data"]["equity"] == 100000
        await desk.control("POST", "/accounts/acc_t/balance", {"kind": "payout", "amount": 6000})
        operation = await socket.until("balance_operation", "acc_t")
        assert (operation["data"]["amount"], operation["data"]["balance"]) == (-6000.0, 94000.0)
        update = await socket.until("account_update", "acc_t")
        assert (update["seq"], update["data"]["balance"]) == (operation["seq"] + 1, 94000.0)
        await desk.api("POST", "/accounts/acc_t/lock", {"reason": "evt_9"})
        assert (await socket.until("account_locked", "acc_t"))["data"]["reason"] == "evt_9"
        await desk.api("POST", "/accounts/acc_t/unlock")
        await socket.until("account_unlocked", "acc_t")


async def test_what_a_client_marks_its_questions_with_comes_back_as_it_was(desk: Desk) -> None:
    async with desk.socket("") as socket:
        await socket.frame()
        await socket.say(action="ping", t=1763630000.25)
        assert await socket.frame() == {"type": "pong", "t": 1763630000.25}
        await socket.say(action="subscribe", req_id={"n": 1.5})
        assert (await socket.frame())["req_id"] == {"n": 1.5}


async def test_one_account_can_be_left_out_of_all(desk: Desk) -> None:
    await desk.account("acc_t")
    await desk.account("acc_u")
    async with desk.socket() as socket:
        await socket.say(action="unsubscribe", accounts=["acc_t"], req_id=1)
        assert (await socket.until("unsubscribed"))["data"]["without"] == ["acc_t"]
        for name in ("acc_t", "acc_u"):
            await desk.control("POST", f"/accounts/{name}/state", {"equity": 99000})
        socket.seen.clear()
        await socket.until("account_update", "acc_u", equity=99000.0)
        assert "acc_t" not in {frame.get("account_id") for frame in socket.seen}
        await socket.say(action="subscribe", accounts=["acc_t"], req_id=2)
        assert "without" not in (await socket.until("subscribed"))["data"]
        await desk.control("POST", "/accounts/acc_t/state", {"equity": 98000})
        await socket.until("account_update", "acc_t", equity=98000.0)

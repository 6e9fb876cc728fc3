"""Every fault, seen from outside: what a client gets, and what is true all the same."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import ClientConnectionError, WSServerHandshakeError

from tests.monitoring.upstream.simulator.client import Desk, Socket
from tests.waiting import aeventually


async def settled(socket: Socket) -> int:
    """Read up to the account's newest update; its seq."""
    return int((await socket.until("account_update", "acc_t"))["seq"])


async def update(desk: Desk, equity: float = 99000) -> None:
    await desk.control("POST", "/accounts/acc_t/state", {"equity": equity})


async def test_duplicate_sends_the_same_frame_twice(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?account=acc_t") as socket:
        await socket.frame()
        await desk.fault("duplicate", account="acc_t")
        assert await socket.frame() == await socket.frame()


async def test_reorder_sends_a_frame_behind_the_next(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?account=acc_t") as socket:
        await socket.frame()
        await desk.fault("reorder", account="acc_t")
        await update(desk)
        first, second = await socket.frame(), await socket.frame()
        assert first["seq"] == second["seq"] + 1


async def test_a_held_frame_reaches_those_who_want_its_kind(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?account=acc_t") as socket:
        await socket.frame()
        await socket.say(action="unsubscribe", events=["account_update"], req_id=1)
        await desk.fault("reorder", account="acc_t")
        await desk.trade()
        assert (await socket.until("position_open"))["account_id"] == "acc_t"


async def test_delay_sends_a_frame_late(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?account=acc_t") as socket:
        await socket.frame()
        await desk.fault("delay", account="acc_t", delay_s=0.2)
        await update(desk)
        first, second = await socket.frame(), await socket.frame()
        assert first["seq"] == second["seq"] + 1


async def test_corrupt_is_no_json(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?account=acc_t") as socket:
        await socket.frame()
        await desk.fault("corrupt", account="acc_t")
        with pytest.raises(json.JSONDecodeError):
            json.loads(await socket.text())


@pytest.mark.parametrize(
    ("kind", "found"), [("nan", '"equity":NaN'), ("wrong_type", '"equity":"plenty"'), ("unknown_type", "horoscope")]
)
async def test_a_spoiled_frame(desk: Desk, kind: str, found: str) -> None:
    await desk.account()
    async with desk.socket("?account=acc_t") as socket:
        await socket.frame()
        await desk.fault(kind, account="acc_t")
        assert found in await socket.text()
        await update(desk)
        assert found not in await socket.text()


async def test_a_missing_field_is_missing_in_valid_json(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?account=acc_t") as socket:
        await socket.frame()
        await desk.fault("missing_field", account="acc_t")
        data = (await socket.frame())["data"]
        assert "equity" not in data
        assert data["balance"] == 100000


async def test_huge_is_ten_megabytes(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?account=acc_t", max_msg_size=0) as socket:
        await socket.frame()
        await desk.fault("huge", account="acc_t")
        assert len(await socket.text()) > 10 * 1024 * 1024


@pytest.mark.parametrize("kind", ["late", "repeat"])
async def test_late_and_repeated_frames_come_again(desk: Desk, kind: str) -> None:
    await desk.account()
    async with desk.socket("?account=acc_t") as socket:
        await socket.frame()
        await desk.fault(kind, account="acc_t")
        seen = [(await socket.frame())["seq"] for _ in range(5)]
        assert len(set(seen)) == 4
        assert seen != sorted(seen)


async def test_replay_stays_true_under_frame_faults(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?account=acc_t"):
        await desk.fault("corrupt", account="acc_t", count=3)
        for _ in range(3):
            await update(desk)
    events = (await desk.api("GET", "/accounts/acc_t/events?since_seq=0")).body["data"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


async def test_drop_socket_ends_without_goodbye_and_may_refuse_new_ones(desk: Desk) -> None:
    async with desk.socket() as socket:
        await socket.frame()
        await desk.fault("drop_socket", for_s=2.0)
        assert await socket.closed() in (None, 1006)
    with pytest.raises(WSServerHandshakeError) as refused:
        async with desk.socket():
            pass
    assert refused.value.status == 503

    assert await aeventually(lambda: not desk.simulator.service.faults.active)
    async with desk.socket() as again:
        assert (await again.frame())["type"] == "hello"


async def test_half_open_says_nothing_and_does_not_close(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?account=acc_t") as socket:
        await socket.frame()
        await desk.fault("half_open")
        await update(desk)
        await socket.say(action="ping", t=1)
        async with desk.socket("?account=acc_t") as other:
            await other.frame()
            await update(desk, 98000)
            await settled(other)  # a new socket hears it
        with pytest.raises(asyncio.TimeoutError):
            await socket.frame(within=0.3)
        await desk.control("DELETE", "/faults")
        await update(desk, 97000)
        assert (await socket.until("account_update"))["data"]["equity"] == 97000


async def test_a_revoked_key_closes_4401(desk: Desk) -> None:
    async with desk.socket() as socket:
        await socket.frame()
        code = asyncio.create_task(socket.closed())
        await desk.fault("key_revoked")
        assert await code == 4401
    assert (await desk.api("GET", "/account")).status == 401
    await desk.control("DELETE", "/faults")
    assert (await desk.api("GET", "/account")).status == 200


async def test_connection_lost_is_silent_until_restored(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?accounts=acc_t") as socket:
        await socket.frame()
        await desk.fault("connection_lost", account="acc_t")
        lost = await socket.frame()
        assert (lost["type"], lost["data"]["reason"]) == ("connection_lost", "broker_offline")
        await update(desk)
        refused = await desk.api("POST", "/orders", {"account_id": "acc_t", "symbol": "EURUSD", "type": "BUY",
                                                    "volume": 1})  # fmt: skip
        assert (refused.status, refused.body["error"]) == (503, "terminal_not_ready")
        assert (await desk.api("GET", "/accounts/acc_t")).body["status"] == "disconnected"
        await desk.fault("connection_restored", account="acc_t")
        restored = await socket.frame()
        assert (restored["type"], restored["data"]["resync_required"]) == ("connection_restored", True)
        assert restored["data"]["downtime_s"] >= 0
        assert (await socket.frame())["data"]["equity"] == 99000
        assert restored["seq"] == lost["seq"] + 1


@pytest.mark.parametrize(("kind", "reason"), [("connection_lost", "broker_offline"), ("maintenance", "maintenance")])
async def test_a_lost_link_comes_back_by_itself(desk: Desk, kind: str, reason: str) -> None:
    async with desk.socket() as socket:
        await socket.frame()
        await desk.fault(kind, for_s=0.2)
        lost = [(await socket.until("connection_lost"))["account_id"] for _ in range(3)]
        assert lost == ["acc_1", "acc_2", "acc_3"]
        assert socket.seen[-1]["data"]["reason"] == reason
        for _ in range(3):
            await socket.until("connection_restored")


async def test_auth_failed_says_so_and_turns_the_account_off(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?accounts=acc_t") as socket:
        await socket.frame()
        await desk.fault("auth_failed", account="acc_t")
        assert (await socket.frame())["type"] == "auth_failed"
        assert (await socket.frame())["data"]["reason"] == "auth_failed"
        assert (await desk.api("GET", "/accounts/acc_t")).body["status"] == "error"


async def test_a_stale_account_is_silent_though_connected(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?accounts=acc_t") as socket:
        await socket.frame()
        await desk.fault("stale_account", account="acc_t")
        await update(desk)
        assert (await desk.api("GET", "/accounts/acc_t")).body["equity"] == 99000
        await desk.control("DELETE", "/faults")
        assert (await socket.frame())["data"]["equity"] == 99000


@pytest.mark.parametrize(
    ("kind", "status", "code"), [("http_429", 429, "rate_limited"), ("http_503", 503, "terminal_not_ready")]
)
async def test_http_refusals_tell_when_to_come_again(desk: Desk, kind: str, status: int, code: str) -> None:
    await desk.fault(kind, account="acc_1", count=2, retry_after=3)
    for _ in range(2):
        found = await desk.api("GET", "/accounts/acc_1")
        assert (found.status, found.body["error"], found.headers["Retry-After"]) == (status, code, "3")
    assert (await desk.api("GET", "/accounts/acc_1")).status == 200


@pytest.mark.parametrize(("kind", "executed"), [("http_504_executes", True), ("http_504", False)])
async def test_504_may_execute_all_the_same(desk: Desk, kind: str, executed: bool) -> None:
    await desk.account()
    await desk.trade()
    await desk.fault(kind, account="acc_t")
    head = {"Idempotency-Key": "k"}
    found = await desk.api("POST", "/accounts/acc_t/close-all", {}, headers=head)
    assert (found.status, found.body["error"]) == (504, "timeout")
    positions = (await desk.control("GET", "/accounts/acc_t")).body["positions"]
    assert (positions == []) is executed
    again = await desk.api("POST", "/accounts/acc_t/close-all", {}, headers=head)
    assert (again.status, again.body["closed"]) == (200, 1)


async def test_http_hang_answers_when_it_is_over(desk: Desk) -> None:
    await desk.fault("http_hang", path="/account")
    waiting = asyncio.create_task(desk.api("GET", "/account"))
    assert await aeventually(lambda: desk.simulator.service.requests > 0)
    assert not waiting.done()
    await desk.control("DELETE", "/faults")
    assert (await waiting).status == 200


async def test_http_reset_cuts_the_connection(desk: Desk) -> None:
    await desk.account()
    await desk.fault("http_reset", account="acc_t")
    with pytest.raises(ClientConnectionError):
        await desk.api("POST", "/accounts/acc_t/lock", {})
    assert (await desk.api("POST", "/accounts/acc_t/lock", {})).status == 200


async def test_partial_close_leaves_half(desk: Desk) -> None:
    await desk.account()
    for _ in range(4):
        await desk.trade()
    await desk.fault("partial_close", account="acc_t")
    found = (await desk.api("POST", "/accounts/acc_t/close-all")).body
    assert (found["requested"], found["closed"], found["failed"]) == (4, 2, 2)
    failed = [result for result in found["results"] if not result["success"]]
    assert {result["retcode"] for result in failed} == {10031}
    assert all("retcode_description" in result for result in failed)
    assert len((await desk.control("GET", "/accounts/acc_t")).body["positions"]) == 2
    assert (await desk.api("POST", "/accounts/acc_t/close-all")).body["closed"] == 2


async def test_faults_are_listed_counted_and_cleared(desk: Desk) -> None:
    await desk.fault("http_503", for_s=60)
    await desk.api("GET", "/account")
    (row,) = (await desk.control("GET", "/faults")).body["data"]
    assert (row["kind"], row["hits"], row["remaining_count"]) == ("http_503", 1, None)
    assert 0 < row["remaining_s"] <= 60
    assert (await desk.control("DELETE", "/faults")).body == {"cleared": 1}
    assert (await desk.api("GET", "/account")).status == 200


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"kind": "gossip"}, 422, "kind"),
        ({}, 422, "kind"),
        ({"kind": "nan", "for_s": -1}, 422, "for_s"),
        ({"kind": "nan", "count": 0}, 422, "count"),
        ({"kind": "nan", "count": 1.5}, 422, "count"),
        ({"kind": "nan", "colour": 1}, 422, "colour"),
        ({"kind": "close_socket", "code": 1005}, 422, "code"),
        ({"kind": "nan", "account": "none"}, 404, "id"),
    ],
)
async def test_a_bad_fault_is_refused_by_name(desk: Desk, body: dict[str, object], status: int, field: str) -> None:
    found = await desk.control("POST", "/faults", body)
    assert (found.status, found.body["detail"]["field"]) == (status, field)


async def test_two_http_faults_strike_each_its_own_path(desk: Desk) -> None:
    await desk.fault("http_503", path="/lock", count=1)
    await desk.fault("http_429", path="/close-all", count=1)
    assert (await desk.api("POST", "/accounts/acc_1/close-all")).status == 429
    assert (await desk.api("POST", "/accounts/acc_1/lock", {})).status == 503
    assert (await desk.api("POST", "/accounts/acc_1/lock", {})).status == 200


@pytest.mark.parametrize("query", ["?account=acc_1", "?accounts=acc_2,acc_1"])
async def test_an_accounts_socket_stays_away_as_long_as_its_drop_lasts(desk: Desk, query: str) -> None:
    await desk.fault("drop_socket", account="acc_1", for_s=60)
    with pytest.raises(WSServerHandshakeError) as refused:
        async with desk.socket(query):
            pass
    assert refused.value.status == 503
    async with desk.socket("?account=acc_2") as other:
        assert (await other.frame())["type"] == "hello"

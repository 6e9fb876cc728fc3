"""The control API: the truth, and how a test changes it."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest

from monitoring.upstream.simulator.server import Options, Simulator
from tests.monitoring.upstream.simulator.client import Desk
from tests.waiting import aeventually


async def test_an_account_is_made_with_the_figures_asked_for(desk: Desk) -> None:
    made = await desk.account("acc_9", login="42", equity=95500.25, group="two-step/phase-2", name="Bo Ek")
    assert (made["id"], made["login"], made["group"], made["name"]) == ("acc_9", "42", "two-step/phase-2", "Bo Ek")
    assert (made["balance"], made["equity"], made["profit"]) == (100000.0, 95500.25, -4499.75)
    named = (await desk.control("POST", "/accounts", {"balance": 5})).body
    assert named["id"]
    assert (await desk.api("GET", f"/accounts/{named['id']}")).status == 200


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "balance"),
        ({"balance": "5"}, 422, "balance"),
        ({"balance": 1.001}, 422, "balance"),
        ({"balance": -1}, 422, "balance"),
        ({"balance": 1, "mood": 2}, 422, "mood"),
        ({"balance": 1, "id": 5}, 422, "id"),
        ({"balance": 1, "id": "acc_1"}, 409, "id"),
        ({"balance": 1, "login": "500001"}, 409, "login"),
    ],
)
async def test_a_bad_account_is_refused_by_name(desk: Desk, body: dict[str, Any], status: int, field: str) -> None:
    found = await desk.control("POST", "/accounts", body)
    assert (found.status, found.body["detail"]["field"]) == (status, field)


async def test_bad_json_and_unknown_accounts(desk: Desk) -> None:
    async with desk.session.post(desk.simulator.control_url + "/accounts", data=b"{") as response:
        assert (response.status, (await response.json())["error"]) == (400, "bad_json")
    assert (await desk.control("GET", "/accounts/none")).status == 404
    assert (await desk.control("GET", "/nothing")).status == 404
    assert (await desk.control("POST", "/accounts/acc_1/state", {})).status == 422


async def test_state_puts_it_there_at_once_and_it_moves_on_with_prices(desk: Desk) -> None:
    await desk.account()
    await desk.trade(volume=10)
    async with desk.socket("?accounts=acc_t") as socket:
        await socket.frame()
        await desk.control("POST", "/accounts/acc_t/state", {"equity": 94000})
        assert (await socket.until("account_update", equity=94000.0))["data"]["profit"] < -5000
        moved = False
        while not moved:
            data = (await socket.until("account_update"))["data"]
            moved = data["equity"] != 94000
            cents = [round(data[name] * 100) for name in ("balance", "credit", "profit", "equity")]
            assert sum(cents[:3]) == cents[3]
        assert abs(data["equity"] - 94000) < 2000
    await desk.api("POST", "/accounts/acc_t/close-all")
    truth = (await desk.control("GET", "/accounts/acc_t")).body
    assert (truth["offset"], truth["profit"], truth["balance"]) == (0.0, 0.0, truth["equity"])
    assert abs(truth["equity"] - 94000) < 2000


async def test_close_all_realises_the_offset_of_a_flat_account(desk: Desk) -> None:
    await desk.account(equity=94000)
    await desk.api("POST", "/accounts/acc_t/close-all")
    truth = (await desk.control("GET", "/accounts/acc_t")).body
    assert (truth["balance"], truth["equity"], truth["offset"]) == (94000.0, 94000.0, 0.0)
    assert (truth["operations"], truth["deals"]) == (100000.0, -6000.0)


async def test_balance_and_credit_can_be_set(desk: Desk) -> None:
    await desk.account()
    state = (await desk.control("POST", "/accounts/acc_t/state", {"balance": 98000, "credit": 500})).body
    assert (state["balance"], state["credit"], state["equity"]) == (98000.0, 500.0, 98500.0)


@pytest.mark.parametrize(
    ("body", "balance", "credit"),
    [
        ({"kind": "deposit", "amount": 50}, 100050.0, 0.0),
        ({"kind": "withdrawal", "amount": 50}, 99950.0, 0.0),
        ({"kind": "payout", "amount": -50}, 99950.0, 0.0),
        ({"kind": "correction", "amount": -0.01}, 99999.99, 0.0),
        ({"kind": "credit", "amount": 50}, 100000.0, 50.0),
    ],
)
async def test_balance_operations(desk: Desk, body: dict[str, Any], balance: float, credit: float) -> None:
    await desk.account()
    found = (await desk.control("POST", "/accounts/acc_t/balance", body)).body
    assert (found["balance"], found["credit"]) == (balance, credit)
    bad = await desk.control("POST", "/accounts/acc_t/balance", {"kind": "gift", "amount": 1})
    assert (bad.status, bad.body["detail"]["field"]) == (422, "kind")


async def test_a_position_is_opened_as_its_trader_would(desk: Desk) -> None:
    await desk.account()
    truth = await desk.trade(volume=0.5, sl=1.05, tp=1.15)
    (position,) = truth["positions"]
    assert (position["source"], position["sl"], position["tp"]) == ("trader", 1.05, 1.15)
    await desk.api("POST", "/accounts/acc_t/lock", {"reason": "evt"})
    path = "/accounts/acc_t/positions"
    assert (await desk.control("POST", path, {"symbol": "EURUSD", "type": "BUY", "volume": 1})).status == 423
    assert (await desk.control("POST", path, {"symbol": "EURUSD", "type": "BUY"})).body["detail"]["field"] == "volume"


async def test_every_command_is_kept_with_its_answer(desk: Desk) -> None:
    await desk.account()
    await desk.trade()
    await desk.api("POST", "/accounts/acc_t/close-all", {"magic": 1}, headers={"Idempotency-Key": "k"})
    await desk.api("POST", "/accounts/acc_t/lock", {"reason": "evt"})
    await desk.api("POST", "/accounts/acc_2/unlock")
    await desk.api("POST", "/orders", {"account_id": "acc_t", "symbol": "EURUSD", "type": "BUY", "volume": 1})
    rows = (await desk.control("GET", "/commands?account=acc_t")).body["data"]
    assert [(row["method"], row["path"], row["status"]) for row in rows] == [
        ("POST", "/v1/accounts/acc_t/close-all", 200),
        ("POST", "/v1/accounts/acc_t/lock", 200),
        ("POST", "/v1/orders", 423),
    ]
    assert (rows[0]["body"], rows[0]["idempotency_key"], rows[0]["answer"]["requested"]) == ({"magic": 1}, "k", 0)
    assert rows[0]["received_at"] <= rows[0]["answered_at"]
    assert len((await desk.control("GET", "/commands")).body["data"]) == 4


async def test_the_record_holds_what_was_sent(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?accounts=acc_t") as socket:
        await socket.frame()
        await desk.trade()
        for equity in (99000, 95900, 94900):
            await desk.control("POST", "/accounts/acc_t/state", {"equity": equity})
        await desk.control("POST", "/accounts/acc_t/balance", {"kind": "payout", "amount": 5})
        await socket.until("balance_operation")
    record = (await desk.control("GET", "/accounts/acc_t/record?limit=100000")).body["data"]
    by_seq = {row["seq"]: row for row in record if row["type"] == "account_update"}
    for frame in socket.seen:
        if frame["type"] == "account_update":
            row = by_seq[frame["seq"]]
            assert {name: frame["data"][name] for name in ("balance", "equity", "credit", "profit")} == {
                name: row[name] for name in ("balance", "equity", "credit", "profit")
            }
    assert {99000.0, 95900.0, 94900.0} <= {row["equity"] for row in record}
    assert [row["type"] for row in record].count("balance_operation") == 1


async def test_health(desk: Desk) -> None:
    body = (await desk.control("GET", "/health")).body
    assert (body["status"], body["accounts"]) == ("ok", 3)


def test_the_control_api_binds_to_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        Simulator(Options(control_host="0.0.0.0"))


def test_the_frames_are_what_the_engine_reads() -> None:
    """The messages of the engine accept what the simulator sends, field by field."""
    import msgspec

    from monitoring.engine.messages import AccountUpdate, PositionClosed, PositionOpened
    from tests.monitoring.upstream.simulator.test_world import Stage

    stage = Stage(accounts=30)
    stage.run(120)
    known: dict[str, Any] = {
        "account_update": AccountUpdate, "position_open": PositionOpened, "position_close": PositionClosed,
    }  # fmt: skip
    read = [
        msgspec.json.decode(json.dumps(frame), type=known[frame["type"]])
        for frame in stage.frames
        if frame["type"] in known
    ]
    assert len(read) > 500


async def test_a_command_is_found_under_its_account_however_it_names_it(desk: Desk) -> None:
    order = {"symbol": "EURUSD", "type": "BUY", "volume": 0.1}
    placed = (await desk.api("POST", "/orders", order)).body
    await desk.api("DELETE", f"/orders/{placed['ticket']}")
    rows = (await desk.control("GET", f"/commands?account={placed['account_id']}")).body["data"]
    assert [row["method"] for row in rows] == ["POST", "DELETE"]


async def test_a_command_without_an_answer_was_received_all_the_same(desk: Desk) -> None:
    await desk.fault("http_hang", account="acc_1", for_s=60)
    asking = asyncio.create_task(desk.api("POST", "/accounts/acc_1/close-all"))
    await aeventually(lambda: desk.simulator.service.requests > 0, what="it is received")
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    (row,) = (await desk.control("GET", "/commands?account=acc_1")).body["data"]
    assert (row["path"], row["status"], row["answered_at"]) == ("/v1/accounts/acc_1/close-all", None, None)


@pytest.mark.parametrize(
    ("said", "kind"), [("drop", "drop_socket"), ("429", "http_429"), ("503", "http_503"), ("504", "http_504_executes")]
)
async def test_a_fault_has_a_short_name_too_and_may_be_asked_for_once(desk: Desk, said: str, kind: str) -> None:
    assert (await desk.fault(said, count=1))["kind"] == kind

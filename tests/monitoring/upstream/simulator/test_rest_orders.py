"""The dialect's calls that trade: orders, stops, closing in part and whole, on a real socket."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.monitoring.upstream.simulator.client import Desk

FRESH = "acc_t"
FRIDAY_AFTERNOON = datetime(2024, 3, 8, 21, 50, tzinfo=UTC)  # ten minutes before the week closes in New York
SATURDAY = datetime(2024, 3, 9, 12, 0, tzinfo=UTC)
ORDER = {"account_id": FRESH, "symbol": "EURUSD", "type": "BUY", "volume": 1.0}


async def test_an_order_opens_a_position_200_without_and_201_with_an_account(desk: Desk) -> None:
    await desk.account()
    plain = await desk.api("POST", "/orders", {"symbol": "EURUSD", "type": "BUY", "volume": 0.1, "sl": 1.072,
                                              "tp": 1.095})  # fmt: skip
    assert (plain.status, plain.body["account_id"]) == (200, "acc_1")
    named = await desk.api("POST", "/orders", ORDER | {"type": "Sell", "magic": 5, "comment": "c"})
    assert named.status == 201
    body = named.body
    assert body["data"]["ticket"] == body["ticket"]
    assert (body["type"], body["filled_volume"], body["status"], body["magic"]) == ("SELL", 1.0, "filled", 5)
    assert {"id", "symbol", "volume", "price"} <= set(body)
    listed = (await desk.api("GET", "/accounts/acc_t/positions")).body
    assert [row["id"] for row in listed["data"]] == [body["id"]]
    assert listed["seq"] == 4


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"symbol": "NOPE"}, 422, "invalid_symbol"),
        ({"volume": 0}, 422, "volume_out_of_range"),
        ({"volume": 0.001}, 422, "volume_out_of_range"),
        ({"volume": 101}, 422, "volume_out_of_range"),
        ({"volume": "1"}, 422, "invalid_field"),
        ({"volume": None}, 422, "invalid_field"),
        ({"type": "HOLD"}, 422, "invalid_field"),
        ({"sl": 1.2}, 422, "invalid_stops"),
        ({"tp": 1.0}, 422, "invalid_stops"),
        ({"type": "BUY_LIMIT"}, 422, "invalid_field"),
        ({"volume": 99}, 422, "insufficient_margin"),
        ({"account_id": "none"}, 404, None),
    ],
)
async def test_a_bad_order_is_refused_with_its_reason(
    desk: Desk, change: dict[str, Any], status: int, reason: str | None
) -> None:
    await desk.account()
    found = await desk.api("POST", "/orders", ORDER | change)
    assert (found.status, found.body["detail"].get("reason")) == (status, reason), found.body
    assert (await desk.control("GET", "/accounts/acc_t")).body["positions"] == []


@pytest.mark.parametrize("desk", [{"market_start": SATURDAY}], indirect=True)
async def test_a_closed_market_takes_no_order_and_closes_nothing(desk: Desk) -> None:
    await desk.account()
    found = await desk.api("POST", "/orders", ORDER)
    assert (found.status, found.body["detail"]["reason"]) == (422, "market_closed")
    assert (await desk.api("POST", "/orders", ORDER | {"symbol": "BTCUSD", "volume": 0.1})).status == 201


async def test_stops_can_be_moved_and_pending_orders_cancelled(desk: Desk) -> None:
    await desk.account()
    opened = (await desk.api("POST", "/orders", ORDER)).body
    moved = await desk.api("PATCH", f"/orders/{opened['id']}", {"sl": 1.07})
    assert (moved.status, moved.body["sl"]) == (200, 1.07)
    wrong = await desk.api("PATCH", f"/orders/{opened['id']}", {"sl": 1.2})
    assert wrong.body["detail"]["reason"] == "invalid_stops"
    pending = (await desk.api("POST", "/orders", ORDER | {"type": "BUY_LIMIT", "price": 1.07})).body
    assert pending["status"] == "pending"
    assert (await desk.api("PATCH", f"/orders/{pending['id']}", {"price": 1.06})).body["price"] == 1.06
    cancelled = await desk.api("DELETE", f"/orders/{pending['id']}")
    assert (cancelled.status, cancelled.body["status"]) == (200, "cancelled")
    assert (await desk.control("GET", "/accounts/acc_t")).body["orders"] == []


async def test_closing_in_part_then_whole_then_once_too_often(desk: Desk) -> None:
    await desk.account()
    opened = (await desk.api("POST", "/orders", ORDER)).body
    path = f"/accounts/acc_t/positions/{opened['id']}/close"
    part = await desk.api("POST", path, {"volume": 0.4})
    assert (part.status, part.body["closed_volume"], part.body["remaining_volume"]) == (200, 0.4, 0.6)
    assert (await desk.api("POST", path, {"volume": 0.7})).body["detail"]["reason"] == "volume_out_of_range"
    whole = await desk.api("POST", path)
    assert (whole.body["closed_volume"], whole.body["remaining_volume"]) == (0.6, 0.0)
    again = await desk.api("POST", path)
    assert (again.status, again.body["error"]) == (409, "already_closed")
    truth = (await desk.control("GET", "/accounts/acc_t")).body
    trades = (await desk.api("GET", "/accounts/acc_t/trades?type=buy")).body["data"]
    assert len(trades) == 2
    assert truth["balance"] == pytest.approx(100000 + sum(trade["net_profit"] for trade in trades), abs=0.001)


async def test_close_all_answers_for_each_position_and_leaves_the_account_flat(desk: Desk) -> None:
    await desk.account()
    for _ in range(3):
        await desk.trade()
    await desk.api("POST", "/orders", ORDER | {"symbol": "XAUUSD", "volume": 0.1})
    gold = (await desk.api("POST", "/accounts/acc_t/close-all", {"symbol": "XAUUSD"})).body
    assert (gold["requested"], gold["closed"]) == (1, 1)
    found = await desk.api("POST", "/accounts/acc_t/close-all", {"request_id": "r1"})
    body = found.body
    assert found.status == 200
    assert (body["request_id"], body["requested"], body["closed"], body["failed"]) == ("r1", 3, 3, 0)
    result = body["results"][0]
    assert (result["kind"], result["success"], result["retcode"]) == ("position", True, 10009)
    assert {"id", "ticket", "price"} <= set(result)
    truth = (await desk.control("GET", "/accounts/acc_t")).body
    assert (truth["positions"], truth["profit"], truth["margin"]) == ([], 0.0, 0.0)
    assert (await desk.api("POST", "/accounts/acc_t/close-all")).body["requested"] == 0


async def test_a_locked_account_takes_no_order_and_says_why(desk: Desk) -> None:
    await desk.account()
    until = "2126-01-02T00:00:00.000Z"
    locked = await desk.api("POST", "/accounts/acc_t/lock", {"until": until, "reason": "evt_17"})
    assert (locked.status, locked.body["locked"]) == (200, True)
    body = (await desk.api("GET", "/accounts/acc_t")).body
    assert (body["locked"], body["lock_reason"], body["locked_until"]) == (True, "evt_17", until)
    refused = await desk.api("POST", "/orders", ORDER)
    assert (refused.status, refused.body["error"]) == (423, "account_locked")
    assert (await desk.api("POST", "/accounts/acc_t/unlock")).body["locked"] is False
    assert (await desk.api("POST", "/orders", ORDER)).status == 201
    bad = await desk.api("POST", "/accounts/acc_t/lock", {"until": "tomorrow"})
    assert (bad.status, bad.body["detail"]["field"]) == (422, "until")


async def test_an_idempotency_key_is_answered_once(desk: Desk) -> None:
    await desk.account()
    head = {"Idempotency-Key": "k1"}
    first = await desk.api("POST", "/orders", ORDER, headers=head)
    again = await desk.api("POST", "/orders", ORDER, headers=head)
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len((await desk.control("GET", "/accounts/acc_t")).body["positions"]) == 1
    other = await desk.api("POST", "/orders", ORDER | {"volume": 2}, headers=head)
    assert (other.status, other.body["error"]) == (422, "idempotency_key_reused")
    flat = await desk.api("POST", "/accounts/acc_t/close-all", {}, headers={"Idempotency-Key": "k2"})
    repeated = await desk.api("POST", "/accounts/acc_t/close-all", {}, headers={"Idempotency-Key": "k2"})
    assert flat.body["closed"] == repeated.body["closed"] == 1


@pytest.mark.parametrize("desk", [{"market_start": FRIDAY_AFTERNOON}], indirect=True)
async def test_the_last_minutes_of_the_week_close_what_is_open_and_take_no_order(desk: Desk) -> None:
    await desk.account()
    await desk.api("PUT", "/accounts/acc_t/risk-rules", {"friday_close_minutes": 5})
    await desk.trade()
    async with desk.socket("?accounts=acc_t") as socket:
        await desk.api("PUT", "/accounts/acc_t/risk-rules", {"friday_close_minutes": 15})
        await socket.until("position_close")
    found = await desk.api("POST", "/orders", ORDER)
    assert (found.status, found.body["detail"]["reason"]) == (422, "outside_trading_hours")


async def test_an_order_may_be_filled_in_part(desk: Desk) -> None:
    """The fault `partial_fill`: half of the volume, said in the reply and by an order_update."""
    await desk.account()
    order = {"account_id": "acc_t", "symbol": "EURUSD", "type": "BUY", "volume": 1.01}
    async with desk.socket("?account=acc_t") as socket:
        await desk.fault("partial_fill", account="acc_t")
        placed = (await desk.api("POST", "/orders", order)).body
        assert (placed["status"], placed["volume"], placed["filled_volume"]) == ("partial", 1.01, 0.5)
        assert (await socket.until("position_open"))["data"]["volume"] == 0.5
        update = (await socket.until("order_update"))["data"]
        assert (update["status"], update["volume"], update["filled_volume"]) == ("partial", 1.01, 0.5)
    assert [row["id"] for row in (await desk.api("GET", "/accounts/acc_t/positions")).body["data"]] == [placed["id"]]
    assert (await desk.api("POST", "/orders", order)).body["status"] == "filled"


async def test_orders_of_a_lost_account_are_left_as_they_are(desk: Desk) -> None:
    await desk.account()
    ticket = (await desk.trade())["positions"][0]["ticket"]
    await desk.fault("connection_lost", account="acc_t")
    assert (await desk.api("PATCH", f"/orders/{ticket}", {"sl": 1.0})).status == 503
    assert (await desk.api("DELETE", f"/orders/{ticket}")).status == 503
    assert len((await desk.control("GET", "/accounts/acc_t")).body["positions"]) == 1

"""The dialect's REST calls: each endpoint, error and status of the tables, on a real socket."""

from __future__ import annotations

import pytest

from tests.monitoring.upstream.simulator.client import SCOPED_KEY, Desk

FRESH = "acc_t"
ORDER = {"account_id": FRESH, "symbol": "EURUSD", "type": "BUY", "volume": 1.0}


async def test_an_account_says_the_same_flat_and_under_data(desk: Desk) -> None:
    await desk.account(equity=99000, name="Ada Quill", group="two-step/funded", login="777")
    found = await desk.api("GET", "/accounts/acc_t")
    assert found.status == 200
    body = found.body
    assert {key: body[key] for key in body["data"]} == body["data"]
    expected = {"id": FRESH, "account_id": FRESH, "login": "777", "name": "Ada Quill", "group": "two-step/funded",
                "currency": "USD", "leverage": 100, "balance": 100000.0, "equity": 99000.0, "credit": 0.0,
                "profit": -1000.0, "margin": 0.0, "status": "connected", "open_positions": 0, "locked": False,
                "lock_reason": None, "seq": 2}  # fmt: skip
    assert {key: body[key] for key in expected} == expected
    assert body["last_updated"].endswith("Z")


async def test_accounts_are_listed_in_pages_and_by_group_and_status(desk: Desk) -> None:
    await desk.account(group="two-step/special")
    first = (await desk.api("GET", "/accounts?limit=3")).body
    assert first["pagination"] == {"limit": 3, "next_cursor": "3", "has_more": True}
    second = (await desk.api("GET", f"/accounts?limit=3&cursor={first['pagination']['next_cursor']}")).body
    assert [row["id"] for row in first["data"] + second["data"]] == ["acc_1", "acc_2", "acc_3", FRESH]
    assert second["pagination"]["has_more"] is False
    special = (await desk.api("GET", "/accounts?group=two-step/special")).body["data"]
    assert [row["id"] for row in special] == [FRESH]
    assert (await desk.api("GET", "/accounts?status=error")).body["data"] == []
    groups = (await desk.api("GET", "/groups")).body["data"]
    assert {"id": "two-step/special", "name": "two-step/special", "accounts": 1} in groups


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "cursor=-1"])
async def test_a_bad_page_is_refused_by_name(desk: Desk, query: str) -> None:
    found = await desk.api("GET", f"/accounts?{query}")
    assert (found.status, found.body["error"]) == (422, "validation_error")
    assert found.body["detail"]["field"] == query.split("=")[0]


async def test_the_first_account_needs_no_name(desk: Desk) -> None:
    assert (await desk.api("GET", "/account")).body["id"] == "acc_1"


@pytest.mark.parametrize("key", [None, "wrong"])
async def test_a_bad_key_is_401(desk: Desk, key: str | None) -> None:
    found = await desk.api("GET", "/accounts", key=key)
    assert (found.status, found.body["error"]) == (401, "unauthorized")
    assert set(found.body) == {"error", "message", "detail", "request_id"}
    assert {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} <= set(found.headers)
    assert (await desk.api("GET", "/healthz", key=None)).status == 200


async def test_a_scoped_key_sees_its_accounts_only(desk: Desk) -> None:
    listed = (await desk.api("GET", "/accounts", key=SCOPED_KEY)).body["data"]
    assert [row["id"] for row in listed] == ["acc_1"]
    found = await desk.api("GET", "/accounts/acc_2", key=SCOPED_KEY)
    assert (found.status, found.body["error"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/accounts/none", 404, "account_not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("PUT", "/accounts/acc_1/positions", 405, "method_not_allowed"),
        ("POST", "/accounts/acc_1/positions/pos_1/close", 404, "position_not_found"),
        ("DELETE", "/orders/ord_1", 404, "order_not_found"),
        ("GET", "/symbols/NOPE", 404, "symbol_not_found"),
        ("GET", "/quotes/NOPE", 404, "symbol_not_found"),
        ("GET", "/accounts/acc_1/trades?from=yesterday", 422, "validation_error"),
        ("GET", "/accounts/acc_1/events?since_seq=x", 422, "validation_error"),
    ],
)
async def test_what_is_not_there(desk: Desk, method: str, path: str, status: int, code: str) -> None:
    found = await desk.api(method, path)
    assert (found.status, found.body["error"]) == (status, code)
    assert found.body["message"]


@pytest.mark.parametrize("raw", [b"{", b"[1]", b'"x"', b"\xff", b'{"volume": NaN}'])
async def test_a_body_that_is_no_json_object_is_400(desk: Desk, raw: bytes) -> None:
    found = await desk.api("POST", "/orders", raw=raw)
    assert (found.status, found.body["error"]) == (400, "bad_json")


@pytest.mark.parametrize("desk", [{"rate_limit": 5}], indirect=True)
async def test_rate_limits_are_told_and_kept(desk: Desk) -> None:
    answers = [await desk.api("GET", "/account") for _ in range(12)]  # a minute may turn in between: 5 + 5 + 2
    assert answers[0].headers["X-RateLimit-Limit"] == "5"
    assert answers[0].headers["X-RateLimit-Remaining"] == "4"
    assert 0 < int(answers[0].headers["X-RateLimit-Reset"]) <= 60
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    assert refused[0].body["error"] == "rate_limited"
    assert 0 < int(refused[0].headers["Retry-After"]) <= 60


async def test_an_account_can_be_connected_changed_and_deleted(desk: Desk) -> None:
    async with desk.socket() as socket:
        made = await desk.api("POST", "/accounts", {"login": 99, "password": "p", "server": "B-Live", "name": "Bo"})
        assert (made.status, made.body["status"], made.body["login"]) == (201, "connecting", "99")
        name = made.body["id"]
        assert (await socket.until("account_lifecycle", name))["data"]["action"] == "created"
        await socket.until("connection_restored", name)
        await socket.until("account_update", name)
        assert (await desk.api("GET", f"/accounts/{name}")).body["status"] == "connected"
        twice = await desk.api("POST", "/accounts", {"login": 99, "password": "p"})
        assert (twice.status, twice.body["error"]) == (409, "duplicate_account")
        changed = await desk.api("PATCH", f"/accounts/{name}", {"group": "two-step/funded", "leverage": 50})
        assert (changed.body["group"], changed.body["leverage"]) == ("two-step/funded", 50)
        assert (await desk.api("PATCH", f"/accounts/{name}", {"balance": 1})).status == 422
        assert (await desk.api("DELETE", f"/accounts/{name}")).status == 204
        await socket.until("account_lifecycle", name, action="deleted")
        assert (await desk.api("GET", f"/accounts/{name}")).status == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"login": "5"}, 422, "validation_error"),
        ({"login": "5", "password": "invalid"}, 400, "invalid_credentials"),
        ({"login": "5", "password": "p", "server": "Unknown-Live"}, 400, "server_not_found"),
    ],
)
async def test_an_account_that_cannot_be_connected(desk: Desk, body: dict[str, str], status: int, code: str) -> None:
    found = await desk.api("POST", "/accounts", body)
    assert (found.status, found.body["error"]) == (status, code)


@pytest.mark.parametrize("desk", [{"account_cap": 3}], indirect=True)
async def test_the_plans_cap_is_402(desk: Desk) -> None:
    found = await desk.api("POST", "/accounts", {"login": "5", "password": "p"})
    assert (found.status, found.body["error"]) == (402, "account_cap_reached")


async def test_new_credentials_restore_or_fail(desk: Desk) -> None:
    await desk.account()
    async with desk.socket() as socket:
        assert (await desk.api("PUT", "/accounts/acc_t/credentials", {"password": "wrong"})).status == 202
        assert (await socket.until("auth_failed", FRESH))["data"]["code"] == "invalid_credentials"
        assert (await desk.api("GET", "/accounts/acc_t")).body["status"] == "error"
        refused = await desk.api("POST", "/accounts/acc_t/close-all")
        assert (refused.status, refused.body["error"]) == (503, "terminal_not_ready")
        assert (await desk.api("PUT", "/accounts/acc_t/credentials", {"password": "good"})).status == 202
        await socket.until("connection_restored", FRESH)


async def test_risk_rules_are_kept_in_versions_and_enforced(desk: Desk) -> None:
    await desk.account()
    rules = {"max_daily_loss_pct": 0.05, "max_lot_size": 2.0, "blocked_symbols": ["BTCUSD"], "lock_on_breach": True}
    async with desk.socket() as socket:
        put = await desk.api("PUT", "/accounts/acc_t/risk-rules", rules)
        assert (put.status, put.body["version"], put.body["max_drawdown_pct"]) == (200, 1, None)
        await socket.until("risk_rules_updated", FRESH)
        big = await desk.api("POST", "/orders", ORDER | {"volume": 3})
        assert big.body["detail"] == {"reason": "max_lot_size", "limit": 2.0}
        rejected = (await desk.api("POST", "/orders", ORDER | {"symbol": "BTCUSD", "volume": 1})).body
        assert rejected["detail"]["reason"] == "symbol_not_allowed"
        await desk.trade()
        await desk.control("POST", "/accounts/acc_t/state", {"equity": 95500})
        assert (await socket.until("rule_breach", FRESH))["data"]["level"] == "warning"
        await desk.control("POST", "/accounts/acc_t/state", {"equity": 94000})
        breach = (await socket.until("rule_breach", FRESH, level="breach"))["data"]
        assert (breach["rule"], breach["action"], breach["limit"]) == ("max_daily_loss_pct", "lock", 0.05)
        await socket.until("position_close", FRESH)
        await socket.until("account_locked", FRESH)
    assert (await desk.api("PUT", "/accounts/acc_t/risk-rules", {"max_daily_loss_pct": 5})).status == 422
    assert (await desk.api("PUT", "/accounts/acc_t/risk-rules", {"x": 5})).status == 422
    await desk.api("PUT", "/accounts/acc_t/risk-rules", {})
    history = (await desk.api("GET", "/accounts/acc_t/risk-rules/history")).body["data"]
    assert [row["version"] for row in history] == [1, 2]
    assert (await desk.api("GET", "/accounts/acc_t/risk-rules")).body["max_lot_size"] is None


async def test_trades_are_paged_and_bounded_by_close_time(desk: Desk) -> None:
    await desk.account()
    for _ in range(3):
        await desk.trade()
    await desk.api("POST", "/accounts/acc_t/close-all")
    await desk.control("POST", "/accounts/acc_t/balance", {"kind": "payout", "amount": 10})
    page = (await desk.api("GET", "/accounts/acc_t/trades?limit=2")).body
    assert (len(page["data"]), page["pagination"]["has_more"]) == (2, True)
    rest = (await desk.api("GET", f"/accounts/acc_t/trades?cursor={page['pagination']['next_cursor']}")).body
    rows = page["data"] + rest["data"]
    assert [row["type"] for row in rows] == ["balance", "BUY", "BUY", "BUY", "balance"]
    assert (
        round(sum(row["net_profit"] for row in rows), 2) == (await desk.api("GET", "/accounts/acc_t")).body["balance"]
    )
    last = rows[-1]["close_time"]
    assert (await desk.api("GET", f"/accounts/acc_t/trades?to={rows[0]['close_time']}")).body["data"] == []
    assert rows[-1] in (await desk.api("GET", f"/accounts/acc_t/trades?from={last}")).body["data"]


async def test_a_balance_operation_has_one_id_on_the_stream_and_among_the_trades(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?accounts=acc_t") as socket:
        await desk.control("POST", "/accounts/acc_t/balance", {"kind": "deposit", "amount": 10})
        told = await socket.until("balance_operation")
    await desk.trade()
    await desk.api("POST", "/accounts/acc_t/close-all")
    rows = (await desk.api("GET", "/accounts/acc_t/trades")).body["data"]
    assert rows[1]["id"] == told["data"]["id"]
    assert len({row["ticket"] for row in rows}) == len(rows) == 3


async def test_a_scoped_key_makes_no_account_that_it_could_not_see(desk: Desk) -> None:
    made = await desk.api("POST", "/accounts", {"login": "5", "password": "p"}, key=SCOPED_KEY)
    assert (made.status, made.body["error"]) == (403, "forbidden")


async def test_symbols_and_quotes(desk: Desk) -> None:
    names = [row["name"] for row in (await desk.api("GET", "/symbols")).body["data"]]
    assert {"EURUSD", "GBPUSD", "USDJPY", "XAUUSD", "US30", "BTCUSD"} <= set(names)
    assert (await desk.api("GET", "/symbols/XAUUSD")).body["contract_size"] == 100
    quote = (await desk.api("GET", "/quotes/eurusd")).body
    assert 1.07 < quote["bid"] < quote["ask"] < 1.1


async def test_events_are_replayed_after_a_number(desk: Desk) -> None:
    await desk.account()
    await desk.trade()
    await desk.api("POST", "/accounts/acc_t/close-all")
    found = (await desk.api("GET", "/accounts/acc_t/events?since_seq=2")).body
    kinds = [event["type"] for event in found["data"]]
    assert kinds[0] == "position_open"
    assert kinds[-3:] == ["position_close", "account_update", "close_all_result"]
    assert [event["seq"] for event in found["data"]] == list(range(3, found["seq"] + 1))
    assert found["complete"] is True


async def test_a_lasting_filter_can_be_set_read_and_taken_away(desk: Desk) -> None:
    await desk.account()
    assert (await desk.api("POST", "/accounts/acc_t/subscribe", {"events": ["position_open"]})).status == 200
    assert (await desk.api("GET", "/accounts/acc_t/subscribe")).body["events"] == ["position_open"]
    async with desk.socket("?accounts=acc_t") as socket:
        assert (await socket.frame())["type"] == "hello"
        await desk.trade()
        assert (await socket.frame())["type"] == "position_open"
    assert (await desk.api("DELETE", "/accounts/acc_t/subscribe")).body["events"] is None
    assert (await desk.api("POST", "/accounts/acc_t/subscribe", {"events": ["gossip"]})).status == 422


async def test_a_new_account_under_an_old_id_has_no_old_rules(desk: Desk) -> None:
    await desk.account()
    await desk.api("PUT", "/accounts/acc_t/risk-rules", {"max_lot_size": 1})
    await desk.api("DELETE", "/accounts/acc_t")
    await desk.account()
    assert (await desk.api("GET", "/accounts/acc_t/risk-rules")).body["max_lot_size"] is None


async def test_events_are_paged_by_the_cursor_that_a_page_gives(desk: Desk) -> None:
    await desk.account()
    for _ in range(4):
        await desk.control("POST", "/accounts/acc_t/state", {"equity": 99000})
    whole = (await desk.api("GET", "/accounts/acc_t/events?since_seq=1")).body["data"]
    page = (await desk.api("GET", "/accounts/acc_t/events?since_seq=1&limit=2")).body
    rows, cursor = page["data"], page["pagination"]["next_cursor"]
    page = (await desk.api("GET", f"/accounts/acc_t/events?since_seq=1&limit=1000&cursor={cursor}")).body
    assert rows + page["data"] == whole
    assert not page["pagination"]["has_more"]


async def test_only_the_newest_credentials_count(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?accounts=acc_t") as socket:
        await desk.api("PUT", "/accounts/acc_t/credentials", {"password": "wrong"})
        await desk.api("PUT", "/accounts/acc_t/credentials", {"password": "right"})
        await socket.until("connection_restored")
        assert "auth_failed" not in [frame["type"] for frame in socket.seen]

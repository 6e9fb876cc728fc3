"""Input that no client should send: refused with its field, never a 500, and the world goes on."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.monitoring.upstream.simulator.client import Desk

NO_NUMBERS = ["²", "٣", "9" * 5000, "-1", "1.5", "1_0", " 1"]
NO_INSTANTS = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-03-05T08:00:00", "soon"]


@pytest.mark.parametrize("given", NO_NUMBERS)
@pytest.mark.parametrize("path", ["/accounts?limit=", "/accounts?cursor=", "/accounts/acc_1/events?since_seq="])
async def test_what_only_looks_like_a_number_is_422(desk: Desk, path: str, given: str) -> None:
    found = await desk.api("GET", path + quote(given))
    assert (found.status, found.body["error"]) == (422, "validation_error")
    assert f"{found.body['detail']['field']}=" in path


@pytest.mark.parametrize("given", ["²", "x" * 200, "9" * 30])
async def test_what_is_no_ticket_is_404(desk: Desk, given: str) -> None:
    assert (await desk.api("DELETE", f"/orders/{quote(given)}")).status == 404
    assert (await desk.api("PATCH", f"/orders/{quote(given)}", {})).status == 404
    assert (await desk.api("POST", f"/accounts/acc_1/positions/{quote(given)}/close")).status == 404


@pytest.mark.parametrize("given", NO_INSTANTS)
async def test_what_is_no_instant_in_utc_is_422(desk: Desk, given: str) -> None:
    locked = await desk.api("POST", "/accounts/acc_1/lock", {"until": given})
    assert (locked.status, locked.body["detail"]["field"]) == (422, "until")
    assert (await desk.api("GET", f"/accounts/acc_1/trades?from={quote(given)}")).status == 422


@pytest.mark.parametrize("given", ["all", "a,b", "a/b", "a b", "acc_²", "?"])
async def test_an_id_that_no_path_and_no_query_can_name_is_refused(desk: Desk, given: str) -> None:
    found = await desk.control("POST", "/accounts", {"id": given, "balance": 1})
    assert (found.status, found.body["detail"]["field"]) == (422, "id")


async def test_no_account_begins_in_debt(desk: Desk) -> None:
    found = await desk.api("POST", "/accounts", {"login": "5", "password": "p", "balance": -1})
    assert (found.status, found.body["detail"]["field"]) == (422, "balance")


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"trading_hours": {"start": "99:99"}}, "trading_hours"),
        ({"trading_hours": {"end": "noon"}}, "trading_hours"),
        ({"trading_hours": "all day"}, "trading_hours"),
        ({"max_lot_size": "many"}, "max_lot_size"),
        ({"max_luck": 1}, "max_luck"),
        ({"trading_days": ["someday"]}, "trading_days"),
        ({"friday_close_minutes": -1}, "friday_close_minutes"),
        ({"max_drawdown_pct": 1.01}, "max_drawdown_pct"),
        ({"drawdown_mode": "creative"}, "drawdown_mode"),
    ],
)
async def test_a_bad_risk_rule_is_refused_by_name(desk: Desk, rules: dict[str, Any], field: str) -> None:
    found = await desk.api("PUT", "/accounts/acc_1/risk-rules", rules)
    assert (found.status, found.body["detail"]["field"]) == (422, field)


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"kind": "connection_lost", "count": 2}, "count"),
        ({"kind": "drop_socket", "count": 3}, "count"),
        ({"kind": "connection_lost", "reason": "gossip"}, "reason"),
    ],
)
async def test_a_fault_that_would_not_do_as_told_is_refused(desk: Desk, fault: dict[str, Any], field: str) -> None:
    found = await desk.control("POST", "/faults", fault)
    assert (found.status, found.body["detail"]["field"]) == (422, field)


DEEP = b'{"login":' + b"[" * 990 + b"]" * 990 + b"}"


@pytest.mark.parametrize(
    ("raw", "headers", "status", "code"),
    [
        (b"[" * 100_000, {}, 400, "bad_json"),
        (DEEP, {}, 400, "bad_json"),
        (b"no gzip", {"Content-Encoding": "gzip"}, 400, "bad_request"),
        (b"x" * (1024 * 1024 + 1), {}, 413, "body_too_large"),
    ],
)
async def test_a_body_that_nobody_can_read_is_refused_in_the_dialects_words(
    desk: Desk, raw: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    """On both ports, with the rate limit told, and the log of commands can still be read."""
    key = {"Authorization": f"Bearer {desk.simulator.options.key}"}
    for address in (f"{desk.simulator.url}/accounts", f"{desk.simulator.control_url}/accounts"):
        async with desk.session.post(address, data=raw, headers={**key, **headers}) as reply:
            assert (reply.status, json.loads(await reply.text())["error"]) == (status, code)
            assert "X-RateLimit-Limit" in reply.headers or address.startswith(desk.simulator.control_url)
    rows = (await desk.control("GET", "/commands")).body["data"]
    assert [(row["path"], row["status"]) for row in rows] == [("/v1/accounts", status)]


async def test_a_frame_of_brackets_is_an_error_frame(desk: Desk) -> None:
    async with desk.socket("") as socket:
        await socket.raw.send_str("[" * 100_000)
        assert (await socket.frame())["type"] == "hello"
        assert (await socket.frame())["code"] == "bad_request"
        await socket.say(action="ping", t=1)
        assert (await socket.frame())["type"] == "pong"


@pytest.mark.parametrize("body", [{"balance": 1, "credit": -1}, {"balance": -1}])
async def test_the_negative_figure_is_named(desk: Desk, body: dict[str, int]) -> None:
    found = await desk.control("POST", "/accounts", body)
    assert (found.status, found.body["detail"]["field"]) == (422, list(body)[-1])

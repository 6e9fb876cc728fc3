"""Commands and readings on a real socket: what each answer means, and that a key is never shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from monitoring.upstream.base import ActionStatus, UpstreamConfig, UpstreamError
from monitoring.upstream.fxsocket.execution import FxSocketExecution
from monitoring.upstream.fxsocket.outcome import parse_retry_after
from tests.monitoring.upstream.fxsocket.fake import KEY, FakeUpstream, position, row
from tests.waiting import aeventually


@pytest.fixture(params=[0, 2], ids=["session", "line"])
async def execution(upstream: FakeUpstream, request: pytest.FixtureRequest) -> AsyncIterator[FxSocketExecution]:
    """Commands by the session, and on lines that stand ready: nobody else should see a difference."""
    upstream.accounts["a"] = row("a")
    rest = FxSocketExecution(upstream.config, connect_s=1.5, total_s=1.5, lines=request.param)
    await rest.open()
    await aeventually(lambda: rest.lines_ready == request.param)
    yield rest
    await rest.close()


FAILED = {"id": "pos_3", "success": False, "retcode": 10018, "retcode_description": "Market closed"}
ANSWERS: list[tuple[int, dict[str, str], Any, ActionStatus, str]] = [
    (200, {}, {"requested": 2, "closed": 2, "failed": 0, "results": []}, ActionStatus.DONE, ""),
    (200, {}, {"data": {"requested": 0, "closed": 0, "failed": 0, "results": []}}, ActionStatus.DONE, ""),
    (200, {}, {"requested": 3, "closed": 2, "failed": 1, "results": [FAILED]}, ActionStatus.PARTIAL, "10018"),
    (200, {}, {"requested": 3, "closed": 3, "failed": 0, "results": [FAILED]}, ActionStatus.PARTIAL, "10018"),
    (202, {}, {"requested": 3, "closed": 1}, ActionStatus.PARTIAL, ""),
    (200, {}, {"success": False, "retcode": 10017}, ActionStatus.REJECTED, "10017"),
    (200, {}, {"retcode": 10025}, ActionStatus.NO_CHANGE, "10025"),
    (200, {}, {"retcode": 10010}, ActionStatus.PARTIAL, "10010"),
    (200, {}, "<html>", ActionStatus.UNKNOWN, "bad_body"),
    (409, {}, {"error": "already_closed"}, ActionStatus.NO_CHANGE, "already_closed"),
    (409, {}, {"error": "idempotency_in_flight"}, ActionStatus.RETRY, "idempotency_in_flight"),
    (404, {}, {"error": "not_found"}, ActionStatus.REJECTED, "not_found"),
    (401, {}, {"error": "unauthorized"}, ActionStatus.REJECTED, "unauthorized"),
    (422, {}, {"error": "validation_error", "detail": {"reason": "closed"}}, ActionStatus.REJECTED, "closed"),
    (423, {}, {"error": "account_locked"}, ActionStatus.REJECTED, "account_locked"),
    (422, {}, {"error": "no\0\nword"}, ActionStatus.REJECTED, "no??word"),
    (429, {"Retry-After": "3"}, {"error": "rate_limited"}, ActionStatus.RETRY, "rate_limited"),
    (503, {}, {"error": "terminal_not_ready"}, ActionStatus.RETRY, "terminal_not_ready"),
    (502, {}, "", ActionStatus.UNKNOWN, "http_502"),
    (504, {}, {"error": "MRPC_TIMEOUT"}, ActionStatus.UNKNOWN, "MRPC_TIMEOUT"),
    (307, {"Location": "http://127.0.0.1:1/"}, "", ActionStatus.REJECTED, "http_307"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "headers", "reply", "meaning", "code"), ANSWERS)
async def test_what_an_answer_to_close_all_means(
    upstream: FakeUpstream,
    execution: FxSocketExecution,
    status: int,
    headers: dict[str, str],
    reply: Any,
    meaning: ActionStatus,
    code: str,
) -> None:
    upstream.answers["accounts/a/close-all"].append((status, headers, reply))
    result = await execution.close_all("a", idempotency_key="k1")
    assert (result.status, result.code, result.http_status) == (meaning, code, status)
    assert result.retry_after == (3.0 if status == 429 else None)
    assert upstream.asked("accounts/a/close-all") == 1, "nothing is sent twice by itself"


async def test_every_command_carries_key_and_idempotency_key(
    upstream: FakeUpstream, execution: FxSocketExecution
) -> None:
    await execution.close_all("a", idempotency_key="e7-1")
    await execution.close_position("a", "pos_1", 0.5, idempotency_key="e7-2")
    until = datetime(2026, 11, 20, 23, tzinfo=UTC)
    await execution.lock("a", reason="event 7", until=until)
    await execution.unlock("a", reason="event 7 undone")
    commands = [one for one in upstream.requests if one[0] == "POST"]
    assert [(path, body) for _, path, _, body in commands] == [
        ("accounts/a/close-all", {"delete_pending": True}),
        ("accounts/a/positions/pos_1/close", {"volume": 0.5}),
        ("accounts/a/lock", {"reason": "event 7", "until": "2026-11-20T23:00:00.000Z"}),
        ("accounts/a/unlock", {"reason": "event 7 undone"}),
    ]
    keys = [headers["Idempotency-Key"] for _, _, headers, _ in commands]
    assert keys[:2] == ["e7-1", "e7-2"]
    assert len(set(keys)) == 4
    assert {headers["Authorization"] for _, _, headers, _ in commands} == {f"Bearer {KEY}"}


async def test_an_id_cannot_leave_its_place_in_the_path(upstream: FakeUpstream, execution: FxSocketExecution) -> None:
    await execution.close_all("a/../b?x=1#", idempotency_key="k")
    assert upstream.requests[-1][1].startswith("accounts/a%2F..%2Fb%3Fx%3D1%23/")


async def test_an_answer_that_does_not_come_is_unknown(upstream: FakeUpstream, execution: FxSocketExecution) -> None:
    upstream.hold["accounts/a/close-all"] = asyncio.Event()
    result = await execution.close_all("a", idempotency_key="k")
    upstream.hold["accounts/a/close-all"].set()
    assert (result.status, result.code) == (ActionStatus.UNKNOWN, "no_answer")


async def test_a_connection_that_breaks_after_sending_is_unknown(
    upstream: FakeUpstream, execution: FxSocketExecution
) -> None:
    upstream.answers["accounts/a/close-all"].append((0, {}, ""))
    result = await execution.close_all("a", idempotency_key="k")
    assert result.status is ActionStatus.UNKNOWN
    assert upstream.asked("accounts/a/close-all") == 1


async def test_an_upstream_that_is_not_there_is_a_retry(upstream: FakeUpstream) -> None:
    config = upstream.config
    await upstream.stop()
    rest = FxSocketExecution(config)
    result = await rest.close_all("a", idempotency_key="k")
    await rest.close()
    assert (result.status, result.code) == (ActionStatus.RETRY, "unreachable")
    assert KEY not in repr(result) + repr(config)


async def test_a_reading_has_positions_lock_and_number(upstream: FakeUpstream, execution: FxSocketExecution) -> None:
    upstream.accounts["a"] |= {"open_positions": 1, "locked": True, "lock_reason": "event 7", "login": 70001}
    upstream.positions["a"] = [position(1)]
    truth = await execution.read_account("a")
    assert (truth.seq, truth.locked, truth.lock_reason, truth.login) == (10, True, "event 7", "70001")
    assert [one.id for one in truth.positions] == ["pos_1"]


async def test_a_bare_upstream_without_our_extensions_is_read(
    upstream: FakeUpstream, execution: FxSocketExecution
) -> None:
    bare = [{"id": "x", "login": 7, "balance": 5.0, "equity": 4.5, "last_updated": "2026-11-20T10:00:00Z"}]
    upstream.answers["accounts"].append((200, {}, bare))
    (account,) = await execution.list_accounts()
    assert (account.account_id, account.login, account.seq, account.locked) == ("x", "7", None, False)
    assert account.ts == datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "permanent"), [(404, True), (401, True), (403, True), (429, False), (503, False), (504, False)]
)
async def test_a_failed_reading_says_whether_asking_again_helps(
    upstream: FakeUpstream, execution: FxSocketExecution, status: int, permanent: bool
) -> None:
    upstream.answers["accounts/a"].append((status, {"Retry-After": "2"}, {"error": "why"}))
    with pytest.raises(UpstreamError, match=f"HTTP {status} why") as caught:
        await execution.read_account("a")
    assert (caught.value.permanent, caught.value.status, caught.value.retry_after) == (permanent, status, 2.0)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [[position(1, volume=-1.0)], [position(1, type="HOLD")], [{"id": "p"}], ["p"]],
)
async def test_positions_that_cannot_be_trusted_are_no_truth(
    upstream: FakeUpstream, execution: FxSocketExecution, bad: list[Any]
) -> None:
    upstream.positions["a"] = bad
    with pytest.raises(UpstreamError):
        await execution.read_account("a")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("last_updated", "2090-01-01T00:00:00Z", "future_time"),
        ("last_updated", "0001-01-01T00:00:00Z", "bad_time"),
        ("locked_until", "9999-12-31T23:59:59-23:59", "bad_time"),
        ("open_positions", 1 << 70, "out_of_range"),
    ],
)
async def test_a_reading_that_no_day_could_follow_is_no_truth(
    upstream: FakeUpstream, execution: FxSocketExecution, field: str, value: Any, reason: str
) -> None:
    upstream.accounts["a"] = row("a") | {field: value}
    with pytest.raises(UpstreamError, match=f"{reason}: .*{field}"):
        await execution.read_account("a")
    assert await execution.list_accounts() == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("2.5", 2.5),
        ("86400", 300),
        ("inf", 300),
        ("nan", None),
        ("-1", None),
        ("soon", None),
        ("Fri, 20 Nov 2026 10:00:07 GMT", 7),
        ("Fri, 20 Nov 2026 09:00:00 GMT", 0),
        ("Sun, 20 Nov 2033 10:00:00 GMT", 300),
        ("Fri, 20 Nov 99999 10:00:07 GMT", None),
    ],
)
def test_when_to_ask_again_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, datetime(2026, 11, 20, 10, tzinfo=UTC)) == seconds


async def test_warm_connections_are_there_before_they_are_needed(
    upstream: FakeUpstream, execution: FxSocketExecution
) -> None:
    assert await execution.warm(3) == 3
    assert upstream.asked("healthz") == 3


async def test_warming_an_upstream_that_is_down_is_no_failure() -> None:
    rest = FxSocketExecution(UpstreamConfig("fxsocket", "http://127.0.0.1:9/v1", "ws://127.0.0.1:9/v1/stream", KEY))
    assert await rest.warm(2) == 0
    await rest.close()


async def test_a_key_cannot_add_a_header(upstream: FakeUpstream, execution: FxSocketExecution) -> None:
    await execution.close_all("a", idempotency_key="acc_1:c1\r\nX-Evil: 1\u00e9")
    headers = upstream.requests[-1][2]
    assert headers["Idempotency-Key"] == "acc_1:c1%0D%0AX-Evil:%201%C3%A9"
    assert "X-Evil" not in headers


async def test_risk_rules_are_read_and_put(upstream: FakeUpstream, execution: FxSocketExecution) -> None:
    there = {"max_lot_size": 2.0, "version": 4}
    upstream.answers["accounts/a/risk-rules"].append((200, {}, {"data": there, **there}))
    assert (await execution.read_risk_rules("a"))["max_lot_size"] == 2.0
    for status, meaning in ((200, ActionStatus.DONE), (422, ActionStatus.REJECTED), (429, ActionStatus.RETRY)):
        upstream.answers["accounts/a/risk-rules"].append((status, {"Retry-After": "7"}, {}))
        result = await execution.put_risk_rules("a", {"max_lot_size": 3.0})
        assert (result.status, result.retry_after) == (meaning, None if status == 200 else 7.0)
    method, path, _, body = upstream.requests[-1]
    assert (method, path, body) == ("PUT", "accounts/a/risk-rules", {"max_lot_size": 3.0})


async def test_symbols_are_listed_page_by_page(upstream: FakeUpstream, execution: FxSocketExecution) -> None:
    page = {"data": [{"name": "EURUSD"}, {"symbol": "XAUUSD.r"}], "pagination": {"next_cursor": "2", "has_more": True}}
    upstream.answers["symbols"] += [(200, {}, page), (200, {}, ["US30", {"digits": 2}])]
    assert await execution.list_symbols() == ["EURUSD", "XAUUSD.r", "US30"]

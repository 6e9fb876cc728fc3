"""The feed on real sockets: truth after every connect and gap, bad frames counted, dead links noticed."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest

from monitoring.engine.messages import AccountLifecycle, AccountNotice, ConnectionLost, Link, PositionOpened
from monitoring.upstream.base import FeedHealth
from tests.monitoring.upstream.fxsocket.conftest import running
from tests.monitoring.upstream.fxsocket.fake import KEY, FakeUpstream, now_text, position, row, update
from tests.waiting import aeventually


async def test_every_account_is_read_after_the_connect(upstream: FakeUpstream, library: str) -> None:
    upstream.page_size = 2
    for name in ("a", "b", "c", "d", "e"):
        upstream.accounts[name] = row(name)
    upstream.accounts["b"] |= {"open_positions": 1, "locked": True, "lock_reason": "event 7"}
    upstream.positions["b"] = [position(1, type="Sell")]
    async with running(upstream) as desk:
        await aeventually(lambda: {one for one in "abcde" if desk.resyncs(one)} == set("abcde"))
        truth = desk.resyncs("b")[0]
        assert [(one.id, one.type) for one in truth.positions] == [("pos_1", "SELL")]
        assert (truth.locked, truth.lock_reason, truth.seq, truth.login) == (True, "event 7", 10, "70001")
        assert desk.states() == ["connecting", "connected"]
        assert upstream.asked("accounts") == 3
        assert upstream.asked("accounts/a/positions") == 0, "a flat account has nothing to read"
        assert upstream.upgrades[0].headers["Authorization"] == f"Bearer {KEY}"
        assert upstream.upgrades[0].query["accounts"] == "all"


async def test_frames_are_delivered_in_order_with_health(upstream: FakeUpstream, library: str) -> None:
    upstream.accounts["a"] = row("a")
    async with running(upstream) as desk:
        await aeventually(lambda: desk.resyncs("a"))
        for seq in range(11, 61):
            await upstream.send(update("a", seq))
        await aeventually(lambda: len(desk.updates("a")) == 50)
        assert [one.seq for one in desk.updates("a")] == list(range(11, 61))
        health = desk.feed.health
        assert (health.state, health.frames, health.connects) == ("connected", 50, 1)
        assert health.bytes > 50 * 100
        assert health.last_frame_at is not None
        assert health.lag_s is not None
        assert -1 < health.lag_s < 5


async def test_a_breach_does_not_wait_for_the_resync_and_the_reading_is_brought_up_to_date(
    upstream: FakeUpstream,
) -> None:
    upstream.accounts["a"] = row("a", open_positions=1)
    upstream.positions["a"] = [position(1)]
    gate = upstream.hold["accounts/a/positions"] = asyncio.Event()
    async with running(upstream) as desk:
        await aeventually(lambda: upstream.asked("accounts/a/positions"))
        opened = {"type": "position_open", "seq": 11, "ts": now_text(), "account_id": "a", "data": position(2)}
        await upstream.send(opened)
        await upstream.send(update("a", 12, 94000.0, open_positions=2))
        await aeventually(lambda: desk.updates("a"), what="the frame is delivered while the reading is under way")
        assert not desk.resyncs("a")
        gate.set()
        await aeventually(lambda: desk.resyncs("a"))
        truth = desk.resyncs("a")[0]
        assert (truth.seq, truth.data.equity) == (12, 94000.0)
        assert {one.id for one in truth.positions} == {"pos_1", "pos_2"}


async def test_a_frame_missing_during_the_reading_makes_it_read_again(upstream: FakeUpstream) -> None:
    upstream.accounts["a"] = row("a", open_positions=1)
    upstream.positions["a"] = [position(1)]
    gate = upstream.hold["accounts/a/positions"] = asyncio.Event()
    async with running(upstream) as desk:
        await aeventually(lambda: upstream.asked("accounts/a/positions"))
        await upstream.send(update("a", 13))
        await aeventually(lambda: desk.updates("a"))
        upstream.accounts["a"] |= {"seq": 13}
        gate.set()
        await aeventually(lambda: desk.resyncs("a"))
        assert desk.resyncs("a")[0].seq == 13
        assert upstream.asked("accounts/a") == 1


async def test_many_requests_for_one_account_become_few_readings(upstream: FakeUpstream) -> None:
    upstream.accounts["a"] = row("a")
    async with running(upstream) as desk:
        await aeventually(lambda: desk.resyncs("a"))
        for _ in range(500):
            desk.feed.request_resync("a")
        await aeventually(lambda: len(desk.resyncs("a")) >= 2)
        assert upstream.asked("accounts/a") == 1


async def test_bad_frames_are_refused_and_counted_and_the_stream_goes_on(upstream: FakeUpstream, library: str) -> None:
    upstream.accounts["a"] = row("a")
    good = json.dumps(update("a", 11))
    bad = {
        "bad_json": good[:-3],
        "not_finite": good.replace("100000.0", "NaN"),
        "missing_field": good.replace('"balance"', '"balans"'),
        "wrong_type": good.replace("100000.0", '"much"'),
        "unknown_type": good.replace("account_update", "account_hug"),
        "naive_time": good.replace('Z"', '"'),
        "unknown_currency": good.replace("USD", "QQQ"),
    }
    async with running(upstream) as desk:
        await aeventually(lambda: desk.resyncs("a"))
        for text in list(bad.values()) * 100:
            await upstream.send(text)
        await upstream.send(update("a", 12))
        await aeventually(lambda: desk.updates("a"))
        assert desk.feed.health.refusals == dict.fromkeys(bad, 100)
        assert desk.feed.health.connects == 1
        assert len(desk.refused) == 700
        assert {one.account_id for one in desk.refused} == {"a"}
        assert desk.feed.health.last_refusal.startswith("unknown_currency: ")
        await aeventually(lambda: len(desk.resyncs("a")) >= 2, what="a refused frame makes the account be read again")
        assert upstream.asked("accounts/a") <= 3, "a storm of bad frames is no storm of readings"


async def test_a_ten_megabyte_frame_is_refused_and_the_stream_goes_on(upstream: FakeUpstream, library: str) -> None:
    upstream.accounts["a"] = row("a")
    async with running(upstream) as desk:
        await aeventually(lambda: desk.resyncs("a"))
        await upstream.send(json.dumps(update("a", 11) | {"padding": "x" * 10_000_000}))
        await upstream.send(update("a", 12))
        await aeventually(lambda: desk.updates("a"))
        assert desk.feed.health.refusals == {"too_large": 1}
        assert desk.feed.health.connects == 1
        assert desk.refused[0].account_id == "a"


async def test_a_frame_over_the_largest_ends_the_socket_and_is_counted(
    upstream: FakeUpstream, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"monitoring.upstream.fxsocket.stream_{library}.LARGEST_FRAME", 2_000_000)
    upstream.accounts["a"] = row("a")
    async with running(upstream) as desk:
        await aeventually(lambda: desk.resyncs("a"))
        await upstream.send("x" * 3_000_000)
        await aeventually(lambda: desk.feed.health.connects == 2 and len(desk.resyncs("a")) == 2)
        assert desk.feed.health.refusals == {"too_large": 1}, [str(one) for one in desk.refused]


async def test_fragments_are_put_together(upstream: FakeUpstream, library: str) -> None:
    upstream.accounts["a"] = row("a")
    async with running(upstream) as desk:
        await aeventually(lambda: desk.resyncs("a"))
        text = json.dumps(update("a", 11)).encode()
        writer = upstream.sockets[-1]._writer
        assert writer is not None
        assert writer.transport is not None
        for head, part in ((0x01, text[:40]), (0x00, text[40:80]), (0x80, text[80:])):
            length = bytes([len(part)]) if len(part) < 126 else bytes([126]) + len(part).to_bytes(2)
            writer.transport.write(bytes([head]) + length + part)
        await aeventually(lambda: desk.updates("a"))
        assert desk.feed.health.refusals == {}


@pytest.mark.parametrize("code", [None, 1012, 1001, 4429])
async def test_a_dropped_socket_comes_back_with_the_truth(
    upstream: FakeUpstream, library: str, code: int | None
) -> None:
    upstream.accounts["a"] = row("a")
    async with running(upstream) as desk:
        await aeventually(lambda: desk.resyncs("a"))
        await upstream.drop(code)
        upstream.accounts["a"] |= {"balance": 90000.0, "equity": 90000.0, "seq": 40}
        await aeventually(lambda: len(desk.resyncs("a")) == 2)
        assert desk.resyncs("a")[1].data.balance == 90000.0
        assert desk.states() == ["connecting", "connected", "disconnected", "connected"]


async def test_a_half_open_socket_is_noticed(upstream: FakeUpstream, library: str) -> None:
    upstream.accounts["a"] = row("a")
    upstream.answers_pings = False
    async with running(upstream) as desk:
        await aeventually(lambda: desk.feed.health.connects >= 2, what="silence ends the connection")
        assert "nothing arrived" in next(link.reason for link in desk.of(Link) if link.state == "disconnected")


async def test_pongs_alone_keep_a_quiet_link_alive(upstream: FakeUpstream, library: str) -> None:
    async with running(upstream) as desk:
        await aeventually(lambda: sum(link.state == "alive" for link in desk.of(Link)) >= 8)
        assert desk.feed.health.connects == 1


async def test_a_refused_key_is_said_and_tried_slowly(upstream: FakeUpstream, library: str) -> None:
    upstream.refuse_upgrade = (401, {}, {"error": "unauthorized"})
    async with running(upstream) as desk:
        await aeventually(lambda: "auth_failed" in desk.states())
        health = desk.feed.health
        assert health.state == "auth_failed"
        assert health.next_attempt_at is not None
        assert health.since is not None
        assert (health.next_attempt_at - health.since).total_seconds() > 20
        assert KEY not in health.reason + repr(desk.feed.__dict__["health"])


async def test_a_key_that_expires_on_the_open_socket_is_said_too(upstream: FakeUpstream, library: str) -> None:
    async with running(upstream) as desk:
        await aeventually(lambda: upstream.sockets)
        await upstream.drop(4401)
        await aeventually(lambda: desk.states()[-1] == "auth_failed")
        assert "4401" in desk.feed.health.reason


def wait_of(health: FeedHealth) -> float | None:
    """Seconds to the next attempt, where one is due."""
    due = health.next_attempt_at
    return None if due is None else (due - datetime.now(UTC)).total_seconds()


async def test_an_upstream_that_is_down_is_knocked_at_until_it_is_up(upstream: FakeUpstream, library: str) -> None:
    upstream.accounts["a"] = row("a")
    await upstream.stop()
    async with running(upstream) as desk:
        await aeventually(lambda: desk.feed.health.state == "disconnected")
        await upstream.start()
        await aeventually(lambda: desk.resyncs("a"))


@pytest.mark.parametrize("how", ["Retry-After: 0", "restarts again and again"])
async def test_no_answer_makes_it_knock_without_pause(upstream: FakeUpstream, library: str, how: str) -> None:
    if how.startswith("Retry-After"):
        upstream.refuse_upgrade = (503, {"Retry-After": "0"}, {"error": "terminal_not_ready"})
    else:
        upstream.close_with = 1012
    async with running(upstream, chance=lambda: 0.9) as desk:
        await aeventually(lambda: (wait_of(desk.feed.health) or 0) > 0.6, what="the pauses grow")
        assert len(upstream.upgrades) <= 4


async def test_an_upstream_that_hangs_up_at_once_is_knocked_at_again(library: str) -> None:
    calls: list[asyncio.StreamWriter] = []

    def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(writer)
        writer.close()

    upstream = FakeUpstream()
    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    async with server, running(upstream) as desk:
        await aeventually(lambda: desk.feed.health.state == "disconnected" and len(calls) > 4)
        assert desk.task is not None
        assert not desk.task.done()


async def test_retry_after_is_obeyed(upstream: FakeUpstream) -> None:
    upstream.accounts["a"] = row("a", open_positions=1)
    upstream.answers["accounts/a/positions"].append((429, {"Retry-After": "1"}, {"error": "rate_limited"}))
    async with running(upstream) as desk:
        await aeventually(lambda: desk.resyncs("a"))
        refused, answered = upstream.asked_at("accounts/a/positions")
        assert answered - refused >= 1.0


async def test_a_listing_that_fails_is_tried_again(upstream: FakeUpstream) -> None:
    upstream.accounts["a"] = row("a")
    upstream.answers["accounts"].extend([(503, {}, ""), (200, {}, "{oops"), (0, {}, "")])
    async with running(upstream) as desk:
        await aeventually(lambda: desk.resyncs("a"))
        assert upstream.asked("accounts") == 4


async def test_a_bad_row_of_the_listing_costs_itself_only(upstream: FakeUpstream) -> None:
    upstream.accounts["bad"] = row("bad", equity=90000.0)
    upstream.accounts["good"] = row("good")
    async with running(upstream) as desk:
        await aeventually(lambda: desk.resyncs("good"))
        assert not desk.resyncs("bad")
        assert [(one.reason, one.account_id) for one in desk.refused] == [("inconsistent", "bad")]


async def test_an_account_that_is_gone_after_a_reconnect_is_lost_not_fresh(upstream: FakeUpstream) -> None:
    upstream.accounts |= {"a": row("a"), "b": row("b")}
    async with running(upstream) as desk:
        await aeventually(lambda: desk.resyncs("a") and desk.resyncs("b"))
        del upstream.accounts["b"]
        await upstream.drop()
        await aeventually(lambda: [one.account_id for one in desk.of(ConnectionLost)] == ["b"])
        assert len(desk.resyncs("a")) == 2


async def test_dropped_frames_make_everything_be_read_again(upstream: FakeUpstream) -> None:
    upstream.accounts["a"] = row("a")
    async with running(upstream) as desk:
        await aeventually(lambda: desk.resyncs("a"))
        await upstream.send({"type": "warning", "dropped": 7})
        await aeventually(lambda: desk.feed.health.dropped == 7)
        await aeventually(lambda: len(desk.resyncs("a")) == 2)


async def test_a_new_account_is_read_when_the_upstream_tells_of_it(upstream: FakeUpstream) -> None:
    async with running(upstream) as desk:
        await aeventually(lambda: desk.feed.health.resyncs == 1)
        upstream.accounts["n"] = row("n")
        born = {"type": "account_lifecycle", "seq": 1, "ts": now_text(), "account_id": "n", "data": {"login": 7}}
        await upstream.send(born)
        await aeventually(lambda: desk.resyncs("n"))
        assert desk.of(AccountLifecycle)[0].data.login == 7


async def test_a_frame_that_moves_nothing_still_takes_its_number(upstream: FakeUpstream) -> None:
    upstream.accounts["a"] = row("a")
    async with running(upstream) as desk:
        await aeventually(lambda: desk.resyncs("a"))
        await upstream.send(
            {"type": "rule_breach", "seq": 11, "ts": now_text(), "account_id": "a", "data": {"rule": "x"}}
        )
        await aeventually(lambda: [(one.kind, one.seq) for one in desk.of(AccountNotice)] == [("rule_breach", 11)])


async def test_aliases_carry_the_same_event(upstream: FakeUpstream) -> None:
    async with running(upstream) as desk:
        await aeventually(lambda: desk.feed.health.resyncs == 1)
        opened = {"seq": 1, "event_id": "e_9", "ts": now_text(), "account_id": "a", "data": position(3)}
        await upstream.send(opened | {"type": "position_open"})
        await upstream.send(opened | {"type": "order_opened"})
        await aeventually(lambda: len(desk.of(PositionOpened)) == 2)
        assert {one.event_id for one in desk.of(PositionOpened)} == {"e_9"}


async def test_a_frame_from_the_far_future_is_refused(upstream: FakeUpstream) -> None:
    async with running(upstream) as desk:
        await aeventually(lambda: desk.feed.health.resyncs == 1)
        await upstream.send(update("a", 1) | {"ts": "2090-01-01T00:00:00Z"})
        await aeventually(lambda: desk.feed.health.refusals == {"future_time": 1})


async def test_what_deliver_raises_ends_the_feed(upstream: FakeUpstream, library: str) -> None:
    async with running(upstream) as desk:
        await aeventually(lambda: desk.feed.health.resyncs == 1)
        desk.broken = LookupError("a bug")
        await upstream.send(update("a", 1, profit=0.0))
        assert desk.task is not None
        await aeventually(desk.task.done)
        assert isinstance(desk.task.exception(), LookupError)


async def test_no_log_shows_the_key_at_any_level(
    upstream: FakeUpstream, library: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    upstream.accounts["acc_1"] = row("acc_1")
    async with running(upstream) as desk:
        await aeventually(lambda: desk.resyncs("acc_1"), what="connected and read")
        await upstream.drop()
        await aeventually(lambda: desk.feed.health.connects == 2, what="and once more")
        await desk.execution.close_all("acc_1", idempotency_key="k")
    assert upstream.config.key not in caplog.text

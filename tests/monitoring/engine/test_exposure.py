"""Lots, positions and symbols: told once, at the limit not at all, and closed newest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.engine.events import Event
from monitoring.engine.messages import Market, Position, PositionModified, Resync
from tests.monitoring.engine.conftest import T0, Desk, kinds
from tests.monitoring.engine.trade import close_position, desk_of, open_position

EACH: dict[str, Any] = {"rule": "max_lots_per_position", "lots": "10"}
TOTAL: dict[str, Any] = {"rule": "max_lots_total", "lots": "30", "count": "gross"}
NUMBER: dict[str, Any] = {"rule": "max_positions", "positions": 2}
SYMBOLS: dict[str, Any] = {"rule": "symbols", "allow": ["EURUSD"], "deny": ["BTCUSD"]}


def watched(*rules: dict[str, Any], **changes: Any) -> Desk:
    desk = desk_of(*rules, **changes)
    desk.update(100000)
    return desk


def modify(desk: Desk, name: str, volume: float) -> Sequence[Event]:
    desk.now += desk.now.resolution
    desk.seq += 1
    data = Position(id=name, symbol="EURUSD", type="BUY", volume=volume)
    return desk.send(PositionModified(account_id="acc_1", ts=desk.now, seq=desk.seq, data=data))


def reading(desk: Desk, *positions: Position) -> Sequence[Event]:
    desk.now += desk.now.resolution
    figures = desk.account.figures
    assert figures is not None
    return desk.send(
        Resync(account_id="acc_1", ts=desk.now, data=figures, positions=positions, seq=desk.account.last_seq)
    )


def test_a_position_above_the_limit_is_told_once_until_it_came_down() -> None:
    desk = watched(EACH)
    assert not open_position(desk, "p1", volume=10)
    (event,) = open_position(desk, "p2", volume=10.00000001)
    assert (event.event, event.rule, event.consequence, event.positions) == (
        "violated", "max_lots_per_position", "flag", ("p2",),
    )  # fmt: skip
    assert event.key == "acc_1:c1:1:violated:p2.1"
    assert event.reason == "position p2 has 10.00000001 lots of EURUSD: 10.00 are allowed in one position"
    assert not modify(desk, "p2", 11)
    assert not modify(desk, "p2", 10)
    (again,) = modify(desk, "p2", 12)
    assert again.key == "acc_1:c1:1:violated:p2.2"


def test_the_total_is_an_episode_that_ends_silently() -> None:
    desk = watched(TOTAL)
    assert not open_position(desk, "p1", volume=30)
    (event,) = open_position(desk, "p2", volume=0.01)
    assert (event.key, event.positions) == ("acc_1:c1:1:violated:1", ("p2",))
    assert "30.01 lots are open in all open positions: 30.00 are allowed" in event.reason
    assert not open_position(desk, "p3", volume=5)
    assert not close_position(desk, "p3")
    assert not close_position(desk, "p2")
    assert [event.key for event in open_position(desk, "p4", volume=1)] == ["acc_1:c1:1:violated:2"]


def test_hedged_legs_of_one_base_name_net_each_other() -> None:
    desk = watched(TOTAL | {"count": "net"})
    desk.send(Market(ts=T0, revision="r1", symbols={"weird": "EURUSD"}))
    assert kinds(open_position(desk, "p1", volume=40, type="BUY", symbol="EURUSD.r")) == ["violated"]
    assert not close_position(desk, "p1")
    for name, symbol, side in (("p2", "EURUSDm", "BUY"), ("p3", "weird", "SELL"), ("p4", "?1", "BUY")):
        assert not open_position(desk, name, volume=30, type=side, symbol=symbol)
    assert kinds(open_position(desk, "p5", volume=0.01, symbol="?2", type="BUY")) == ["violated"]


def test_close_takes_the_newest_positions_and_goes_on_with_what_comes_on_top() -> None:
    desk = watched(NUMBER | {"consequence": "close"})
    for name in ("p1", "p2"):
        open_position(desk, name)
    (event,) = open_position(desk, "p3")
    assert (event.consequence, event.positions) == ("close", ("p3",))
    assert desk.account.state.closing == {"p3": event.key}
    assert not open_position(desk, "p4"), "the episode was told"
    assert desk.account.state.closing == {"p3": event.key, "p4": event.key}
    close_position(desk, "p4")
    close_position(desk, "p3")
    assert desk.account.state.closing == {}


def test_a_denied_symbol_violates_whatever_is_allowed() -> None:
    desk = watched({"rule": "symbols", "allow": ["BTCUSD", "EURUSD"], "deny": ["BTCUSD"]})
    assert not open_position(desk, "p1", symbol="EURUSD.pro")
    (denied,) = open_position(desk, "p2", symbol="BTCUSDm")
    assert denied.reason == "position p2 is of BTCUSDm: BTCUSD is denied"
    (foreign,) = open_position(desk, "p3", symbol="GBPUSD")
    assert foreign.reason == "position p3 is of GBPUSD: GBPUSD is not among the symbols that are allowed"
    assert not modify(desk, "p3", 2)


def test_an_opening_that_a_closing_in_part_told_is_not_told_again() -> None:
    desk = watched({"rule": "symbols", "deny": ["EURUSD"]}, {"rule": "stop_loss_required", "within_seconds": 1})
    (told,) = close_position(desk, "p1", left=0.5, opened=desk.now)
    assert (told.rule, told.positions) == ("symbols", ("p1",))
    assert not modify(desk, "p1", 0.5)
    assert not desk.tick(3600)


def test_a_name_that_cannot_be_normalised_is_told_once_and_is_no_breach() -> None:
    desk = watched(SYMBOLS)
    (refused,) = open_position(desk, "p1", symbol="Quux")
    assert (refused.event, refused.rule, refused.key) == ("refused", "symbols", "acc_1:c1:1:refused:Quux")
    assert not open_position(desk, "p2", symbol="Quux")
    assert desk.snapshot.unknown_symbols == {"Quux"}
    desk.send(Market(ts=desk.now, revision="r1", symbols={"Quux": "BTCUSD"}))
    assert desk.snapshot.unknown_symbols == set()
    assert kinds(open_position(desk, "p3", symbol="Quux")) == ["violated"]
    desk.send(Market(ts=desk.now, revision="r2"))
    assert desk.snapshot.unknown_symbols == {"Quux"}, "the table has forgotten it"


def test_what_was_open_before_the_challenge_is_judged_by_what_it_is() -> None:
    desk = desk_of(EACH, SYMBOLS, {"rule": "stop_loss_required", "within_seconds": 1})
    old = Position(id="p1", symbol="BTCUSD", type="BUY", volume=11, open_time=T0.replace(year=2025))
    desk.update(100000, open_positions=1)
    assert [event.rule for event in reading(desk, old)] == ["max_lots_per_position", "symbols"]
    assert not desk.tick(3600)


def test_positions_that_a_reading_shows_are_judged_as_any_others() -> None:
    desk = watched(NUMBER, {"rule": "trading_hours", "zone": "UTC", "windows": [
        {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "00:00", "to": "09:00"}]})  # fmt: skip
    shown = [
        Position(id=f"p{n}", symbol="EURUSD", type="BUY", volume=1, open_time=desk.now.replace(microsecond=n))
        for n in range(3)
    ]
    events = reading(desk, *shown)
    assert [(event.rule, event.positions) for event in events] == [
        ("max_positions", ("p2",)), ("trading_hours", ("p0",)), ("trading_hours", ("p1",)), ("trading_hours", ("p2",)),
    ]  # fmt: skip
    assert not reading(desk, *shown)
    assert not reading(desk)
    assert not reading(desk, shown[0]), "a reading that crossed with its closing brings no new position"


@pytest.mark.parametrize("rule", [EACH, NUMBER, TOTAL])
def test_an_update_changes_no_position(rule: dict[str, Any]) -> None:
    desk = watched(rule)
    assert not desk.update(100000, open_positions=50)


def test_stale_data_is_judged_once_it_is_fresh_again() -> None:
    desk = watched(EACH, stale_after=30)
    assert kinds(desk.tick(31)) == ["stale"]
    assert not open_position(desk, "p1", volume=11)
    assert kinds(desk.update(100000)) == ["fresh", "violated"]


@pytest.mark.parametrize("volume", [float("inf"), float("nan")])
def test_lots_that_are_no_number_are_refused(volume: float) -> None:
    desk = watched(EACH)
    assert kinds(open_position(desk, "p1", volume=volume)) == ["refused"]
    assert desk.account.positions == {}
    assert kinds(reading(desk, Position(id="p1", symbol="EURUSD", type="BUY", volume=volume))) == []
    assert desk.snapshot.counts.refused == {"not_finite": 2}


def test_an_opening_time_that_cannot_be_one_is_the_time_of_the_frame() -> None:
    desk = watched({"rule": "stop_loss_required", "within_seconds": 60})
    for name, year in (("p1", 1), ("p2", 9999)):
        open_position(desk, name, opened=datetime(year, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))
    assert [position.open_time for position in desk.account.positions.values()] == [
        desk.now - timedelta(seconds=1), desk.now,
    ]  # fmt: skip
    assert kinds(desk.tick(62)) == ["violated", "violated"]

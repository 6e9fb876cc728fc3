"""Hours, news, deadlines and stops: each side of every boundary, at the deal's own time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.engine.events import Event
from monitoring.engine.messages import (
    ClosedPosition,
    Holiday,
    Market,
    NewsEvent,
    Position,
    PositionClosed,
    PositionModified,
)
from tests.monitoring.engine.conftest import T0, Desk, kinds
from tests.monitoring.engine.trade import close_position, desk_of, go, open_position

HOURS: dict[str, Any] = {"rule": "trading_hours", "zone": "Europe/Prague", "windows": [
    {"days": ["wed"], "from": "08:00", "to": "12:00"}]}  # fmt: skip
NEWS: dict[str, Any] = {"rule": "news_window", "before_minutes": 2, "after_minutes": 2}
STOP: dict[str, Any] = {"rule": "stop_loss_required", "within_seconds": 60}
FLAT: dict[str, Any] = {"rule": "flat_by", "day": "wed", "time": "21:55", "zone": "UTC", "warn_minutes": 30,
                        "consequence": "flag"}  # fmt: skip
NFP = datetime(2026, 6, 10, 12, 30, tzinfo=UTC)
PAYROLLS = NewsEvent(id="nfp", at=NFP, currency="USD", impact="high", title="Non-Farm Payrolls")


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-06-10T{clock}+00:00")


def watched(*rules: dict[str, Any], market: Market | None = None, **changes: Any) -> Desk:
    desk = desk_of(*rules, **changes)
    desk.update(100000)
    if market is not None:
        desk.send(market)
    return desk


def with_news(*events: NewsEvent, **changes: Any) -> Desk:
    return watched(NEWS | changes, market=Market(ts=T0, revision="r7", news=events))


def close(desk: Desk, name: str, closed: datetime, **more: Any) -> Sequence[Event]:
    desk.now = max(desk.now, closed)
    desk.seq += 1
    held = desk.account.positions[name]
    data = ClosedPosition(
        id=name, symbol=held.symbol, type="BUY", volume=1.0, close_time=closed, **{"reason": "client", **more}
    )
    return desk.send(PositionClosed(account_id="acc_1", ts=desk.now, seq=desk.seq, data=data))


# --- hours ---


@pytest.mark.parametrize(
    ("opened", "told"),
    [("06:00:00", 0), ("09:59:59.999", 0), ("10:00:00", 1), ("05:59:59.999", 1)],
    ids=["at the start", "before the end", "at the end", "before the start"],
)
def test_a_window_includes_its_start_and_not_its_end(opened: str, told: int) -> None:
    desk = desk_of(HOURS)
    go(desk, "2026-06-10T05:00:00+00:00")
    desk.update(100000)
    desk.now = at(opened)
    assert len(open_position(desk, "p1", opened=at(opened))) == told


def test_the_opening_time_counts_not_when_the_frame_came() -> None:
    desk = watched(HOURS | {"outside": "close"})
    desk.now = at("10:00:30")
    assert not open_position(desk, "p1", opened=at("09:59:59"))
    (event,) = open_position(desk, "p2", opened=at("10:00:01"))
    assert event.at == desk.now
    assert event.reason == (
        "position p2 of EURUSD was opened on Wednesday 2026-06-10 12:00:01 Europe/Prague, outside the trading hours"
    )
    assert desk.account.state.closing == {"p2": event.key}
    assert not close_position(desk, "p1"), "closings are free"


# --- news ---


@pytest.mark.parametrize(
    ("seconds", "told"), [(-120, 1), (120, 1), (-120.001, 0), (120.001, 0)], ids=["first", "last", "before", "after"]
)
def test_both_ends_of_the_news_window_belong_to_it(seconds: float, told: int) -> None:
    desk = with_news(PAYROLLS)
    desk.now = NFP + timedelta(seconds=150)
    events = open_position(desk, "p1", opened=NFP + timedelta(seconds=seconds), symbol="USDJPY")
    assert len(events) == told
    if told:
        assert events[0].revision == "r7"
        assert "USD Non-Farm Payrolls of 2026-06-10T12:30:00Z" in events[0].reason


@pytest.mark.parametrize(
    ("symbol", "scope", "told"),
    [("EURGBP", "currency", 0), ("US30.cash", "currency", 1), ("EURGBP", "all", 1), ("?", "all", 1),
     ("?", "currency", 0), ("EURUSD", "listed", 0), ("DE40", "listed", 1), ("DE40", "currency", 1)],
)  # fmt: skip
def test_whom_an_announcement_concerns(symbol: str, scope: str, told: int) -> None:
    listed = NewsEvent(id="n", at=NFP, currency="USD", impact="high", symbols=("DE40",))
    desk = with_news(listed, scope=scope)
    desk.now = NFP
    assert len(open_position(desk, "p1", symbol=symbol)) == told


def test_only_listed_impacts_count_and_a_deal_counts_once() -> None:
    medium = NewsEvent(id="m", at=NFP, currency="EUR", impact="medium")
    desk = with_news(
        PAYROLLS, medium, NewsEvent(id="n2", at=NFP + timedelta(seconds=60), currency="EUR", impact="high")
    )
    desk.now = NFP + timedelta(seconds=49)
    (event,) = open_position(desk, "p1")
    assert "10 s before EUR n2" in event.reason, "the nearest is named"


def test_a_closing_counts_unless_it_was_not_the_traders() -> None:
    desk = with_news(PAYROLLS)
    for name in ("p1", "p2", "p3", "p4", "p5"):
        open_position(desk, name)
    assert not close(desk, "p1", NFP, reason="risk_engine")
    assert not close(desk, "p2", NFP, reason="manual")
    assert not close(desk, "p3", NFP, reason="so")
    (stopped,) = close(desk, "p4", NFP, reason="sl")
    assert "was closed" in stopped.reason
    partly = [close(desk, "p5", NFP, remaining_volume=left)[0].key for left in (0.5, 0.0)]
    assert len({stopped.key, *partly}) == 3, "each part is a deal"


def test_a_closing_of_what_was_opened_long_before_is_free() -> None:
    desk = with_news(PAYROLLS, exempt_if_opened_before_hours=2)
    open_position(desk, "p1", opened=NFP - timedelta(hours=2))
    open_position(desk, "p2", opened=NFP - timedelta(hours=2) + timedelta(seconds=1))
    assert not close(desk, "p1", NFP)
    assert kinds(close(desk, "p2", NFP)) == ["violated"]


def test_the_calendar_as_it_is_known_then_judges() -> None:
    desk = with_news(PAYROLLS)
    later = NewsEvent(id="nfp", at=NFP + timedelta(hours=1), currency="USD", impact="high")
    desk.send(Market(ts=T0, revision="r8", news=(later,)))
    desk.now = NFP
    assert not open_position(desk, "p1")
    desk.now = later.at
    (event,) = open_position(desk, "p2")
    assert event.revision == "r8"


# --- deadlines ---


def test_a_deadline_warns_tells_and_minds_who_comes_later() -> None:
    desk = watched(FLAT)
    for name in ("p1", "p2"):
        open_position(desk, name)
    desk.now = at("21:24:58")
    desk.update(100000)
    (warned,) = desk.tick(5)
    assert (warned.event, warned.at, warned.rule) == ("warned", at("21:25:00"), "flat_by")
    assert warned.reason == "2 positions are open: the account must be flat by Wednesday 2026-06-10 21:55 UTC"
    close_position(desk, "p2")
    desk.now = at("21:54:58")
    desk.update(100000)
    (late,) = desk.tick(2)
    assert (late.event, late.at, late.positions) == ("violated", at("21:55:00"), ("p1",))
    (later,) = open_position(desk, "p3")
    assert (later.at, later.positions) == (desk.now, ("p3",))
    assert later.key != late.key
    desk.now = at("23:59:58")
    desk.update(100000)
    assert kinds(desk.tick(1)) == ["day_started"]
    assert not open_position(desk, "p4"), "after the midnight that ends the date"


def test_who_is_flat_hears_nothing_of_a_deadline() -> None:
    desk = watched(FLAT)
    desk.now = at("21:54:00")
    desk.update(100000)
    assert not desk.tick(120)
    assert kinds(open_position(desk, "p1")) == ["violated"]


def test_a_holiday_moves_the_deadline_and_an_early_close_ends_it() -> None:
    desk = watched(FLAT)
    open_position(desk, "p1")
    early = Holiday(day=T0.date(), closes="13:00", zone="America/New_York")
    desk.send(Market(ts=desk.now, revision="r9", holidays=(early,)))
    desk.now = at("16:29:58")
    desk.update(100000)
    (warned,) = desk.tick(2)
    assert (warned.at, warned.revision) == (at("16:30:00"), "r9")
    desk.now = at("16:59:58")
    desk.update(100000)
    assert [(event.event, event.at) for event in desk.tick(2)] == [("violated", at("17:00:00"))]


def test_a_deadline_that_turns_out_to_have_passed_is_judged_with_the_next_message() -> None:
    desk = watched(FLAT)
    open_position(desk, "p1")
    closed = Holiday(day=T0.date(), closes="08:00", zone="UTC")
    assert not desk.send(Market(ts=desk.now, revision="r9", holidays=(closed,)))
    (event,) = desk.update(100000)
    assert (event.event, event.at, event.positions) == ("violated", desk.now, ("p1",))


# --- stops ---


def set_stop(desk: Desk, name: str, stop: float | None, ts: datetime) -> Sequence[Event]:
    desk.now = ts
    desk.seq += 1
    data = Position(id=name, symbol="EURUSD", type="BUY", volume=1.0, sl=stop)
    return desk.send(PositionModified(account_id="acc_1", ts=ts, seq=desk.seq, data=data))


def test_a_stop_that_comes_in_the_last_second_is_in_time() -> None:
    desk = watched(STOP)
    opened = at("09:10:00")
    for name in ("p1", "p2", "p3"):
        desk.now = opened
        open_position(desk, name, opened=opened, sl=None if name != "p3" else 1.05)
    assert not set_stop(desk, "p1", 1.05, opened + timedelta(seconds=60))
    assert not set_stop(desk, "p3", None, opened + timedelta(seconds=60))
    assert [event.positions for event in desk.update(100000)] == [("p2",), ("p3",)]


def test_without_a_stop_the_event_bears_the_instant_that_passed() -> None:
    desk = watched(STOP)
    open_position(desk, "p1", opened=at("09:10:00"), sl=0.0)
    desk.now = at("09:11:00")
    assert not desk.update(100000, after=0)
    (event,) = desk.update(100000)
    assert (event.at, event.positions) == (at("09:11:00"), ("p1",))
    assert event.reason == "position p1 of EURUSD has no stop 60 s after it was opened"
    assert not set_stop(desk, "p1", 1.05, desk.now + timedelta(seconds=1))
    assert not set_stop(desk, "p1", None, desk.now + timedelta(seconds=600)), "taken away later is not its matter"


def test_a_closed_position_needs_no_stop() -> None:
    desk = watched(STOP)
    open_position(desk, "p1")
    close_position(desk, "p1")
    assert not desk.tick(600)
    assert desk.account.state.others[0].awaiting == []

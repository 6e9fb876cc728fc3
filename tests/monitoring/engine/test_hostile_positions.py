"""Positions as no upstream should tell them: the one writer must go on judging everybody."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.engine.messages import Market, NewsEvent
from monitoring.engine.rules.standings import standings
from tests.monitoring.engine.conftest import Desk, kinds
from tests.monitoring.engine.trade import close_position, desk_of, open_position

STOP: dict[str, Any] = {"rule": "stop_loss_required", "within_seconds": 60}
NEWS: dict[str, Any] = {"rule": "news_window", "before_minutes": 2, "after_minutes": 2}
DAYS: dict[str, Any] = {"rule": "min_trading_days", "days": 1, "counts": "opened_and_closed"}
NO_TIMES = [
    datetime.min.replace(tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
]


@pytest.mark.parametrize("told", NO_TIMES, ids=str)
def test_an_opening_at_no_possible_time_was_when_its_frame_says(told: datetime) -> None:
    desk = desk_of(STOP, NEWS)
    desk.update(100000.0)
    open_position(desk, "p1", told)
    opened = desk.now
    assert [standing.due for standing in standings(desk.account, desk.now) if standing.rule == STOP["rule"]] == [
        opened + timedelta(seconds=60)
    ]
    (event,) = desk.tick(after=61)
    assert (event.rule, event.at) == ("stop_loss_required", opened + timedelta(seconds=60))


@pytest.mark.parametrize("told", NO_TIMES, ids=str)
def test_a_closing_at_no_possible_time_was_when_its_frame_says(told: datetime) -> None:
    desk = desk_of(NEWS, DAYS)
    news = NewsEvent(id="n1", at=desk.now + timedelta(minutes=10), currency="USD", impact="high")
    desk.send(Market(ts=desk.now, revision="r1", news=(news,)))
    desk.update(100000.0)
    open_position(desk, "p1")
    desk.now = news.at
    assert kinds(close_position(desk, "p1", told, opened=told)) == ["violated"]
    assert [s.value for s in standings(desk.account, desk.now) if s.rule == DAYS["rule"]] == ["1 trading day"]


def calls_of_a_frame(desk: Desk, name: str) -> int:
    """How many functions one more position makes the engine call."""
    calls = 0

    def count(frame: object, event: str, arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        open_position(desk, name)
    finally:
        sys.setprofile(before)
    return calls


def test_a_position_more_costs_in_proportion_to_those_that_are_open() -> None:
    """Who opens hundreds must not stop the one writer, which judges everybody."""
    net = {"rule": "max_lots_total", "lots": "1", "count": "net", "consequence": "close"}
    number = {"rule": "max_positions", "positions": 1, "consequence": "close"}
    desk = desk_of(net, number, {"rule": "max_lots_per_position", "lots": "0.1"})
    desk.update(100000.0)
    costs = []
    for many in (50, 200):
        for opened in range(len(desk.account.positions), many):
            open_position(desk, f"p{opened}", symbol=f"EURUSD.{opened}", volume=0.5)
        costs.append(calls_of_a_frame(desk, f"p{many}"))
    assert costs[1] < 5 * costs[0], costs
    assert len(desk.account.state.closing) == 200

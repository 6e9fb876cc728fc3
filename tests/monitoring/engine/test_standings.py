"""Where each rule stands, in words and figures: what is kept, what is not, what is on the way, what nobody can know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from monitoring.engine.events import Standing
from monitoring.engine.messages import (
    ConnectionFigures,
    ConnectionLost,
    Holiday,
    Market,
    NewsEvent,
    Position,
    PositionModified,
)
from monitoring.engine.rules.standings import standings, standings_key
from tests.monitoring.engine.conftest import DAILY, Desk, kinds
from tests.monitoring.engine.trade import close_position, desk_of, go, open_position

TARGET: dict[str, Any] = {"rule": "profit_target", "amount": {"percent": "10", "of": "initial"}, "requires_flat": True}
BEST: dict[str, Any] = {"rule": "consistency", "best_day_share": "0.40", "of": "net"}
HOURS: dict[str, Any] = {
    "rule": "trading_hours",
    "zone": "UTC",
    "windows": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "22:00"}],
}
NEWS: dict[str, Any] = {"rule": "news_window", "before_minutes": 2, "after_minutes": 5}
FLAT: dict[str, Any] = {"rule": "flat_by", "day": "fri", "time": "21:55", "zone": "UTC", "consequence": "flag"}
ALL: tuple[dict[str, Any], ...] = (
    TARGET,
    {"rule": "min_trading_days", "days": 4, "counts": "opened"},
    {"rule": "time_limit", "days": 30, "from": "first_trade", "unit": "calendar"},
    {"rule": "max_lots_per_position", "lots": "10"},
    {"rule": "max_lots_total", "lots": "30", "count": "gross"},
    {"rule": "max_positions", "positions": 20},
    {"rule": "symbols", "allow": ["EURUSD", "GBPUSD"], "deny": ["BTCUSD"]},
    HOURS,
    FLAT,
    NEWS,
    {"rule": "stop_loss_required", "within_seconds": 60},
    BEST,
    {"rule": "inactivity", "days": 30},
    {"rule": "soft_breaches", "allowed": 3},
)


def only(desk: Desk) -> Standing:
    """The standing of the only rule of section 6."""
    (found,) = standings(desk.account, desk.now)
    return found


def said(desk: Desk) -> tuple[str, str, str]:
    found = only(desk)
    return found.state.value, found.value, found.limit


def market(desk: Desk, **known: Any) -> None:
    desk.send(Market(ts=desk.now, revision="r1", **known))


def test_every_rule_has_an_answer_and_a_look_changes_nothing() -> None:
    desk = desk_of(*ALL)
    assert [found.state.value for found in standings(desk.account, desk.now)] == ["unknown"] * 14
    desk.update(101000, balance=101000)
    for number in range(20):
        open_position(desk, f"p{number}", volume=1.5)
    before = msgspec.msgpack.encode(desk.account.dump())
    found = standings(desk.account, desk.now)
    assert msgspec.msgpack.encode(desk.account.dump()) == before
    assert [one.rule for one in found] == [rule["rule"] for rule in ALL]
    assert [one.index for one in found] == list(range(1, 15))
    assert all(one.reason and one.value and one.limit for one in found)


def test_a_target_is_on_the_way_then_met_for_good() -> None:
    desk = desk_of(TARGET)
    desk.update(101200, balance=101200)
    found = only(desk)
    assert (found.state, found.value, found.limit, found.share) == ("pending", "1,200.00", "10,000.00", Decimal("0.12"))
    assert found.reason == "closed profit 1,200.00 of the target 10,000.00: 8,800.00 to go"
    desk.update(90000, balance=110000, open_positions=1)
    assert only(desk).reason.endswith("the account must be flat for it to count")
    desk.update(110000, balance=110000, open_positions=0)
    desk.update(95000, balance=95000)
    found = only(desk)
    assert (found.state, found.value, found.share) == ("met", "-5,000.00", Decimal(0))
    assert found.reason == "the target 10,000.00 was reached at 2026-06-10T09:00:03Z; closed profit is -5,000.00"


def test_days_are_counted_and_to_go() -> None:
    desk = desk_of({"rule": "min_trading_days", "days": 2, "counts": "opened"})
    desk.update(100000)
    open_position(desk, "p1")
    assert said(desk) == ("pending", "1 trading day", "2 trading days")
    assert only(desk).reason == "1 of at least 2 trading days counted, 1 to go"
    desk.now += timedelta(days=1)
    open_position(desk, "p2")
    assert said(desk)[0] == "met"


def test_a_time_limit_says_its_last_day_and_when_it_ends() -> None:
    desk = desk_of({"rule": "time_limit", "days": 3, "from": "first_trade", "unit": "trading", "consequence": "flag"})
    desk.update(100000)
    assert said(desk) == ("pending", "0 trading days", "3 trading days")
    open_position(desk, "p1")
    desk.now += timedelta(days=2)
    desk.update(100000)
    found = only(desk)
    assert (found.state, found.value, found.share) == ("ok", "3 trading days", Decimal(1))
    assert found.due == datetime(2026, 6, 13, tzinfo=UTC)
    assert found.reason == "day 3 of 3 trading days; the last day is 2026-06-12 and ends at 2026-06-13T00:00:00Z"
    desk.tick(86400)
    assert said(desk) == ("violated", "3 trading days", "3 trading days")


def test_consistency_says_what_total_would_do() -> None:
    desk = desk_of(TARGET, BEST)
    desk.update(101000, balance=101000)
    assert standings(desk.account, desk.now)[1].state == "pending", "the target is not reached: it does not matter yet"
    desk.update(110000, balance=110000)
    found = standings(desk.account, desk.now)[1]
    assert (found.state, found.value, found.limit, found.share) == ("violated", "100.00%", "40%", Decimal("2.5"))
    assert found.reason.endswith("above the limit of 40%; a total of 25,000.00 would be enough")
    desk.update(99000, balance=99000)
    found = standings(desk.account, desk.now)[1]
    assert (found.state, found.value, found.share) == ("pending", "not evaluated", None)


def test_lots_and_positions_against_their_limits_equality_is_allowed() -> None:
    desk = desk_of(*ALL[3:6])
    desk.update(100000)
    open_position(desk, "p1", volume=10.0)
    states = [(one.state.value, one.value, one.share) for one in standings(desk.account, desk.now)]
    assert states == [
        ("ok", "10.00 lots", Decimal(1)),
        ("ok", "10.00 lots", Decimal(10) / 30),
        ("ok", "1 position", Decimal("0.05")),
    ]
    open_position(desk, "p2", volume=20.01, symbol="GBPUSD")
    largest, total, _ = standings(desk.account, desk.now)
    assert (largest.state, total.state) == ("violated", "violated")
    assert largest.reason == "the largest position is 20.01 lots (GBPUSD); 10.00 lots are allowed"


def test_hedged_legs_cancel_under_net() -> None:
    desk = desk_of({"rule": "max_lots_total", "lots": "30", "count": "net"})
    desk.update(100000)
    open_position(desk, "p1", volume=10.0, symbol="EURUSD.r")
    open_position(desk, "p2", volume=8.5, symbol="EURUSDm", type="sell")
    assert said(desk) == ("ok", "1.50 lots", "30.00 lots")


def test_symbols_are_allowed_denied_or_not_known() -> None:
    desk = desk_of(ALL[6])
    desk.update(100000)
    open_position(desk, "p1", symbol="EURUSD.r")
    assert said(desk) == ("ok", "none wrong", "only EURUSD, GBPUSD, never BTCUSD")
    open_position(desk, "p2", symbol="Qq")
    assert said(desk)[:2] == ("unknown", "Qq")
    open_position(desk, "p3", symbol="XAUUSD")
    assert said(desk)[:2] == ("violated", "XAUUSD")
    market(desk, symbols={"Qq": "GBPUSD", "XAUUSD": "EURUSD"})
    assert said(desk)[0] == "ok"


def test_hours_say_whether_positions_may_be_opened_and_which_were_outside() -> None:
    desk = desk_of(HOURS)
    go(desk, "2026-06-10T21:59:58+00:00")
    desk.update(100000)
    open_position(desk, "p1", opened=desk.now)
    assert said(desk)[:2] == ("ok", "closed"), "ten o'clock itself is outside; a second before was not"
    open_position(desk, "p2")
    assert said(desk)[0] == "violated"
    assert only(desk).reason == "1 position was opened outside the trading hours: p2"
    close_position(desk, "p2")
    assert said(desk)[0] == "ok"


def test_flat_by_knows_its_deadline_and_a_holiday_moves_it() -> None:
    desk = desk_of(FLAT)
    desk.update(100000)
    open_position(desk, "p1")
    found = only(desk)
    assert (found.state, found.value) == ("ok", "1 position")
    assert found.due == datetime(2026, 6, 12, 21, 55, tzinfo=UTC)
    market(desk, holidays=(Holiday(day=datetime(2026, 6, 12, tzinfo=UTC).date()),))
    assert only(desk).due == datetime(2026, 6, 11, 21, 55, tzinfo=UTC)
    market(desk)
    go(desk, "2026-06-12T21:56:00+00:00")
    desk.update(100000, open_positions=1)
    found = only(desk)
    assert (found.state, found.due) == ("violated", datetime(2026, 6, 13, tzinfo=UTC))
    assert found.reason == "the account must be flat since 2026-06-12T21:55:00Z; 1 position is open"


def test_the_next_window_is_one_that_concerns_what_is_open() -> None:
    desk = desk_of(NEWS)
    desk.update(100000)
    market(
        desk,
        news=(
            NewsEvent(id="1", at=desk.now + timedelta(hours=1), currency="JPY", impact="high", title="Rate"),
            NewsEvent(id="2", at=desk.now + timedelta(hours=2), currency="USD", impact="low", title="Talk"),
            NewsEvent(id="3", at=desk.now + timedelta(hours=3), currency="USD", impact="high", title="Payrolls"),
        ),
    )
    at = desk.now
    assert only(desk).due == at + timedelta(minutes=58), "flat: whatever comes first"
    open_position(desk, "p1")
    found = only(desk)
    assert (found.state, found.due) == ("ok", at + timedelta(minutes=178))
    assert found.value == "USD Payrolls, 2026-06-10T12:00:01Z"
    desk.now = at + timedelta(hours=3)
    open_position(desk, "p2")
    found = only(desk)
    assert (found.state, found.due) == ("violated", at + timedelta(minutes=185))
    assert found.reason.startswith("1 position was opened within a news window: p2; the window of USD Payrolls")


def test_stops_are_asked_for_after_their_time() -> None:
    desk = desk_of(ALL[10])
    desk.update(100000)
    open_position(desk, "p1", sl=1.05)
    assert only(desk).reason == "every open position has a stop"
    open_position(desk, "p2")
    found = only(desk)
    assert (found.state, found.value, found.due) == ("ok", "1 without a stop", desk.now + timedelta(seconds=60))
    desk.update(100000, after=60)
    assert said(desk)[0] == "ok", "the last second is in time"
    desk.update(100000, after=0.5)
    assert said(desk)[0] == "violated"


def test_a_stop_that_is_taken_away_after_its_time_is_no_violation() -> None:
    desk = desk_of(ALL[10])
    desk.update(100000)
    for name, stop in (("p1", 1.05), ("p2", None)):
        open_position(desk, name, sl=stop)
    assert kinds(desk.update(100000, after=100)) == ["violated"]
    shown = [Position(id=name, symbol="EURUSD", type="buy", volume=1.0) for name in ("p1", "p2")]
    desk.send(PositionModified(account_id="acc_1", ts=desk.now, data=shown[0]))
    assert only(desk).reason == "1 position had no stop within 60 s: p2"
    close_position(desk, "p2")
    found = only(desk)
    assert (found.state, found.value, found.due) == ("ok", "1 without a stop", None)
    assert found.reason == "1 position without a stop now, and with one when it was asked for"


def test_inactivity_says_by_when_a_position_must_be_opened() -> None:
    desk = desk_of({"rule": "inactivity", "days": 30, "consequence": "flag"})
    open_position(desk, "p1")
    desk.update(100000, after=86400 * 12)
    found = only(desk)
    assert (found.state, found.value, found.share) == ("ok", "12 calendar days", Decimal("0.4"))
    assert found.due == datetime(2026, 7, 10, 9, 0, 1, tzinfo=UTC)
    assert found.reason == (
        "the last position was opened at 2026-06-10T09:00:01Z; the next must be before 2026-07-10T09:00:01Z"
    )
    desk.update(100000, after=86400 * 18)
    assert said(desk)[0] == "violated"


def test_soft_breaches_are_counted() -> None:
    desk = desk_of({"rule": "max_positions", "positions": 1}, {"rule": "soft_breaches", "allowed": 2})
    desk.update(100000)
    for name in ("p1", "p2"):
        open_position(desk, name)
    found = standings(desk.account, desk.now)[1]
    assert (found.state, found.value, found.limit, found.share) == ("ok", "1", "2 allowed", Decimal("0.5"))
    assert found.reason == "1 soft breach; 2 are allowed"


def test_nothing_is_known_while_the_data_is_in_doubt_but_a_target_that_was_met() -> None:
    desk = desk_of(*ALL)
    desk.update(110000, balance=110000)
    desk.now += timedelta(seconds=1)
    lost = ConnectionLost(account_id="acc_1", ts=desk.now, seq=desk.seq + 1, data=ConnectionFigures(reason="timeout"))
    desk.send(lost)
    first, *others = standings(desk.account, desk.now)
    assert first.state == "met"
    assert {one.state.value for one in others} == {"unknown"}
    assert others[0].reason.startswith("the account is reported disconnected (timeout); ")


def test_the_rule_that_failed_the_account_shows_it() -> None:
    desk = desk_of({"rule": "max_positions", "positions": 1, "consequence": "fail"})
    desk.update(100000)
    for name in ("p1", "p2"):
        open_position(desk, name)
    for name in ("p1", "p2"):
        close_position(desk, name)
    found, facts = only(desk), desk.account.breach_event
    assert facts is not None
    assert (found.state, found.value, found.reason) == ("violated", "0 positions", facts.reason)


def test_the_key_moves_with_what_standings_rest_on_and_not_with_equity() -> None:
    desk = desk_of(DAILY, *ALL)
    desk.update(100000)
    keys = [standings_key(desk.account)]
    desk.update(100400)
    assert standings_key(desk.account) == keys[0]
    for change in (
        lambda: desk.update(100500, balance=100500),
        lambda: open_position(desk, "p1"),
        lambda: market(desk),
        lambda: close_position(desk, "p1"),
        lambda: desk.tick(86400),
    ):
        change()
        assert standings_key(desk.account) not in keys
        keys.append(standings_key(desk.account))

"""From violations to events: consequences, their order, pauses, and soft breaches that add up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.monitoring.engine.conftest import DAILY, Desk, kinds
from tests.monitoring.engine.trade import close_position, desk_of, open_position

EACH: dict[str, Any] = {"rule": "max_lots_per_position", "lots": "1"}
NUMBER: dict[str, Any] = {"rule": "max_positions", "positions": 1}
HOURS: dict[str, Any] = {"rule": "trading_hours", "zone": "UTC", "windows": [
    {"days": ["sun"], "from": "00:00", "to": "01:00"}]}  # fmt: skip


def watched(*rules: dict[str, Any]) -> Desk:
    desk = desk_of(*rules)
    desk.update(100000)
    return desk


def test_violations_come_in_the_documents_order_and_one_breach_after_them() -> None:
    desk = watched(
        EACH | {"consequence": "pause"},
        NUMBER | {"consequence": "fail"},
        HOURS,
        {"rule": "symbols", "deny": ["EURUSD"], "consequence": "fail"},
    )
    desk.account.state.others[1].open = False
    open_position(desk, "p0", symbol="GBPUSD", opened=datetime(2020, 1, 1, tzinfo=UTC))
    violated, breached = open_position(desk, "p1", volume=2)
    assert (violated.event, violated.rule) == ("violated", "trading_hours")
    assert (breached.event, breached.rule, breached.consequence) == ("breached", "max_positions", "fail")
    assert breached.also == ("max_lots_per_position", "symbols")
    assert breached.key == "acc_1:c1:2:breached:fail"
    assert (breached.floor, breached.measured, breached.operator) == (None, None, None)
    facts = desk.account.breach_event
    assert facts is not None
    assert (facts.key, facts.of, facts.balance, facts.reason) == (
        breached.key, "max_positions#0", 10000000, "2 positions are open: 1 are allowed",
    )  # fmt: skip
    assert desk.account.must_be_flat
    assert not open_position(desk, "p2", volume=5), "a fail ends the work"


def test_a_loss_breach_comes_first_and_a_fail_of_it_ends_the_work() -> None:
    desk = watched(DAILY, {"rule": "profit_target", "amount": {"fixed": "1"}})
    assert kinds(desk.update(94000, balance=110000)) == ["breached"]
    assert desk.account.state.target_reached_at is None


def test_a_pause_happens_once_a_day_while_flags_go_on() -> None:
    desk = watched(EACH | {"consequence": "pause"}, HOURS)
    assert kinds(open_position(desk, "p1", volume=2)) == ["violated", "breached"]
    assert desk.account.paused_until == datetime(2026, 6, 11, tzinfo=UTC)
    assert kinds(open_position(desk, "p2", volume=2)) == ["violated"], "the pause is not told again, the flag is"
    for name in ("p1", "p2"):
        close_position(desk, name)
    desk.now = datetime(2026, 6, 11, tzinfo=UTC)
    assert kinds(desk.tick(0)) == ["day_started", "resumed"]
    violated, paused = open_position(desk, "p3", volume=2)
    assert (paused.key, paused.consequence) == ("acc_1:c1:1:breached:2026-06-11", "pause")


def test_an_episode_ends_while_paused_as_well() -> None:
    desk = watched(NUMBER | {"consequence": "pause"})
    open_position(desk, "p1")
    assert kinds(open_position(desk, "p2")) == ["breached"]
    close_position(desk, "p2")
    desk.tick(86400)
    assert kinds(open_position(desk, "p3")) == ["breached"]


def test_the_soft_breach_after_those_allowed_is_a_breach_at_the_same_instant() -> None:
    desk = watched(HOURS, {"rule": "soft_breaches", "allowed": 2})
    told = [event for n in range(4) for event in open_position(desk, f"p{n}")]
    assert kinds(told) == ["violated", "violated", "violated", "breached"]
    assert (told[-1].rule, told[-1].consequence, told[-1].at) == ("soft_breaches", "fail", told[-2].at)
    assert told[-1].reason == "soft breach number 3: 2 are allowed"


def test_pauses_of_loss_rules_are_soft_breaches_too() -> None:
    desk = watched(DAILY | {"consequence": "pause"}, {"rule": "soft_breaches", "allowed": 0})
    assert [(event.event, event.rule) for event in desk.update(94000)] == [
        ("breached", "daily_loss"),
        ("breached", "soft_breaches"),
    ]
    assert desk.account.breached


def test_soft_breaches_of_a_window_are_those_of_its_dates() -> None:
    desk = watched(HOURS, {"rule": "soft_breaches", "allowed": 1, "window_days": 2, "consequence": "pause"})
    assert kinds(open_position(desk, "p1")) == ["violated"]
    desk.tick(2 * 86400)
    assert kinds(open_position(desk, "p2")) == ["violated"], "the first is out of the window"
    desk.tick(86400)
    assert kinds(open_position(desk, "p3")) == ["violated", "breached"]


def test_a_delay_is_told_and_counts_for_nothing() -> None:
    desk = watched(
        HOURS | {"outside": "close"}, EACH | {"consequence": "delay"}, {"rule": "soft_breaches", "allowed": 0}
    )
    assert kinds(open_position(desk, "p1", volume=2)) == ["violated", "violated"]
    assert desk.account.state.soft_breaches == []


@pytest.mark.parametrize(("consequence", "words"), [
    ("fail", ["fresh", "breached"]),
    ("pause", ["fresh", "breached"]),
    ("flag", ["fresh", "target_reached", "violated"]),
])  # fmt: skip
def test_a_breach_wins_over_the_target_that_the_same_update_reaches(consequence: str, words: list[str]) -> None:
    target = {"rule": "profit_target", "amount": {"percent": "10", "of": "initial"}}
    desk = desk_of(target, EACH | {"consequence": consequence}, stale_after=30)
    desk.update(100000)
    assert kinds(desk.tick(60)) == ["stale"]
    assert not open_position(desk, "p1", volume=2), "what cannot be judged now waits for good figures"
    assert kinds(desk.update(110000, balance=110000)) == words
    assert kinds(desk.update(110000, balance=110000)) == (["target_reached"] if consequence == "pause" else [])


def test_a_soft_breach_too_many_wins_over_the_target_as_well() -> None:
    target = {"rule": "profit_target", "amount": {"percent": "10", "of": "initial"}}
    desk = desk_of(target, EACH, {"rule": "soft_breaches", "allowed": 0}, stale_after=30)
    desk.update(100000)
    desk.tick(60)
    open_position(desk, "p1", volume=2)
    assert kinds(desk.update(110000, balance=110000)) == ["fresh", "violated", "breached"]
    assert desk.account.state.target_reached_at is None


def test_who_was_idle_for_too_long_reaches_no_target_by_the_update_that_says_so() -> None:
    target = {"rule": "profit_target", "amount": {"percent": "10", "of": "initial"}}
    desk = desk_of(target, {"rule": "inactivity", "days": 2}, stale_after=30)
    open_position(desk, "p1")
    desk.update(100000)
    desk.tick(30)
    close_position(desk, "p1")
    assert "breached" not in kinds(desk.tick(3 * 86400)), "the data is stale"
    told = desk.update(110000, balance=110000)
    assert [(event.event, event.rule) for event in told][-1] == ("breached", "inactivity")
    assert "target_reached" not in kinds(told)

"""Target, minimum days, time limit, consistency and inactivity: inside, at the boundary, beyond, and in dispute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.engine.events import Event
from monitoring.engine.rules.progress import best_day, days_counted, last_date, pairs, passable
from monitoring.engine.ruleset.model import Consistency, MinTradingDays, Step, TimeLimit
from monitoring.engine.snapshot.state import Totals
from tests.monitoring.engine.conftest import DAILY, Desk, kinds
from tests.monitoring.engine.trade import close_position, desk_of, go, open_position, operate

TARGET: dict[str, Any] = {"rule": "profit_target", "amount": {"percent": "10", "of": "initial"}}
DAYS: dict[str, Any] = {"rule": "min_trading_days", "days": 2, "counts": "opened"}
LIMIT: dict[str, Any] = {"rule": "time_limit", "days": 3, "from": "created", "unit": "calendar"}
BEST: dict[str, Any] = {"rule": "consistency", "best_day_share": "0.50", "of": "net"}
IDLE: dict[str, Any] = {"rule": "inactivity", "days": 30, "consequence": "flag"}


def balance(desk: Desk, amount: float, **figures: Any) -> list[Event]:
    """An update of a flat account, or of one whose open profit is nil."""
    return list(desk.update(amount, balance=amount, **figures))


def next_day(desk: Desk) -> list[Event]:
    """A tick an hour into the next day, UTC."""
    desk.now = datetime.combine(desk.now.date() + timedelta(days=1), datetime.min.time(), UTC)
    return list(desk.tick(3600))


def counted(desk: Desk) -> int:
    """How many days count, by the only rule of that kind."""
    return next(
        days_counted(desk.account, rule, memory)
        for rule, memory in pairs(desk.account)
        if isinstance(rule, MinTradingDays)
    )


# --- profit target ---


def test_the_target_is_reached_once_at_its_very_amount() -> None:
    desk = desk_of(TARGET)
    assert not balance(desk, 109999.99)
    (event,) = balance(desk, 110000)
    assert event.event == "target_reached"
    assert (event.rule, event.measured, event.floor, event.operator) == ("profit_target", 1000000, 1000000, ">=")
    assert event.at == desk.now
    assert event.reason == "closed profit 10,000.00 reached the target 10,000.00"
    assert not balance(desk, 120000)
    assert not balance(desk, 90000)
    assert not balance(desk, 120000), "it is told once a challenge"


def test_open_profit_is_no_profit() -> None:
    desk = desk_of(TARGET)
    assert not desk.update(125000, balance=105000)


def test_a_flat_account_is_asked_for_only_where_the_rule_says_so() -> None:
    desk = desk_of(TARGET | {"requires_flat": True})
    balance(desk, 100000)
    open_position(desk, "p1")
    assert not balance(desk, 110000)
    assert not close_position(desk, "p1"), "judged by account updates alone"
    assert kinds(balance(desk, 110000)) == ["target_reached"]
    loose = desk_of(TARGET)
    open_position(loose, "p1")
    assert kinds(balance(loose, 110000)) == ["target_reached"]


def test_an_update_that_says_the_account_is_flat_counts_as_one() -> None:
    desk = desk_of(TARGET | {"requires_flat": True})
    assert not balance(desk, 110000, open_positions=1)
    assert not balance(desk, 110000, open_positions=1)
    assert kinds(balance(desk, 110000, open_positions=0)) == ["target_reached"]


def test_money_put_in_or_taken_out_is_no_profit() -> None:
    desk = desk_of(TARGET)
    balance(desk, 100000)
    operate(desk, "deposit", 10000)
    assert not balance(desk, 110000)
    operate(desk, "withdrawal", -15000)
    assert kinds(balance(desk, 105000)) == ["target_reached"]


def test_a_breach_in_the_same_update_wins() -> None:
    desk = desk_of(DAILY, TARGET)
    assert kinds(desk.update(94000, balance=110000)) == ["breached"]
    assert not balance(desk, 115000)
    assert desk.account.state.target_reached_at is None


def test_the_target_is_judged_while_paused() -> None:
    desk = desk_of(DAILY | {"consequence": "pause"}, TARGET)
    assert kinds(desk.update(94000, balance=110000)) == ["breached"]
    assert kinds(balance(desk, 110000)) == ["target_reached"]


@given(st.lists(st.tuples(st.integers(-3, 3), st.sampled_from((-1000, 0, 0, 0, 1000))), max_size=30))
@settings(deadline=None, max_examples=100)
def test_the_quiet_band_hides_no_target(moves: list[tuple[int, int]]) -> None:
    desk, deposited, reached = desk_of(TARGET), 0, False
    for cents, deposit in moves:
        if deposit:
            operate(desk, "deposit" if deposit > 0 else "withdrawal", deposit)
            deposited += deposit
        amount = 110000 + deposited + cents / 100 - 0.02
        events = kinds(balance(desk, round(amount, 2)))
        assert events == (["target_reached"] if cents >= 2 and not reached else [])
        reached = reached or cents >= 2


# --- minimum days ---


def test_a_day_counts_by_the_time_of_the_opening_not_of_its_frame() -> None:
    desk = desk_of(DAYS)
    go(desk, "2026-06-10T23:59:58+00:00")
    balance(desk, 100000)
    next_day(desk)
    open_position(desk, "p1", opened=datetime(2026, 6, 10, 23, 59, 59, 900000, tzinfo=UTC))
    assert desk.account.state.last_day is not None
    assert desk.account.state.last_day.opened
    assert counted(desk) == 1
    open_position(desk, "p2")
    assert counted(desk) == 2
    open_position(desk, "p3")
    assert counted(desk) == 2


def test_a_position_held_for_days_counts_on_the_day_it_was_opened() -> None:
    desk = desk_of(DAYS)
    balance(desk, 100000)
    open_position(desk, "p1")
    for _ in range(2):
        next_day(desk)
        balance(desk, 100000)
    assert counted(desk) == 1


def test_what_is_learnt_days_later_counts_on_its_own_day_once() -> None:
    desk = desk_of(DAYS)
    balance(desk, 100000)
    for _ in range(4):
        next_day(desk)
    for name in ("p1", "p2"):
        open_position(desk, name, opened=datetime(2026, 6, 11, 10, tzinfo=UTC))
    assert counted(desk) == 1


def test_a_weekend_counts_no_day() -> None:
    desk = desk_of(DAYS)
    go(desk, "2026-06-13T10:00:00+00:00")
    balance(desk, 100000)
    open_position(desk, "p1")
    assert counted(desk) == 0
    desk = desk_of(DAYS, trading_week=["sat", "sun"])
    go(desk, "2026-06-13T10:00:00+00:00")
    balance(desk, 100000)
    open_position(desk, "p1")
    assert counted(desk) == 1


def test_opened_and_closed_asks_for_both_on_one_day_a_part_is_enough() -> None:
    desk = desk_of(DAYS | {"counts": "opened_and_closed"})
    balance(desk, 100000)
    open_position(desk, "p1", volume=2.0)
    assert counted(desk) == 0
    next_day(desk)
    close_position(desk, "p1", left=1.0)
    assert counted(desk) == 0, "opened the day before"
    open_position(desk, "p2", volume=2.0)
    close_position(desk, "p2", left=1.0)
    assert counted(desk) == 1


@pytest.mark.parametrize(
    ("counts", "result", "days"),
    [
        ("profit_day", 499.99, 0),
        ("profit_day", 500.00, 1),
        ("profit_day", -500.00, 0),
        ("moved_day", 499.99, 0),
        ("moved_day", -499.99, 0),
        ("moved_day", -500.00, 1),
    ],
)
def test_a_day_counts_from_its_threshold_on(counts: str, result: float, days: int) -> None:
    desk = desk_of(DAYS | {"counts": counts, "threshold": "0.005"})
    balance(desk, 100000)
    operate(desk, "deposit", 700)
    balance(desk, 100700 + result)
    assert counted(desk) == days
    next_day(desk)
    assert counted(desk) == days, "it counts for good"


def test_a_day_that_lost_its_profit_again_does_not_count() -> None:
    desk = desk_of(DAYS | {"counts": "profit_day", "threshold": "0.005"})
    balance(desk, 100600)
    assert counted(desk) == 1
    balance(desk, 100100)
    assert counted(desk) == 0


# --- time limit ---


def test_the_time_limit_acts_at_the_reset_that_ends_its_last_day() -> None:
    desk = desk_of(TARGET, DAYS, LIMIT)
    balance(desk, 100000)
    for _ in range(2):
        assert kinds(next_day(desk)) == ["day_started"]
    started, failed = next_day(desk)
    assert (started.event, failed.event, failed.rule) == ("day_started", "breached", "time_limit")
    assert failed.at == datetime(2026, 6, 13, tzinfo=UTC)
    assert failed.reason == (
        "the time limit of 3 calendar days ended with 2026-06-12: "
        "the profit target is not reached; 0 of 2 trading days counted"
    )
    assert desk.account.must_be_flat


def test_a_pass_that_is_all_there_needs_no_more_time() -> None:
    desk = desk_of(TARGET, DAYS, BEST, LIMIT)
    for amount in (104000, 108000, 112000):
        balance(desk, amount)
        open_position(desk, f"p{amount}")
        ended = next_day(desk)
    assert kinds(ended) == ["day_started"]
    assert passable(desk.account, desk.now) == (True, "everything that a pass needs is there")
    balance(desk, 90000)
    assert kinds(next_day(desk)) == ["day_started"], "it was decided when the last day ended"


def test_consistency_is_part_of_a_pass() -> None:
    desk = desk_of(TARGET, BEST, LIMIT | {"consequence": "flag"})
    balance(desk, 110000)
    assert passable(desk.account, desk.now) == (
        False,
        "the best day 10,000.00 is 100.00% of the net total 10,000.00, above the limit of 50%",
    )
    events = [event for _ in range(3) for event in next_day(desk)]
    assert [event.rule for event in events if event.rule] == ["time_limit"]


def test_from_the_first_trade_it_does_not_run_before_one() -> None:
    desk = desk_of(TARGET, LIMIT | {"from": "first_trade", "days": 2})
    balance(desk, 100000)
    for _ in range(5):
        assert kinds(next_day(desk)) == ["day_started"]
    open_position(desk, "p1")
    assert kinds(next_day(desk)) == ["day_started"]
    assert kinds(next_day(desk)) == ["day_started", "breached"]


@pytest.mark.parametrize(
    ("start", "days", "last"),
    [
        ("2026-06-10T09:00:00+00:00", 3, date(2026, 6, 12)),
        ("2026-06-10T09:00:00+00:00", 4, date(2026, 6, 15)),
        ("2026-06-13T09:00:00+00:00", 1, date(2026, 6, 15)),
        ("2026-06-10T09:00:00+00:00", 1, date(2026, 6, 10)),
    ],
)
def test_trading_days_are_those_of_the_week(start: str, days: int, last: date) -> None:
    desk = desk_of(LIMIT | {"days": days, "unit": "trading"})
    go(desk, start)
    balance(desk, 100000)
    (rule,) = (rule for rule, _ in pairs(desk.account) if isinstance(rule, TimeLimit))
    assert last_date(desk.account, rule) == last


# --- consistency ---


def test_consistency_is_told_from_the_target_on_once_an_episode() -> None:
    desk = desk_of(TARGET, BEST | {"consequence": "flag"})
    assert not balance(desk, 109000), "it does not matter yet"
    reached, violated = balance(desk, 110000)
    assert (reached.event, violated.event, violated.rule) == ("target_reached", "violated", "consistency")
    assert violated.at == reached.at
    assert not balance(desk, 111000)
    next_day(desk)
    assert not balance(desk, 122000), "half is within a half: the episode ends silently"
    assert kinds(balance(desk, 122000.01)) == ["violated"], "the new day is the best one, above a half"
    assert not balance(desk, 121999.99), "now it is the day before, in the same episode"


def test_half_is_within_a_half() -> None:
    desk = desk_of(BEST | {"consequence": "flag"})
    balance(desk, 101000)
    next_day(desk)
    balance(desk, 102000)
    assert kinds(next_day(desk)) == ["day_started"]
    desk = desk_of(BEST | {"consequence": "flag"})
    balance(desk, 101000)
    next_day(desk)
    balance(desk, 101999.99)
    assert kinds(next_day(desk)) == ["day_started"], "told with the first day, an episode"


def test_without_a_target_each_reset_judges_the_days_that_ended() -> None:
    desk = desk_of(BEST | {"consequence": "flag"})
    assert not balance(desk, 101000)
    started, violated = next_day(desk)
    assert (violated.rule, violated.at) == ("consistency", started.at)
    assert violated.reason == "the best day 1,000.00 is 100.00% of the net total 1,000.00, above the limit of 50%"


def test_a_total_that_is_not_above_zero_is_not_evaluated() -> None:
    desk = desk_of(BEST | {"consequence": "flag"})
    balance(desk, 101000)
    balance(desk, 100000)
    assert kinds(next_day(desk)) == ["day_started"]
    balance(desk, 99000)
    assert kinds(next_day(desk)) == ["day_started"]


@pytest.mark.parametrize(("of", "total"), [("net", 60000), ("positive", 100000), ("absolute", 140000)])
def test_each_total_is_its_own(of: str, total: int) -> None:
    desk = desk_of(BEST | {"of": of})
    for amount in (100400, 100000, 100600):
        balance(desk, amount)
        next_day(desk)
    (rule,) = (rule for rule, _ in pairs(desk.account) if isinstance(rule, Consistency))
    assert best_day(desk.account, rule) == (60000, total)
    assert best_day(desk.account, rule).above(Step(60000 - 1, total))
    assert not best_day(desk.account, rule).above(Step(60000, total))


def test_what_an_earlier_release_knew_counts_as_one_day() -> None:
    desk = desk_of(BEST)
    balance(desk, 100600)
    next_day(desk)
    balance(desk, 100900)
    state = desk.account.dump()
    state.last_day, state.today, state.totals = None, None, Totals()
    desk.account = desk.snapshot.add("acc_1", desk.rule_set, state=state)
    for amount in (100900, 101000):
        balance(desk, amount)
        (rule,) = (rule for rule, _ in pairs(desk.account) if isinstance(rule, Consistency))
        assert best_day(desk.account, rule) == (60000, int(amount * 100) - 10000000)
        next_day(desk)
        assert best_day(desk.account, rule) == (60000, int(amount * 100) - 10000000)


# --- inactivity ---


def test_thirty_days_end_at_the_same_wall_time_across_a_change_of_clocks() -> None:
    desk = desk_of(IDLE, reset={"time": "00:00", "zone": "Europe/Prague"})
    go(desk, "2026-03-10T11:00:00+00:00")
    open_position(desk, "p1")
    balance(desk, 100000)
    go(desk, "2026-04-09T10:00:00+00:00")
    assert kinds(desk.tick(0))[-1:] == ["day_started"]
    (event,) = desk.tick(1)
    assert (event.event, event.rule) == ("violated", "inactivity")
    assert event.at == datetime(2026, 4, 9, 10, 0, 1, tzinfo=UTC), "12:00:01 in Prague, an hour earlier by UTC"
    assert event.reason == "no position was opened since 2026-03-10T11:00:01Z, for 30 calendar days"
    assert "violated" not in kinds(desk.tick(86400 * 40)), "told once a spell"


def test_an_opening_starts_a_new_spell_and_holding_does_not() -> None:
    desk = desk_of(IDLE | {"days": 2})
    balance(desk, 100000)
    open_position(desk, "p1")
    told = [event.at for hours in range(1, 100) for event in desk.tick(3600) if event.rule]
    assert told == [datetime(2026, 6, 12, 9, 0, 2, tzinfo=UTC)]
    open_position(desk, "p2")
    told = [event.at for hours in range(1, 100) for event in desk.tick(3600) if event.rule]
    assert len(told) == 1


def test_what_a_pause_slept_through_is_told_when_it_ends() -> None:
    desk = desk_of(DAILY | {"consequence": "pause"}, IDLE | {"days": 1, "consequence": "pause"})
    balance(desk, 100000)
    go(desk, "2026-06-11T08:00:00+00:00")
    desk.update(94000)
    assert not desk.tick(3600 * 8), "an idle day ended, but it is paused already"
    assert kinds(next_day(desk)) == ["day_started", "resumed", "breached"]


def test_without_any_trade_it_counts_from_the_beginning() -> None:
    desk = desk_of(IDLE | {"days": 1, "consequence": "fail"})
    balance(desk, 100000)
    desk.tick(86399)
    (event,) = [event for event in desk.tick(1) if event.rule]
    assert (event.event, event.consequence) == ("breached", "fail")
    assert event.reason == "no position was opened since the challenge began, for 1 calendar day"

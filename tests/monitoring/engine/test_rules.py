"""Latches, episodes, pauses, freshness and balance operations, as the rulebook words them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from monitoring.engine import messages
from monitoring.engine.messages import BalanceFigures, BalanceOperation, ConnectionFigures
from monitoring.engine.rules import readings
from monitoring.engine.ruleset import parse_rule_set
from tests.monitoring.engine.conftest import DAILY, STATIC, Desk, document, kinds

SOFT = DAILY | {"amount": {"percent": "3", "of": "initial"}, "consequence": "pause"}
TRAILING = STATIC | {"mode": "trailing", "high_water": "equity_intraday"}


def with_rules(*rules: dict[str, object], **changes: object) -> Desk:
    return Desk(parse_rule_set(document(*rules, **changes)))


def operate(desk: Desk, kind: str, amount: float) -> list[str]:
    desk.now += timedelta(seconds=1)
    desk.seq += 1
    figures = BalanceFigures(kind=kind, amount=amount)
    return kinds(desk.send(BalanceOperation(account_id="acc_1", ts=desk.now, seq=desk.seq, data=figures)))


def test_a_breach_says_everything_and_happens_once(desk: Desk) -> None:
    (event,) = desk.update(94812.10)
    assert event.key == "acc_1:c1:0:breached:fail"
    assert (event.floor, event.measured, event.room) == (9500000, 9481210, -18790)
    assert event.used == Decimal("1.03758")
    assert event.reason == (
        "equity 94,812.10 is below the daily floor 95,000.00: day-start balance 100,000.00 less 5% of 100,000.00"
    )
    assert not desk.update(80000)
    assert not desk.update(100000)
    assert desk.account.must_be_flat
    assert desk.account.lowest_equity == 8000000
    assert readings(desk.account, desk.now)[0].state == "breached", "it never clears because equity recovered"


def test_the_higher_floor_has_the_breach_and_the_others_are_listed(desk: Desk) -> None:
    (event,) = desk.update(85000)
    assert (event.rule, event.also) == ("daily_loss", ("max_loss",))


def test_at_equal_floors_the_first_in_the_document_has_it() -> None:
    desk = with_rules(STATIC | {"amount": {"percent": "5", "of": "initial"}}, DAILY)
    (event,) = desk.update(90000)
    assert (event.rule, event.also) == ("max_loss", ("daily_loss",))


@pytest.mark.parametrize(
    ("amount", "floor"),
    [
        ({"percent": "5", "of": "initial"}, 9500010),
        ({"percent": "5." + "0" * 32 + "1", "of": "initial"}, 9500009),
        ({"fixed": "5000.005"}, 9500010),
        ({"fixed": "5000.005" + "0" * 32 + "1"}, 9500009),
    ],
)
def test_a_floor_is_rounded_once_from_every_digit_of_its_amount(amount: dict[str, str], floor: int) -> None:
    desk = with_rules(STATIC | {"amount": amount}, initial_balance="100000.10")
    desk.update(100000.10)
    assert readings(desk.account, desk.now)[0].floor == floor


def test_warnings_are_episodes_with_numbered_keys(desk: Desk) -> None:
    keys = [event.key for equity in (96000, 95400, 97000, 95900) for event in desk.update(equity)]
    assert keys == [
        "acc_1:c1:0:warned:1",
        "acc_1:c1:0:stepped_up:1.2",
        "acc_1:c1:0:cleared:1",
        "acc_1:c1:0:warned:2",
    ]


def test_a_pause_ends_warnings_silently_and_resumes_with_the_day() -> None:
    desk = with_rules(SOFT, STATIC)
    assert kinds(desk.update(97500)) == ["warned"]
    (breach,) = desk.update(96900)
    assert breach.key == "acc_1:c1:0:breached:2026-06-10"
    assert desk.account.paused_until == datetime(2026, 6, 11, tzinfo=UTC)
    assert not desk.update(91000), "no warning of any rule while paused"
    assert readings(desk.account, desk.now)[0].state == "paused"
    desk.now = datetime(2026, 6, 10, 23, 59, 50, tzinfo=UTC)
    desk.update(98000, balance=98000)
    assert kinds(desk.tick(11)) == ["day_started", "resumed"]
    assert not desk.account.must_be_flat
    (again,) = desk.update(94000, balance=98000)
    assert again.key == "acc_1:c1:0:breached:2026-06-11"


def test_a_hard_limit_is_judged_while_paused() -> None:
    desk = with_rules(SOFT, STATIC)
    desk.update(96000)
    (event,) = desk.update(89999.99)
    assert (event.rule, event.consequence, event.also) == ("max_loss", "fail", ())


def test_the_verdict_of_a_reset_waits_for_fresh_data() -> None:
    desk = with_rules(DAILY, fresh_for=60, stale_after=600)
    desk.now = datetime(2026, 6, 10, 23, 58, 59, tzinfo=UTC)
    desk.update(99000, balance=104500, after=0)
    assert kinds(desk.tick(61)) == ["day_started"], "the state was 61 s old"
    assert kinds(desk.update(99000, balance=104500)) == ["breached"]


def test_a_reset_judges_a_fresh_state_at_once_at_its_own_instant() -> None:
    desk = with_rules(DAILY, fresh_for=60, stale_after=600)
    desk.now = datetime(2026, 6, 10, 23, 59, 0, tzinfo=UTC)
    desk.update(99000, balance=104500, after=0)
    started, breached = desk.tick(65)
    assert started.day_start_balance == 10450000
    assert breached.at == datetime(2026, 6, 11, tzinfo=UTC)


def test_days_pass_one_by_one_each_at_its_own_instant(desk: Desk) -> None:
    desk.update(99000)
    events = desk.tick(3 * 86400)
    days = [event for event in events if event.event == "day_started"]
    assert [event.at.isoformat() for event in days] == [f"2026-06-{day}T00:00:00+00:00" for day in (11, 12, 13)]


def test_an_update_that_arrives_after_the_reset_it_precedes_is_the_days_last() -> None:
    desk = with_rules(DAILY)
    desk.now = datetime(2026, 6, 10, 23, 59, 50, tzinfo=UTC)
    desk.update(100000, after=0)
    desk.tick(10.2)
    desk.now -= timedelta(seconds=0.4)
    desk.update(103000, balance=103000, after=0)
    assert desk.account.day_start_balance == 10300000
    assert readings(desk.account, desk.now)[0].floor == 9800000
    desk.update(104000, balance=104000)
    assert desk.account.day_start_balance == 10300000


def test_stale_data_neither_warns_nor_clears_nor_counts_as_safe(desk: Desk) -> None:
    desk.update(99000, open_positions=1)
    assert kinds(desk.tick(29)) == []
    (stale,) = desk.tick(1)
    assert (stale.event, stale.key) == ("stale", "acc_1:c1:-:stale:1")
    assert "positions are open" in stale.reason
    assert {reading.state for reading in readings(desk.account, desk.now)} == {"unknown"}
    assert kinds(desk.update(96000)) == ["fresh", "warned"]


def test_a_flat_account_is_as_fresh_as_its_link(desk: Desk) -> None:
    desk.update(99000, open_positions=0)
    for _ in range(20):
        desk.now += timedelta(seconds=5)
        desk.send(messages.Link(ts=desk.now, state="alive"))
        assert not desk.tick(0)
    assert kinds(desk.tick(31)) == ["stale"]
    assert kinds(desk.send(messages.Link(ts=desk.now, state="alive"))) == ["fresh"]


def test_another_accounts_frames_prove_the_link(desk: Desk) -> None:
    desk.update(99000, open_positions=0)
    desk.snapshot.add("acc_2", desk.rule_set)
    later = desk.now + timedelta(seconds=100)
    figures = messages.AccountFigures(balance=100000, equity=100000)
    desk.send(messages.AccountUpdate(account_id="acc_2", ts=later, seq=1, data=figures))
    desk.now = later
    assert kinds(desk.tick(1)) == []


def test_no_day_outside_the_trading_week_makes_an_account_with_positions_stale(desk: Desk) -> None:
    desk.now = datetime(2026, 6, 12, 20, tzinfo=UTC)  # a Friday
    desk.update(99000, open_positions=1)
    desk.now = datetime(2026, 6, 13, 12, tzinfo=UTC)
    desk.send(messages.Link(ts=desk.now, state="alive"))
    assert kinds(desk.tick(1)) == ["day_started"]
    desk.update(99000, open_positions=1)  # its own market is open on a Saturday after all
    desk.now += timedelta(seconds=40)
    desk.send(messages.Link(ts=desk.now, state="alive"))
    assert kinds(desk.tick(0)) == ["stale"]


@pytest.mark.parametrize("message", [messages.ConnectionLost, messages.AuthFailed])
def test_an_account_reported_away_is_not_judged(desk: Desk, message: type[messages.ConnectionLost]) -> None:
    desk.update(99000)
    data = ConnectionFigures(reason="broker_offline", code="invalid_credentials")
    assert kinds(desk.send(message(account_id="acc_1", ts=desk.now, seq=2, data=data))) == ["stale"]
    desk.seq = 2
    assert not desk.update(94000, status="disconnected")
    assert kinds(desk.update(94000)) == ["fresh", "breached"]


def test_a_restored_connection_asks_for_a_resync(desk: Desk) -> None:
    desk.update(99000)
    data = ConnectionFigures(resync_required=True)
    desk.send(messages.ConnectionRestored(account_id="acc_1", ts=desk.now, seq=2, data=data))
    assert desk.snapshot.gaps == {"acc_1"}


def test_an_operation_of_an_unknown_kind_holds_verdicts_and_is_reported(desk: Desk) -> None:
    desk.update(99000)
    assert operate(desk, "mystery", -6000) == ["refused"]
    assert "mystery" in desk.account.verdict_held
    assert not desk.update(93000, balance=94000)
    assert readings(desk.account, desk.now)[0].state == "unknown"
    desk.account.release()
    assert kinds(desk.update(93000, balance=94000)) == ["breached"]


@pytest.mark.parametrize(
    ("policy", "floor"),
    [("shift", 9270000), ("unchanged", 9300000), ("lock_at_initial", 10000000), ("reset", 9200000)],
)
def test_what_a_payout_does_to_a_trailing_floor(policy: str, floor: int) -> None:
    desk = with_rules(TRAILING | {"on_payout": policy})
    desk.update(103000, balance=102300)
    assert operate(desk, "payout", -300) == []
    assert readings(desk.account, desk.now)[0].floor == floor


def test_a_rising_market_lifts_the_floor_cheaply_and_exactly() -> None:
    desk = with_rules(TRAILING)
    for step in range(200):
        assert not desk.update(round(100000.005 + step * 7.31, 2))
    peak = round(100000.005 + 199 * 7.31, 2)
    assert desk.account.high_water == round(peak * 100)
    assert readings(desk.account, desk.now)[0].floor == round(peak * 100) - 1000000
    assert kinds(desk.update(peak - 8000)) == ["warned"]
    assert kinds(desk.update(round(peak - 10000.01, 2))) == ["breached"]


def test_credit_is_no_equity_unless_the_rules_count_it() -> None:
    for counted, expected in ((False, ["breached"]), (True, ["warned"])):
        desk = with_rules(STATIC, count_credit=counted)
        assert kinds(desk.update(91999.99, balance=89999.99, credit=2000)) == expected


def test_old_data_gives_no_verdict_even_as_the_first_word_on_an_account(desk: Desk) -> None:
    desk.tick(0)
    desk.now -= timedelta(minutes=5)
    assert kinds(desk.update(80000, open_positions=2)) == ["stale"]
    assert {reading.state for reading in readings(desk.account, desk.now)} == {"unknown"}
    desk.now = desk.snapshot.link.now or desk.now
    assert kinds(desk.update(80000, open_positions=2)) == ["fresh", "breached"]


def test_newer_by_number_but_old_by_time_gives_no_verdict(desk: Desk) -> None:
    desk.update(99000, open_positions=2)
    desk.tick(1)
    assert kinds(desk.update(80000, after=-60, open_positions=2)) == ["stale"]
    assert not desk.account.breached


def test_credit_that_is_not_stated_is_the_credit_known_before() -> None:
    desk = with_rules(TRAILING)
    desk.update(100000)
    assert operate(desk, "credit", 2000) == []
    desk.update(102000)
    assert (desk.account.credit, desk.account.equity, desk.account.high_water) == (200000, 10000000, 10000000)
    assert kinds(desk.update(91999.99)) == ["breached"], "89,999.99 without the credit"


def test_credit_stated_as_zero_is_zero() -> None:
    desk = with_rules(STATIC)
    desk.update(102000, credit=2000)
    desk.update(101000)
    assert (desk.account.credit, desk.account.equity) == (200000, 9900000)
    desk.update(101000, credit=0.0)
    assert (desk.account.credit, desk.account.equity) == (0, 10100000)


def test_a_pause_keeps_the_lowest_equity_seen_until_it_ends() -> None:
    desk = with_rules(SOFT, STATIC)
    desk.update(96900)
    desk.update(95500)
    desk.update(98000, balance=98000)
    assert desk.account.lowest_equity == 9550000
    desk.tick(86400)
    assert desk.account.lowest_equity is None


def test_a_reading_says_what_it_was_computed_from() -> None:
    desk = with_rules(DAILY, TRAILING, STATIC)
    desk.update(103000, balance=102000, credit=500)
    operate(desk, "deposit", 1000)
    desk.update(103500, balance=103000, credit=500)
    daily, trailing, static = (reading.inputs for reading in readings(desk.account, desk.now))
    common = {"balance": 10300000, "equity": 10300000, "credit": 50000, "initial_balance": 10000000}
    assert daily == common | {"day_moves": 100000, "day_start_balance": 10100000}
    assert trailing == common | {"day_moves": 100000, "high_water": 10350000}
    assert static == common | {"day_moves": 100000, "initial": 10000000}

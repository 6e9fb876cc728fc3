"""What reaches the snapshot, what does not, and what it says of an account."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from monitoring.engine import messages
from monitoring.engine.messages import AccountFigures, AccountUpdate, Position, Resync
from monitoring.engine.rules import process, readings, refuse
from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.snapshot import UNKNOWN_SYMBOLS_KEPT, AccountState, Snapshot
from tests.monitoring.engine.conftest import DAILY, STATIC, T0, Desk, document, kinds
from tests.monitoring.engine.trade import close_position, desk_of, open_position


def position(ident: str = "pos_1", volume: float = 1.0) -> Position:
    return Position(id=ident, symbol="EURUSD", type="BUY", volume=volume)


def test_figures_are_exact_minor_units(desk: Desk) -> None:
    desk.update(98750.25, balance=100000.1, credit=500.05)
    account = desk.account
    assert (account.balance, account.equity, account.credit) == (10000010, 9825020, 50005)
    assert account.platform_equity == 9875025
    assert account.floating == 9875025 - 10000010 - 50005
    assert account.profit == 10


def test_quiet_updates_are_read_exactly_later(desk: Desk) -> None:
    for cents in range(50):
        desk.update(99000 + cents / 100)
    assert desk.account.equity == 9900049
    assert desk.account.last_seq == 50
    assert desk.snapshot.counts.applied == 50


def test_a_late_frame_changes_nothing_and_is_counted(desk: Desk) -> None:
    desk.update(99000)
    desk.update(99500)
    late = AccountUpdate(account_id="acc_1", ts=T0, seq=1, data=AccountFigures(balance=1, equity=1))
    again = AccountUpdate(account_id="acc_1", ts=desk.now, seq=2, data=AccountFigures(balance=1, equity=1))
    assert not desk.send(late)
    assert not desk.send(again)
    assert (desk.snapshot.counts.late, desk.snapshot.counts.repeated) == (1, 1)
    assert desk.account.equity == 9950000


def test_without_seq_time_and_event_id_decide(desk: Desk) -> None:
    figures = AccountFigures(balance=100000, equity=99000)
    first = AccountUpdate(account_id="acc_1", ts=T0, event_id="e1", data=figures)
    older = AccountUpdate(account_id="acc_1", ts=T0 - timedelta(seconds=1), event_id="e0", data=figures)
    for message in (first, first, older):
        desk.send(message)
    assert (desk.snapshot.counts.applied, desk.snapshot.counts.repeated, desk.snapshot.counts.late) == (1, 1, 1)


def test_a_gap_is_applied_and_asks_for_a_resync(desk: Desk) -> None:
    desk.update(99000)
    desk.seq += 3
    desk.update(98000)
    assert desk.account.equity == 9800000
    assert desk.snapshot.counts.gaps == 1
    assert desk.snapshot.drain_gaps() == {"acc_1"}
    assert desk.snapshot.gaps == set()


def test_frames_of_unknown_accounts_are_counted(desk: Desk) -> None:
    update = AccountUpdate(account_id="acc_9", ts=T0, data=AccountFigures(balance=1, equity=1))
    assert not desk.send(update)
    assert desk.snapshot.unknown == {"acc_9"}
    assert desk.snapshot.counts.unknown_account == 1
    desk.snapshot.add("acc_9", desk.rule_set)
    assert desk.snapshot.unknown == set()


def test_changed_accounts_are_drained_once(desk: Desk) -> None:
    assert desk.snapshot.drain_dirty() == [desk.account]
    assert desk.snapshot.drain_dirty() == []
    desk.update(99000)
    desk.update(99001)
    assert desk.snapshot.drain_dirty() == [desk.account]
    desk.snapshot.remove("acc_1")
    assert desk.snapshot.drain_dirty() == []


def test_positions_are_held_changed_and_closed(desk: Desk) -> None:
    desk.send(messages.PositionOpened(account_id="acc_1", ts=T0, data=position()))
    desk.send(messages.PositionOpened(account_id="acc_1", ts=T0, data=position("pos_2", 3.0)))
    assert desk.account.open_positions == 2
    partly = messages.ClosedPosition(id="pos_2", symbol="EURUSD", type="BUY", volume=3.0, remaining_volume=1.0)
    desk.send(messages.PositionClosed(account_id="acc_1", ts=T0, data=partly))
    assert desk.account.positions["pos_2"].volume == 1.0
    for ident in ("pos_1", "pos_2"):
        closed = messages.ClosedPosition(id=ident, symbol="EURUSD", type="BUY", volume=1.0)
        desk.send(messages.PositionClosed(account_id="acc_1", ts=T0, data=closed))
    assert desk.account.is_flat
    assert desk.account.positions == {}


def test_figures_that_are_no_money_are_refused_and_leave_the_account_unharmed(desk: Desk) -> None:
    desk.update(99000)
    events = desk.update(float("nan"))
    assert kinds(events) == ["refused"]
    assert desk.snapshot.counts.refused == {"not_finite": 1}
    assert desk.account.equity == 9900000
    assert {reading.state for reading in readings(desk.account, desk.now)} == {"unknown"}
    desk.seq -= 1
    desk.update(99000)
    assert {reading.state for reading in readings(desk.account, desk.now)} == {"ok"}


def test_a_refused_frame_makes_readings_unknown_until_the_next_good_one(desk: Desk) -> None:
    desk.update(99000)
    assert kinds(refuse(desk.snapshot, desk.account, "bad_json", "no JSON", desk.now)) == ["refused"]
    assert not refuse(desk.snapshot, desk.account, "bad_json", "no JSON", desk.now), "told once, counted always"
    assert desk.snapshot.counts.refused == {"bad_json": 2}
    reading = readings(desk.account, desk.now)[0]
    assert reading.state == "unknown"
    assert "no JSON" in reading.reason
    desk.update(99000)
    assert readings(desk.account, desk.now)[0].state == "ok"


def resync(desk: Desk, equity: float, seq: int, **more: object) -> Resync:
    figures = AccountFigures(balance=100000, equity=equity)
    return Resync(account_id="acc_1", ts=desk.now, data=figures, positions=(), seq=seq, **more)  # type: ignore[arg-type]


def test_a_resync_replaces_what_is_known_and_is_judged(desk: Desk) -> None:
    desk.update(99000, open_positions=2)
    desk.send(messages.PositionOpened(account_id="acc_1", ts=desk.now, seq=2, data=position()))
    events = desk.send(resync(desk, 94000, 7, locked=True, lock_reason="by hand"))
    assert kinds(events) == ["breached"]
    account = desk.account
    assert (account.positions, account.open_positions, account.last_seq) == ({}, 0, 7)
    assert (account.locked, account.lock_reason) == (True, "by hand")
    desk.seq = 7
    desk.update(94100)
    assert desk.snapshot.counts.gaps == 0


def test_a_resync_older_than_the_newest_update_is_not_judged(desk: Desk) -> None:
    for equity in (99000, 99500, 99600):
        desk.update(equity)
    assert not desk.send(resync(desk, 94000, 2, locked=True))
    assert desk.account.equity == 9960000
    assert desk.account.locked, "the lock is still the newest word on it"


def test_a_new_link_may_number_anew(desk: Desk) -> None:
    for equity in (99000, 99500, 99600):
        desk.update(equity)
    desk.send(messages.Link(ts=desk.now, state="disconnected"))
    desk.send(messages.Link(ts=desk.now, state="connected"))
    desk.send(resync(desk, 98000, 1))
    assert (desk.account.equity, desk.account.last_seq) == (9800000, 1)
    assert desk.account.link == "connected"


@pytest.mark.parametrize("newest", [500, 1 << 52], ids=["a restart", "one wild number"])
def test_an_upstream_that_numbers_anew_in_the_middle_is_followed(desk: Desk, newest: int) -> None:
    desk.seq = newest - 1
    desk.update(100000)
    desk.snapshot.drain_gaps()
    desk.seq = 6
    assert not desk.update(94000), "late by its number"
    assert desk.snapshot.drain_gaps() == {"acc_1"}, "later all the same: the truth is asked for"
    assert not desk.send(resync(desk, 94000, 7)), "one reading may have crossed with a frame"
    desk.update(94000, after=5)
    assert desk.snapshot.drain_gaps() == {"acc_1"}
    assert kinds(desk.send(resync(desk, 94000, 8))) == ["breached"]
    desk.update(94100)
    assert (desk.account.last_seq, desk.snapshot.drain_gaps()) == (9, set())


def test_an_account_can_be_told_to_wait_for_a_person(desk: Desk) -> None:
    desk.account.hold_for_review("beyond a floor at adoption")
    assert not desk.update(80000)
    assert not desk.account.breached
    assert readings(desk.account, desk.now)[0].state == "breached", "the level is shown, nothing is done"
    desk.account.release()
    assert kinds(desk.update(80000)) == ["breached"]


def test_state_survives_msgpack_with_a_breach_in_it(desk: Desk) -> None:
    desk.update(94000)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(desk.account.dump()), type=AccountState)
    other = Snapshot()
    restored = other.add("acc_1", desk.rule_set, challenge="c1", state=state)
    assert restored.breach_event == desk.account.breach_event
    later = AccountUpdate(account_id="acc_1", ts=desk.now, seq=2, data=AccountFigures(balance=100000, equity=93000))
    assert not process(other, later), "the latch holds"
    assert restored.lowest_equity == 9300000


def test_a_state_of_other_rules_is_adapted_to_these(desk: Desk) -> None:
    desk.update(96000)
    other = parse_rule_set(document(STATIC, DAILY | {"amount": {"percent": "4", "of": "initial"}}, version=4))
    account = Snapshot().add("acc_1", other, state=desk.account.dump())
    assert (account.state.rule_set_version, account.state.generation) == (4, 1)
    assert [(memory.of, memory.step) for memory in account.state.rules] == [
        ("max_loss:static#0", 0),
        ("daily_loss#0", 1),
    ]


def test_a_state_of_another_version_of_the_same_limits_only_takes_its_number(desk: Desk) -> None:
    account = Snapshot().add("acc_1", parse_rule_set(document(version=4)), state=desk.account.dump())
    assert (account.state.rule_set_version, account.state.generation) == (4, 0)


def of_the_release_before(desk: Desk) -> AccountState:
    """The account's state without what that release did not write."""
    state = desk.account.dump()
    state.rule_set_digest, state.others = "", []
    for memory in state.rules:
        memory.of = ""
    return state


def test_a_state_of_the_release_before_under_rules_that_were_changed_meanwhile(desk: Desk) -> None:
    """What the account has been through stays; loss rules are the same ones where there are as many."""
    trailing = STATIC | {"mode": "trailing", "high_water": "equity_intraday"}
    desk = Desk(parse_rule_set(document(DAILY, trailing)))
    desk.update(104000)
    desk.send(messages.Link(ts=desk.now, state="connected"))
    desk.update(95900)
    tighter = DAILY | {"amount": {"percent": "4.9", "of": "initial"}}
    account = Snapshot().add("acc_1", parse_rule_set(document(tighter, trailing, version=4)),
                             state=of_the_release_before(desk))  # fmt: skip
    assert [(memory.of, memory.high, memory.step) for memory in account.state.rules] == [
        ("daily_loss#0", 10000000, 1), ("max_loss:trailing:equity_intraday#0", 10400000, 1),
    ]  # fmt: skip
    desk.update(94000)
    assert desk.account.breached
    account = Snapshot().add("acc_1", parse_rule_set(document(DAILY, version=5)), state=of_the_release_before(desk))
    assert account.breached
    assert [(memory.of, memory.high) for memory in account.state.rules] == [("daily_loss#0", 10000000)]
    assert account.equity == 9400000


def test_a_state_that_does_not_say_whose_memory_it_is_serves_its_own_version(desk: Desk) -> None:
    desk.update(96000)
    state = of_the_release_before(desk)
    others = ({"rule": "max_positions", "positions": 3}, {"rule": "inactivity", "days": 30})
    account = Snapshot().add("acc_1", parse_rule_set(document(DAILY, STATIC, *others)), state=state)
    assert [memory.of for memory in account.state.rules] == ["daily_loss#0", "max_loss:static#0"]
    assert [memory.of for memory in account.state.others] == ["max_positions#0", "inactivity#0"]


def test_an_event_that_no_rule_reads_takes_its_number_only(desk: Desk) -> None:
    desk.update(99000)
    desk.send(messages.AccountNotice(account_id="acc_1", ts=desk.now, seq=2, kind="rule_breach"))
    desk.seq = 2
    desk.update(99100)
    assert desk.snapshot.counts.gaps == 0
    assert desk.account.equity == 9910000


def test_a_resync_that_knows_less_than_the_positions_seen_is_asked_for_again(desk: Desk) -> None:
    desk.update(99000)
    desk.send(messages.PositionOpened(account_id="acc_1", ts=desk.now, seq=2, data=position()))
    desk.seq = 2
    desk.update(99100)
    desk.send(resync(desk, 99000, 1))
    assert desk.account.open_positions == 1
    assert desk.snapshot.gaps == {"acc_1"}


def test_a_repeated_event_id_changes_nothing_whatever_its_number(desk: Desk) -> None:
    desk.update(99000)
    figures = messages.BalanceFigures(kind="withdrawal", amount=-1000)
    for seq in (2, 3):
        desk.send(messages.BalanceOperation(account_id="acc_1", ts=desk.now, seq=seq, event_id="e_140", data=figures))
    assert (desk.account.balance, desk.account.profit) == (9900000, 0)
    for seq, equity in ((4, 98000), (5, 80000)):
        data = AccountFigures(balance=99000, equity=equity)
        sent = AccountUpdate(account_id="acc_1", ts=desk.now, seq=seq, event_id="e_141", data=data)
        assert not desk.send(sent)
    assert (desk.account.equity, desk.account.last_seq) == (9800000, 5)
    assert (desk.snapshot.counts.repeated, desk.snapshot.counts.gaps) == (2, 0)


def test_a_server_that_numbers_anew_may_use_its_ids_anew(desk: Desk) -> None:
    figures = messages.BalanceFigures(kind="deposit", amount=1000)
    operation = messages.BalanceOperation(account_id="acc_1", ts=T0, seq=5, event_id="e_1", data=figures)
    desk.send(operation)
    desk.send(messages.Link(ts=desk.now, state="connected"))
    desk.send(resync(desk, 100000, 0))
    desk.send(msgspec.structs.replace(operation, seq=1))
    assert desk.account.balance == 10100000


def test_a_dump_does_not_change_with_the_account() -> None:
    desk = desk_of({"rule": "max_lots_per_position", "lots": "1", "consequence": "close"},
                   {"rule": "stop_loss_required", "within_seconds": 60},
                   {"rule": "symbols", "deny": ["BTCUSD"]})  # fmt: skip
    desk.update(100000)
    open_position(desk, "p1", volume=2)
    before = desk.account.dump()
    kept = msgspec.msgpack.encode(before)
    for name in ("p2", "p3"):
        open_position(desk, name, volume=2, symbol="Quux")
    close_position(desk, "p1")
    desk.tick(86400)
    assert msgspec.msgpack.encode(before) == kept
    assert msgspec.msgpack.encode(desk.account.dump()) != kept


def test_names_told_as_unknown_are_known_to_a_restored_snapshot() -> None:
    desk = desk_of({"rule": "symbols", "deny": ["BTCUSD"]})
    desk.update(100000)
    open_position(desk, "p1", symbol="Quux")
    later = Snapshot()
    later.add("acc_1", desk.rule_set, state=desk.account.dump())
    assert later.unknown_symbols == {"Quux"}


def test_an_upstream_that_makes_up_names_fills_no_memory() -> None:
    """The first ones are kept; those behind them come once the table has these."""
    desk = desk_of({"rule": "symbols", "deny": ["BTCUSD"]})
    desk.update(100000)
    for n in range(UNKNOWN_SYMBOLS_KEPT + 40):
        assert kinds(open_position(desk, f"p{n}", symbol=f"Quux.{n}")) == ["refused"]
        close_position(desk, f"p{n}")
    first = {f"Quux.{n}" for n in range(UNKNOWN_SYMBOLS_KEPT)}
    assert desk.snapshot.unknown_symbols == first
    desk.send(messages.Market(ts=desk.now, revision="r1", symbols=dict.fromkeys(first, "EURUSD")))
    assert desk.snapshot.unknown_symbols == {f"Quux.{UNKNOWN_SYMBOLS_KEPT + n}" for n in range(40)}


def test_what_is_remembered_of_closed_positions_is_bounded() -> None:
    desk = desk_of({"rule": "trading_hours", "zone": "UTC", "windows": [
        {"days": ["sun"], "from": "00:00", "to": "01:00"}]}, {"rule": "symbols", "deny": ["EURUSD"]})  # fmt: skip
    desk.update(100000)
    for n in range(300):
        open_position(desk, f"p{n}")
        close_position(desk, f"p{n}")
    state = desk.account.dump()
    assert len(state.gone) == 64
    assert all(len(memory.told) <= 1 for memory in state.others)
    assert len(msgspec.msgpack.encode(state)) < 8000


def test_a_state_of_the_release_before_is_not_called_idle() -> None:
    desk = Desk(parse_rule_set(document()))
    desk.update(99000)
    state = desk.account.dump()
    state.rule_set_digest, state.idle_from, state.created_at = "", None, None
    idle = parse_rule_set(document(DAILY, STATIC, {"rule": "inactivity", "days": 2}))
    created = desk.now - timedelta(days=40)
    desk.account = desk.snapshot.add("acc_1", idle, challenge="c1", state=state, created=created)
    assert kinds(desk.update(99000)) == []
    assert desk.account.state.created_at == created

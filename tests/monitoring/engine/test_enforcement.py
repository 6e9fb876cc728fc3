"""Decisions are pure, carry the event's key, and repeat themselves until the upstream shows what must be."""

from __future__ import annotations

from datetime import UTC, datetime

from monitoring.engine import messages
from monitoring.engine.enforcement import CommandKind, decide, lock_event_key, outstanding
from monitoring.engine.messages import LockFigures
from monitoring.engine.ruleset import parse_rule_set
from tests.monitoring.engine.conftest import DAILY, Desk, document
from tests.monitoring.engine.trade import close_position, desk_of, open_position

CLOSE, LOCK, UNLOCK = CommandKind.CLOSE_ALL, CommandKind.LOCK, CommandKind.UNLOCK
SOFT = DAILY | {"consequence": "pause"}
MIDNIGHT = datetime(2026, 6, 11, tzinfo=UTC)


def lock(desk: Desk, reason: str, until: datetime | None = None) -> None:
    figures = LockFigures(reason=reason, until=until)
    desk.seq += 1
    desk.send(messages.AccountLocked(account_id="acc_1", ts=desk.now, seq=desk.seq, data=figures))


def test_a_fail_closes_everything_and_locks_for_good(desk: Desk) -> None:
    (event,) = desk.update(94000, open_positions=2)
    close, locked = decide(event, desk.account)
    assert (close.kind, close.key) == (CLOSE, "acc_1:c1:0:breached:fail:close_all")
    assert (locked.kind, locked.until) == (LOCK, None)
    assert lock_event_key(locked.reason) == event.key
    assert outstanding(desk.account) == (close, locked)


def test_what_is_done_is_not_asked_again(desk: Desk) -> None:
    (event,) = desk.update(94000, open_positions=2)
    _, command = decide(event, desk.account)
    lock(desk, command.reason)
    assert [left.kind for left in outstanding(desk.account)] == [CLOSE]
    desk.update(94000, open_positions=0)
    assert outstanding(desk.account) == ()
    desk.update(94000, open_positions=1)
    assert [left.kind for left in outstanding(desk.account)] == [CLOSE], "level-triggered: it must stay flat"


def test_a_pause_locks_until_the_reset_and_our_own_lock_is_lifted_after_it() -> None:
    desk = Desk(parse_rule_set(document(SOFT)))
    (event,) = desk.update(94000, open_positions=0)
    command = decide(event, desk.account)[1]
    assert command.until == MIDNIGHT
    lock(desk, command.reason, MIDNIGHT)
    assert outstanding(desk.account) == ()
    desk.tick(86400)
    (unlock,) = outstanding(desk.account)
    assert (unlock.kind, unlock.event_key) == (UNLOCK, event.key)


def test_a_lock_of_somebody_else_is_left_alone() -> None:
    desk = Desk(parse_rule_set(document(SOFT)))
    desk.update(94000, open_positions=0)
    lock(desk, "by the firm, for other reasons")
    assert outstanding(desk.account) == ()
    desk.tick(86400)
    assert outstanding(desk.account) == ()


def test_a_lock_that_ends_too_early_is_set_again(desk: Desk) -> None:
    desk.update(94000, open_positions=0)
    lock(desk, "until midnight only", MIDNIGHT)
    assert [left.kind for left in outstanding(desk.account)] == [LOCK]


def test_under_review_nothing_is_done(desk: Desk) -> None:
    (event,) = desk.update(94000, open_positions=2)
    desk.account.hold_for_review("adopted beyond a floor")
    assert decide(event, desk.account) == ()
    assert outstanding(desk.account) == ()


def test_a_warning_demands_nothing(desk: Desk) -> None:
    (event,) = desk.update(95900)
    assert decide(event, desk.account) == ()
    assert outstanding(desk.account) == ()


def test_a_violation_that_closes_names_its_positions_until_they_are_gone() -> None:
    desk = desk_of({"rule": "max_positions", "positions": 1, "consequence": "close"})
    desk.update(100000)
    open_position(desk, "p1")
    (event,) = open_position(desk, "p2")
    (command,) = decide(event, desk.account)
    assert (command.kind, command.position, command.event_key) == (CommandKind.CLOSE_POSITION, "p2", event.key)
    assert command.key == f"{event.key}:close:p2"
    assert lock_event_key(command.reason) == event.key
    assert outstanding(desk.account) == (command,)
    close_position(desk, "p2")
    assert outstanding(desk.account) == decide(event, desk.account) == ()


def test_a_flag_demands_nothing() -> None:
    desk = desk_of({"rule": "max_positions", "positions": 1})
    desk.update(100000)
    open_position(desk, "p1")
    (event,) = open_position(desk, "p2")
    assert decide(event, desk.account) == outstanding(desk.account) == ()


def test_where_all_must_be_closed_nothing_is_closed_alone() -> None:
    desk = desk_of(
        {"rule": "max_positions", "positions": 1, "consequence": "close"},
        {"rule": "max_lots_per_position", "lots": "2", "consequence": "fail"},
    )
    desk.update(100000)
    open_position(desk, "p1")
    violated, breached = open_position(desk, "p2", volume=3)
    assert decide(violated, desk.account) == ()
    assert [command.kind for command in decide(breached, desk.account)] == [CLOSE, LOCK]
    assert [command.kind for command in outstanding(desk.account)] == [CLOSE, LOCK]


def test_no_violation_is_enforced_under_review() -> None:
    desk = desk_of({"rule": "max_positions", "positions": 1, "consequence": "close"})
    desk.update(100000)
    open_position(desk, "p1")
    (event,) = open_position(desk, "p2")
    desk.account.hold_for_review("a dispute")
    assert decide(event, desk.account) == outstanding(desk.account) == ()

"""What time alone brings about: each at its own instant, in their order, and only by data that was good then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.engine.messages import Clock, Link
from monitoring.engine.rules import process
from tests.monitoring.engine.conftest import DAILY, Desk, kinds
from tests.monitoring.engine.trade import desk_of, go, open_position

FLAT: dict[str, Any] = {"rule": "flat_by", "day": "wed", "time": "21:55", "zone": "UTC", "warn_minutes": 30,
                        "consequence": "flag"}  # fmt: skip
STOP: dict[str, Any] = {"rule": "stop_loss_required", "within_seconds": 7200}
IDLE: dict[str, Any] = {"rule": "inactivity", "days": 2, "consequence": "flag"}


def test_resets_deadlines_stops_and_idle_spells_come_in_the_order_of_their_instants() -> None:
    desk = desk_of(FLAT, STOP, IDLE)
    desk.update(100000)
    open_position(desk, "p1", opened=desk.now)
    events = desk.tick(3 * 86400)
    assert [(event.event.value, event.rule, f"{event.at:%d %H:%M}") for event in events] == [
        ("violated", "stop_loss_required", "10 11:00"),
        ("warned", "flat_by", "10 21:25"),
        ("violated", "flat_by", "10 21:55"),
        ("day_started", None, "11 00:00"),
        ("day_started", None, "12 00:00"),
        ("violated", "inactivity", "12 09:00"),
        ("day_started", None, "13 00:00"),
    ]


def test_a_reset_comes_before_what_is_due_at_its_very_instant() -> None:
    desk = desk_of(FLAT | {"day": "thu", "time": "00:00", "warn_minutes": 0})
    desk.update(100000)
    open_position(desk, "p1")
    go(desk, "2026-06-11T00:00:00+00:00")
    assert kinds(desk.tick(0)) == ["day_started", "violated"]


@pytest.mark.parametrize("ahead", [0, 600])
def test_a_stop_due_at_a_deadline_is_missed_only_after_it(ahead: int) -> None:
    """However the messages fall, and although its rule comes first in the document."""
    desk = desk_of(STOP, FLAT | {"warn_minutes": 0})
    desk.update(100000)
    deadline = datetime(2026, 6, 10, 21, 55, tzinfo=UTC)
    desk.now = deadline - timedelta(hours=2, seconds=1)
    open_position(desk, "p1", opened=desk.now + timedelta(seconds=1))
    desk.now = deadline
    events = [*desk.tick(ahead), *desk.tick(1)]
    assert [(event.rule, event.at) for event in events] == [("flat_by", deadline), ("stop_loss_required", deadline)]


def test_a_frame_moves_the_time_of_its_own_account_only() -> None:
    desk = desk_of(FLAT)
    other = desk.snapshot.add("acc_2", desk.rule_set)
    desk.update(100000)
    open_position(desk, "p1")
    desk.now = datetime(2026, 6, 10, 21, 54, 59, tzinfo=UTC)
    assert kinds(desk.update(100000)) == ["warned", "violated"]
    assert other.state.day is None
    assert not process(desk.snapshot, Clock(ts=desk.now)), "told already, by the account's own time"


def test_what_falls_into_a_stale_spell_is_judged_with_the_first_fresh_message_if_it_still_holds() -> None:
    desk = desk_of(FLAT, stale_after=30)
    desk.update(100000)
    open_position(desk, "p1")
    desk.now = datetime(2026, 6, 10, 21, 30, tzinfo=UTC)
    assert kinds(desk.tick(0)) == ["stale"], "nobody knew at 21:25 what was open"
    desk.now = datetime(2026, 6, 10, 22, 10, tzinfo=UTC)
    fresh, late = desk.update(100000)
    assert (fresh.event, late.event, late.at) == ("fresh", "violated", desk.now)


def test_what_no_longer_holds_is_not_told() -> None:
    desk = desk_of(FLAT, stale_after=30)
    desk.update(100000)
    open_position(desk, "p1")
    desk.now = datetime(2026, 6, 11, 8, tzinfo=UTC)
    assert kinds(desk.update(100000)) == ["day_started"]


def test_the_message_that_ends_the_silence_is_no_proof_of_what_was_before() -> None:
    desk = desk_of(IDLE, stale_after=30)
    desk.update(100000)
    assert kinds(desk.update(100000, after=3 * 86400))[-1] == "violated"
    (told,) = [event for event in desk.snapshot.drain_dirty() if event is desk.account]
    assert told.state.others[0].open


def test_a_flat_account_on_a_living_link_is_judged_at_the_instant() -> None:
    desk = desk_of(IDLE, stale_after=30)
    desk.update(100000)
    began = desk.now
    desk.now = began + timedelta(days=2) - timedelta(seconds=5)
    desk.send(Link(ts=desk.now, state="alive"))
    (event,) = (event for event in desk.tick(6) if event.rule)
    assert event.at == began + timedelta(days=2)


def test_nothing_is_judged_in_review_and_the_idle_count_stands_still() -> None:
    desk = desk_of(IDLE, FLAT)
    desk.update(100000)
    open_position(desk, "p1")
    opened = desk.now
    desk.account.hold_for_review("a dispute", desk.now + timedelta(hours=1))
    assert set(kinds(desk.tick(86400))) == {"day_started"}
    assert not open_position(desk, "p2", opened=opened)
    desk.account.release(desk.now)
    assert not desk.update(100000)
    assert desk.account.state.idle_from == opened + timedelta(hours=23, seconds=1)
    left = desk.account.state.due
    assert left is not None
    assert left - opened > timedelta(days=2, hours=22)


@pytest.mark.parametrize("looked_at", [True, False])
def test_what_is_due_after_a_review_bears_its_own_instant(looked_at: bool) -> None:
    """Whether or not a message came meanwhile, and also if nobody looks before a later message."""
    desk = desk_of(IDLE)
    desk.update(100000)
    began = desk.now
    desk.tick(2 * 86400 - 70)
    desk.account.hold_for_review("a dispute", desk.now)
    desk.tick(80 if looked_at else 0)
    desk.account.release(began + timedelta(days=2, seconds=20))
    (event,) = (event for event in desk.tick(600) if event.rule)
    assert event.at == began + timedelta(days=2, seconds=90)


def test_what_was_due_in_a_review_waits_for_the_message_after_it() -> None:
    desk = desk_of(FLAT)
    desk.update(100000)
    open_position(desk, "p1")
    go(desk, "2026-06-10T21:54:59+00:00")
    desk.update(100000, after=0)
    desk.account.hold_for_review("a dispute", desk.now)
    desk.account.release(desk.now + timedelta(seconds=5))
    events = desk.update(100000, after=10)
    assert [(event.event, event.at) for event in events] == [("violated", desk.now)]


def test_after_a_fail_time_brings_only_days() -> None:
    desk = desk_of(DAILY, FLAT, STOP, IDLE)
    desk.update(100000)
    open_position(desk, "p1")
    assert kinds(desk.update(94000)) == ["breached"]
    assert set(kinds(desk.tick(10 * 86400))) == {"day_started"}
    assert desk.account.state.due is None


def test_a_quiet_update_at_the_instant_is_not_overlooked() -> None:
    desk = desk_of(STOP)
    desk.update(100000)
    open_position(desk, "p1", opened=desk.now)
    desk.update(100000)
    desk.now = datetime(2026, 6, 10, 11, 0, 0, 999999, tzinfo=UTC)
    assert not desk.update(100000, after=0)
    assert not desk.update(100000, after=0.000001)
    assert kinds(desk.update(100000, after=0.000001)) == ["violated"]


def test_a_challenge_that_is_older_than_our_watch_is_idle_from_when_we_began(desk: Desk) -> None:
    desk = desk_of(IDLE)
    account = desk.snapshot.add("acc_1", desk.rule_set, created=desk.now - timedelta(days=30))
    desk.account = account
    assert not desk.update(100000)
    assert account.state.created_at == desk.now - timedelta(days=30, seconds=1)
    assert "violated" in kinds(desk.tick(2 * 86400))

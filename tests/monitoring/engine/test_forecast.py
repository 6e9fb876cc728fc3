"""The reset preview says what a reset at this moment would bring about, and changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitoring.engine.messages import AccountUpdate
from monitoring.engine.rules import levels, process
from monitoring.engine.rules.forecast import at_reset, worst_at_reset
from monitoring.engine.rules.timers import advance
from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.snapshot import Account, Snapshot
from monitoring.engine.snapshot.state import AccountState
from tests.monitoring.engine.conftest import DAILY, STATIC, Desk, document
from tests.monitoring.engine.generate import STARTS, Step, World, as_sent, documents, steps

relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


def after_a_reset(account: Account) -> list[tuple[Any, ...]]:
    """What a copy of the account says after the reset that it waits for came right now."""
    stored = msgspec.msgpack.encode(account.dump())
    state = msgspec.msgpack.decode(stored, type=AccountState)
    copy = Snapshot().add(account.id, account.rule_set, state=state)
    assert state.next_reset is not None
    advance(copy, state.next_reset)
    return [(level.rule.index, level.floor, level.measured, level.crossed) for level in levels(copy)]


@given(documents, st.sampled_from(STARTS), steps, st.booleans())
@settings(relaxed, max_examples=300)
def test_the_forecast_is_what_a_copy_says_after_a_real_reset(
    rules: dict[str, Any], start: str, sequence: list[Step], numbered: bool
) -> None:
    world = World(rules, start, numbered=numbered)
    snapshot = Snapshot()
    account = snapshot.add("acc_1", parse_rule_set(rules))
    for step in sequence:
        message, _ = world.message(step)
        process(snapshot, as_sent(message))
        before = msgspec.msgpack.encode(account.dump())
        forecast = at_reset(account)
        assert msgspec.msgpack.encode(account.dump()) == before, "a look changes nothing"
        worst = worst_at_reset(account, levels(account) if account.figures else [])
        if account.figures is None:
            assert (forecast, worst) == ((), None)
        elif isinstance(message, AccountUpdate):
            assert [(one.index, one.floor, one.measured, one.crossed) for one in forecast] == after_a_reset(account)
            assert all(one.room == one.measured - one.floor for one in forecast)
            least = min(forecast, key=lambda one: one.room)
            assert worst == (least.room, least.floor, any(one.crossed for one in forecast))


def test_the_overnight_trap_shows_before_the_reset() -> None:
    desk = Desk(parse_rule_set(document(DAILY, STATIC, initial_balance="200000.00")))
    desk.update(191000, balance=204000)
    daily, static = at_reset(desk.account)
    assert levels(desk.account)[0].floor == 19000000
    assert (daily.floor, daily.measured, daily.room, daily.crossed) == (19400000, 19100000, -300000, True)
    assert (daily.rule, daily.consequence, daily.operator) == ("daily_loss", "fail", "<")
    assert (static.floor, static.crossed) == (18000000, False)


@pytest.mark.parametrize(("operator", "crossed"), [("<", False), ("<=", True)])
def test_at_the_floor_the_operator_decides(operator: str, crossed: bool) -> None:
    desk = Desk(parse_rule_set(document(DAILY | {"operator": operator})))
    desk.update(99000, balance=104000)
    assert at_reset(desk.account)[0].floor == 9900000
    assert at_reset(desk.account)[0].crossed is crossed


def test_nothing_is_said_before_the_first_figures(desk: Desk) -> None:
    assert at_reset(desk.account) == ()

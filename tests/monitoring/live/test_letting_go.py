"""What is no longer asked of an account: a pause that ended, positions that may stay; and an unlock that is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.engine.messages import Clock
from monitoring.engine.rules import change_rules, process
from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.snapshot import Account
from tests.monitoring.live.test_closing import CLOSE_NEW
from tests.monitoring.live.test_closing import Desk as ClosingDesk
from tests.monitoring.live.test_enforcer import ACCOUNT, RULES, Desk
from tests.monitoring.upstream.fxsocket.fake import FakeUpstream, row
from tests.waiting import aeventually

PAUSING: dict[str, Any] = {**RULES, "rules": [{**RULES["rules"][0], "consequence": "pause"}], "stale_after": 10**6}


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    upstream = FakeUpstream()
    await upstream.start()
    made = Desk(upstream)
    made.rule_set = parse_rule_set(PAUSING)
    yield made
    await made.enforcer.close()
    await made.site.execution.close()
    await upstream.stop()


@pytest.fixture
async def closing() -> AsyncIterator[ClosingDesk]:
    upstream = FakeUpstream()
    await upstream.start()
    made = ClosingDesk(upstream)
    yield made
    await made.enforcer.close()
    await made.site.execution.close()
    await upstream.stop()


def lock_by_us(desk: Desk, account: Account) -> None:
    """From now on the upstream shows the account flat, solvent and locked by us."""
    assert account.pause_event is not None
    desk.upstream.positions[ACCOUNT] = []
    reason = f"RiskDesk {account.pause_event.key}"
    desk.upstream.accounts[ACCOUNT] = row(ACCOUNT, locked=True, lock_reason=reason, seq=20)


def end_pause(desk: Desk, account: Account) -> None:
    """The day ends."""
    assert account.next_reset is not None
    process(desk.site.snapshot, Clock(ts=account.next_reset + timedelta(seconds=1)))
    assert not account.must_be_flat


async def overdue(desk: Desk | ClosingDesk) -> None:
    """Time passes until it is said that something takes too long."""
    await aeventually(lambda: desk.enforcer.warnings(), within=15, what="it is overdue")


async def test_a_pause_that_ended_before_all_was_closed_is_no_longer_overdue(desk: Desk) -> None:
    desk.answer("/close-all", 503, times=1000, Retry_After="0")
    account = await desk.breach()
    await overdue(desk)
    desk.upstream.accounts[ACCOUNT] = row(ACCOUNT, open_positions=1, seq=20)
    end_pause(desk, account)
    await aeventually(lambda: not desk.enforcer.warnings(), within=20, what="nobody waits for it any more")
    assert desk.saved[-1].last_error == "the pause ended before this was done"
    desk.enforcer.sweep()
    assert desk.enforcer.shown["main", ACCOUNT] == ""


async def test_an_account_that_the_upstream_does_not_unlock_is_overdue_until_it_does(desk: Desk) -> None:
    account = await desk.breach()
    lock_by_us(desk, account)
    await aeventually(lambda: desk.saved and desk.saved[-1].state == "locked", what="flat and locked")
    desk.answer("/unlock", 503, times=1000, Retry_After="0")
    end_pause(desk, account)
    desk.enforcer.sweep()
    await overdue(desk)
    [said] = desk.enforcer.warnings()
    assert ACCOUNT in said
    assert "unlock: retry" in said
    assert desk.enforcer.shown["main", ACCOUNT] == "overdue"
    assert desk.saved[-1].state == "locked", "it was flat and locked, whatever comes after"
    desk.upstream.accounts[ACCOUNT] = row(ACCOUNT, seq=30)
    await aeventually(lambda: not desk.enforcer.warnings(), within=20, what="it is unlocked")
    assert (desk.saved[-1].state, desk.saved[-1].last_error) == ("locked", "")
    assert desk.enforcer.shown["main", ACCOUNT] == ""


async def test_what_may_stay_under_other_rules_is_closed_no_more(closing: ClosingDesk) -> None:
    desk = closing
    path = CLOSE_NEW.removeprefix("/")
    desk.upstream.answers[path].extend([(503, {"Retry-After": "0"}, {"error": "terminal_not_ready"})] * 1000)
    account = await desk.violate()
    await overdue(desk)
    change_rules(desk.site.snapshot, ACCOUNT, parse_rule_set(RULES), datetime.now(UTC))  # exempt
    await aeventually(lambda: not desk.enforcer.warnings(), within=20, what="nobody waits for it any more")
    before = desk.upstream.asked(CLOSE_NEW), len(desk.upstream.requests)
    for _ in range(3):
        desk.enforcer.sweep()
        await aeventually(lambda: not desk.enforcer._tasks, what="nothing is left to do")
    assert (desk.upstream.asked(CLOSE_NEW), len(desk.upstream.requests)) == before
    assert desk.last.last_error == "no longer asked for"
    assert desk.enforcer.shown["main", ACCOUNT] == ""
    assert "pos_2" in account.positions

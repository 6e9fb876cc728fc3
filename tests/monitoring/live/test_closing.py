"""Positions that a rule wants closed: single commands until the upstream shows them gone, the account trades on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from monitoring.engine.messages import PositionOpened, Resync
from monitoring.engine.rules import process
from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.snapshot import Account
from monitoring.live.enforcer import Enforcer
from monitoring.live.recorder.records import EnforcementRecord
from monitoring.upstream.fxsocket.decode import canonical_position
from monitoring.upstream.fxsocket.execution import FxSocketExecution
from tests.monitoring.live.book import DOCUMENT
from tests.monitoring.live.test_enforcer import ACCOUNT, RULES, Site
from tests.monitoring.upstream.fxsocket.fake import FakeUpstream, position, row
from tests.waiting import aeventually

LIMITED = {
    **RULES,
    "rules": [*DOCUMENT["rules"], {"rule": "max_lots_total", "lots": "1", "count": "gross", "consequence": "close"}],
}
CLOSE_NEW = f"accounts/{ACCOUNT}/positions/pos_2/close"


class Desk:
    """An account with a lot too many, its newest position to be closed."""

    def __init__(self, upstream: FakeUpstream) -> None:
        self.upstream = upstream
        self.site = Site(FxSocketExecution(upstream.config, connect_s=10.0, total_s=10.0))
        self.saved: list[EnforcementRecord] = []
        self.enforcer = self.again()

    def again(self) -> Enforcer:
        """An enforcer that remembers nothing."""
        return Enforcer(save=self.saved.append, clock=lambda: datetime.now(UTC))

    async def violate(self) -> Account:
        """One position is open, then the second comes."""
        self.upstream.accounts[ACCOUNT] = row(ACCOUNT, open_positions=1)
        self.upstream.positions[ACCOUNT] = [position(1)]
        await self.site.execution.open()
        account = self.site.snapshot.add(ACCOUNT, parse_rule_set(LIMITED), challenge="c1")
        process(self.site.snapshot, await self.site.execution.read_account(ACCOUNT))
        self.upstream.accounts[ACCOUNT] = row(ACCOUNT, open_positions=2, seq=11)
        self.upstream.positions[ACCOUNT] = [position(1), position(2)]
        [opened] = [one for one in await self.site.execution.read_positions(ACCOUNT) if one.id == "pos_2"]
        frame = PositionOpened(account_id=ACCOUNT, ts=datetime.now(UTC), seq=11, data=canonical_position(opened))
        [event] = process(self.site.snapshot, frame)
        assert (event.event, event.consequence, event.positions) == ("violated", "close", ("pos_2",))
        departure = self.enforcer.answer(self.site, account, event)
        if departure is not None:
            self.enforcer.depart(departure, 0.0)
        return account

    def fulfil(self) -> None:
        """From now on the upstream shows the position gone."""
        self.upstream.positions[ACCOUNT] = [position(1)]
        self.upstream.accounts[ACCOUNT] = row(ACCOUNT, open_positions=1, seq=20)

    @property
    def last(self) -> EnforcementRecord:
        return self.saved[-1]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    upstream = FakeUpstream()
    await upstream.start()
    made = Desk(upstream)
    yield made
    await made.enforcer.close()
    await made.site.execution.close()
    await upstream.stop()


async def test_only_what_violates_is_closed_and_that_it_is_gone_is_read_back(desk: Desk) -> None:
    await desk.violate()
    await aeventually(lambda: desk.upstream.asked(CLOSE_NEW) >= 1, what="the close leaves")
    assert desk.saved[0].commands[0]["position"] == "pos_2"
    assert "answered_at" not in desk.saved[0].commands[0], "saved before the answer came"
    desk.fulfil()
    await aeventually(lambda: desk.last.state == "closed", what="proven")
    assert desk.last.flat_at is not None
    assert desk.enforcer.shown["main", ACCOUNT] == "closed"
    asked = {path.partition("?")[0] for method, path, _, _ in desk.upstream.requests if method == "POST"}
    assert asked == {CLOSE_NEW}, "nothing else is closed, and nothing locked"
    desk.enforcer.sweep()
    assert desk.upstream.asked(CLOSE_NEW) == len(desk.last.commands)


async def test_a_refused_close_is_sent_again_until_the_position_is_gone(desk: Desk) -> None:
    desk.upstream.answers[CLOSE_NEW.removeprefix("/")].append((503, {"Retry-After": "0"}, {"error": "no"}))
    await desk.violate()
    await aeventually(lambda: desk.upstream.asked(CLOSE_NEW) >= 2, what="sent again")
    assert len({entry["key"] for entry in desk.last.commands}) == len(desk.last.commands)
    desk.fulfil()
    await aeventually(lambda: desk.last.state == "closed", what="proven")


async def test_dry_run_says_so_and_sends_when_it_is_turned_on(desk: Desk) -> None:
    desk.site.mode = "dry_run"
    await desk.violate()
    desk.enforcer.sweep()
    assert (desk.last.state, desk.upstream.asked(CLOSE_NEW)) == ("dry_run", 0)
    desk.site.mode = "live"
    desk.enforcer.sweep()
    await aeventually(lambda: desk.upstream.asked(CLOSE_NEW) >= 1, what="the close leaves")


async def test_a_restart_goes_on_by_what_the_account_remembers(desk: Desk) -> None:
    """Cut between command and proof; what was sent is known from the journal, and the end is still read."""
    account = await desk.violate()
    await aeventually(lambda: desk.upstream.asked(CLOSE_NEW) >= 1, what="the close leaves")
    await desk.enforcer.close()
    known = desk.last
    desk.enforcer = desk.again()
    desk.enforcer.remember([known])
    desk.enforcer.guard(desk.site, account)
    desk.fulfil()  # before anybody looked
    truth: Resync = await desk.site.execution.read_account(ACCOUNT)
    process(desk.site.snapshot, truth)
    assert not account.state.closing
    desk.enforcer.sweep()
    await aeventually(lambda: desk.last.state == "closed", what="proven by the successor")

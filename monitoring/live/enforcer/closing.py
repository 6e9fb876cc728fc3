"""One violation whose positions have to go: the account trades on, so the proof is that they are no longer there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from monitoring.engine.enforcement import Command, outstanding
from monitoring.engine.messages import Resync
from monitoring.engine.snapshot import Account
from monitoring.live.enforcer.case import Case
from monitoring.live.recorder.records import EnforcementRecord

CLOSED = "closed"


class Closing(Case):
    """The running record of a violation with consequence `close`."""

    def __init__(
        self, record: EnforcementRecord, account: Account, *, due_since: datetime, positions: Iterable[str] = ()
    ) -> None:
        super().__init__(record, account, due_since=due_since)
        asked = [str(entry["position"]) for entry in record.commands if entry.get("position")]
        held = [ident for ident, key in account.state.closing.items() if key == record.event_key]
        self.positions = frozenset([*positions, *asked, *held])

    @property
    def done(self) -> bool:
        """Whether the upstream itself has said that they are gone."""
        return self.record.state == CLOSED

    @property
    def wanted(self) -> bool:
        """Whether any of them still has to go."""
        return not self.positions.isdisjoint(self.account.state.closing)

    @property
    def proves(self) -> bool:
        """Always: they may be gone before anybody has read it."""
        return True

    def commands(self) -> tuple[Command, ...]:
        """What is still to be done about this violation."""
        return tuple(command for command in outstanding(self.account) if command.event_key == self.record.event_key)

    def ends(self, *, proven: bool) -> bool:
        """Gone, or no longer asked for (other rules, a review)."""
        return proven or not self.wanted or bool(self.account.review)

    def saw(self, truth: Resync, at: datetime) -> bool:
        """Take the upstream's word on the account; whether the positions are gone."""
        record = self.record
        left = sum(position.id in self.positions for position in truth.positions)
        if 0 <= left < self.open:
            self.moved_at = at
        self.open = left
        if left == 0 and record.flat_at is None:
            record.flat_at = at
            record.equity_after = self._risk_equity(truth)
        elif left:
            record.flat_at = None
        return left == 0

    def close(self, at: datetime) -> None:
        """The proof is complete, or nobody asks for it any more."""
        self.overdue = False
        if self.record.flat_at is not None:
            self.record.state, self.record.last_error = CLOSED, ""
        else:
            self.let_go()

    def let_go(self) -> None:
        """Other rules, or a review: the positions stay."""
        self.record.last_error = "no longer asked for"


def closes(event_key: str) -> bool:
    """Whether an enforcement is about single positions, by the key of its event."""
    return ":violated:" in event_key

"""Small worlds for engine tests: a rule set, a snapshot with one account, updates told in few words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.engine.events import Event
from monitoring.engine.messages import AccountFigures, AccountUpdate, Clock, Message
from monitoring.engine.rules import process
from monitoring.engine.ruleset import RuleSet, parse_rule_set
from monitoring.engine.snapshot import Account, Snapshot

T0 = datetime(2026, 6, 10, 9, tzinfo=UTC)
DAILY: dict[str, Any] = {
    "rule": "daily_loss",
    "reference": "day_start_balance",
    "amount": {"percent": "5", "of": "initial"},
    "measured": "equity",
    "operator": "<",
    "consequence": "fail",
}
STATIC: dict[str, Any] = {
    "rule": "max_loss",
    "mode": "static",
    "amount": {"percent": "10", "of": "initial"},
    "measured": "equity",
    "operator": "<",
    "consequence": "fail",
}


def document(*rules: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A valid rule set document; `changes` replace its keys."""
    return {
        "version": 3,
        "currency": "USD",
        "initial_balance": "100000.00",
        "reset": {"time": "00:00", "zone": "UTC"},
        "rules": list(rules or (DAILY, STATIC)),
        **changes,
    }


class Desk:
    """One snapshot with one account, and a clock of its own."""

    def __init__(self, rule_set: RuleSet) -> None:
        self.snapshot = Snapshot("main")
        self.rule_set = rule_set
        self.account: Account = self.snapshot.add("acc_1", rule_set, challenge="c1")
        self.now = T0
        self.seq = 0

    def send(self, message: Message) -> Sequence[Event]:
        return process(self.snapshot, message)

    def update(self, equity: float, balance: float = 100000.0, after: float = 1.0, **figures: Any) -> Sequence[Event]:
        """An update `after` seconds later, next in sequence."""
        self.now += timedelta(seconds=after)
        self.seq += 1
        data = AccountFigures(balance=balance, equity=equity, **figures)
        return self.send(AccountUpdate(account_id="acc_1", ts=self.now, seq=self.seq, data=data))

    def tick(self, after: float = 1.0) -> Sequence[Event]:
        self.now += timedelta(seconds=after)
        return self.send(Clock(ts=self.now))


def kinds(events: Sequence[Event]) -> list[str]:
    """The events' words."""
    return [event.event.value for event in events]


@pytest.fixture
def desk() -> Desk:
    return Desk(parse_rule_set(document()))

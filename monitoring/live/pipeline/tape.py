"""What a recording of the live path has to be told, so that replaying it changes a snapshot alike."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from monitoring.engine.messages import Message
from monitoring.engine.ruleset import RuleSet
from monitoring.engine.snapshot import Account
from monitoring.upstream.base import Refusal


class Tape(Protocol):
    """Told in the loop, right after each change of the snapshot and in the order of the changes; must not block."""

    def message(self, message: Message) -> None:
        """`process` took a message: account messages, clock ticks, the link's state, the market's."""

    def watch(self, account: Account) -> None:
        """An account was put into the snapshot, with the state that it has now."""

    def unwatch(self, account_id: str) -> None:
        """An account was taken out."""

    def rules(self, account_id: str, rule_set: RuleSet, at: datetime) -> None:
        """`change_rules` gave a watched account another rule set."""

    def hold(self, account_id: str, reason: str) -> None:
        """The account went to review."""

    def release(self, account_id: str) -> None:
        """The account left the review."""

    def refusal(self, refusal: Refusal, at: datetime) -> None:
        """A frame of a watched account was refused; `refuse` was called with the same words."""

    def set_back(self, at: datetime) -> None:
        """The clock was set back, and the link believes it."""

    def hurry(self) -> None:
        """Something was told of what was taken: the recording should have it soon, whatever becomes of us."""

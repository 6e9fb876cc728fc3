"""What the enforcer needs of one server, and what it hands back to be sent."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from monitoring.engine.enforcement import Command
from monitoring.engine.messages import Resync
from monitoring.engine.snapshot import Snapshot
from monitoring.live.enforcer.case import Case
from monitoring.upstream.base import Execution


class Site(Protocol):
    """What the enforcer needs of one server."""

    name: str
    snapshot: Snapshot
    mode: str  # live | dry_run

    @property
    def execution(self) -> Execution: ...

    def account_key(self, account_id: str) -> int | None:
        """The account's key in the book."""

    def deliver_truth(self, truth: Resync) -> None:
        """Put a REST reading through the pipeline."""


class Departure(NamedTuple):
    """Commands that are decided and noted, with their entries and keys; what is left is to send them."""

    site: Site
    case: Case
    sends: list[tuple[Command, dict[str, Any], str]]

"""The snapshot: every watched account as it stands now, written by one writer only."""

from __future__ import annotations

from monitoring.engine.snapshot.account import Account
from monitoring.engine.snapshot.state import AccountState, Breach, RuleState
from monitoring.engine.snapshot.store import Counts, LinkState, Snapshot

__all__ = ["Account", "AccountState", "Breach", "Counts", "LinkState", "RuleState", "Snapshot"]

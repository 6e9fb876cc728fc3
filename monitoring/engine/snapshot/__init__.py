"""The snapshot: every watched account as it stands now, written by one writer only."""

from __future__ import annotations

from monitoring.engine.snapshot.account import Account
from monitoring.engine.snapshot.almanac import Almanac
from monitoring.engine.snapshot.memory import adapt
from monitoring.engine.snapshot.state import AccountState, Breach, Deal, OtherMemory, RuleState
from monitoring.engine.snapshot.store import UNKNOWN_SYMBOLS_KEPT, Counts, LinkState, Snapshot

__all__ = [
    "UNKNOWN_SYMBOLS_KEPT",
    "Account",
    "AccountState",
    "Almanac",
    "Breach",
    "Counts",
    "Deal",
    "LinkState",
    "OtherMemory",
    "RuleState",
    "Snapshot",
    "adapt",
]

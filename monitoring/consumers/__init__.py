"""The websockets of the pages: thin, no rules, no tables; they read the replica and the gates of accounts."""

from __future__ import annotations

from monitoring.consumers.account import AccountConsumer, OwnAccountsConsumer
from monitoring.consumers.desk import DeskConsumer
from monitoring.consumers.feeds import FeedsConsumer
from monitoring.consumers.pages import AccountPageConsumer, MePageConsumer

__all__ = [
    "AccountConsumer",
    "AccountPageConsumer",
    "DeskConsumer",
    "FeedsConsumer",
    "MePageConsumer",
    "OwnAccountsConsumer",
]

"""The book's tables."""

from accounts.models.audit import AuditEntry
from accounts.models.challenges import Challenge, ChallengeState
from accounts.models.markets import CalendarRevision, Impact, MarketHoliday, NewsAnnouncement, SymbolName
from accounts.models.people import Role, User
from accounts.models.plans import Phase, Plan, RuleSet, RuleSetDraft
from accounts.models.rulebooks import RuleOverride, RuleSetMove
from accounts.models.tokens import ApiToken
from accounts.models.trading import Account, EnforcementMode, Server

__all__ = [
    "Account",
    "ApiToken",
    "AuditEntry",
    "CalendarRevision",
    "Challenge",
    "ChallengeState",
    "EnforcementMode",
    "Impact",
    "MarketHoliday",
    "NewsAnnouncement",
    "Phase",
    "Plan",
    "Role",
    "RuleOverride",
    "RuleSet",
    "RuleSetDraft",
    "RuleSetMove",
    "Server",
    "SymbolName",
    "User",
]

"""The book's tables."""

from accounts.models.audit import AuditEntry
from accounts.models.challenges import Challenge, ChallengeState
from accounts.models.people import Role, User
from accounts.models.plans import Phase, Plan, RuleSet
from accounts.models.trading import Account, EnforcementMode, Server

__all__ = [
    "Account",
    "AuditEntry",
    "Challenge",
    "ChallengeState",
    "EnforcementMode",
    "Phase",
    "Plan",
    "Role",
    "RuleSet",
    "Server",
    "User",
]

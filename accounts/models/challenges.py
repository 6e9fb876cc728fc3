"""One account's run through a plan's phases."""

from __future__ import annotations

from django.db import models

from accounts.models.plans import RuleSet
from accounts.models.trading import Account


class ChallengeState(models.TextChoices):
    """Where a challenge stands."""

    ACTIVE = "active", "Active"
    PAUSED = "paused", "Paused until the reset"
    REVIEW = "review", "In review"
    FAILED = "failed", "Failed"
    PASSED = "passed", "Passed"


class Challenge(models.Model):
    """An account judged by one pinned rule set from `initial_balance` (S, account currency)."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="challenges")
    rule_set = models.ForeignKey(RuleSet, on_delete=models.PROTECT, related_name="challenges")
    initial_balance = models.DecimalField(max_digits=18, decimal_places=2)
    state = models.CharField(max_length=10, choices=ChallengeState.choices, default=ChallengeState.ACTIVE)
    state_reason = models.TextField(blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=models.Q(ended_at=None), name="one_running_challenge_per_account"
            )
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.rule_set}"

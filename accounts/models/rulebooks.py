"""What sets a running challenge apart from the version that it started with: moves and overrides. Append only."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from accounts.models.challenges import Challenge
from accounts.models.plans import RuleSet


class RuleSetMove(models.Model):
    """A running challenge was moved to another version on purpose."""

    challenge = models.ForeignKey(Challenge, on_delete=models.PROTECT, related_name="moves")
    moved_from = models.ForeignKey(RuleSet, on_delete=models.PROTECT, related_name="+")
    moved_to = models.ForeignKey(RuleSet, on_delete=models.PROTECT, related_name="+")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["at"]

    def __str__(self) -> str:
        return f"{self.challenge}: {self.moved_from} -> {self.moved_to}"


class RuleOverride(models.Model):
    """One rule of one challenge set apart from its plan.

    It takes the place of the `ordinal`-th (from 0) rule named `rule` in the pinned document; where the document has
    none, it is added. `replacement` None: the rule does not apply to this challenge. It holds from `starts_at` until
    `ends_at` or until somebody ends it (`ended_at`), whichever comes first.
    """

    challenge = models.ForeignKey(Challenge, on_delete=models.PROTECT, related_name="overrides")
    rule = models.CharField(max_length=40)
    ordinal = models.PositiveSmallIntegerField(default=0)
    replacement = models.JSONField(null=True, blank=True)
    reason = models.TextField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    end_reason = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["starts_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["challenge", "rule", "ordinal"],
                condition=models.Q(ended_at=None),
                name="one_open_override_per_rule",
            )
        ]

    def __str__(self) -> str:
        return f"{self.challenge}: {self.rule}[{self.ordinal}]"

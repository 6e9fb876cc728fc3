"""Plans, their phases, and the rule sets that judge them."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models


class Plan(models.Model):
    """A product that the firm sells."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    preset = models.SlugField(blank=True, default="")  # accounts.presets: what it was made from
    archived_at = models.DateTimeField(null=True, blank=True)  # no longer sold; running challenges go on

    warnings: tuple[str, ...] = ()  # no column: what the engine warned of when this plan was imported

    def __str__(self) -> str:
        return self.name


class Phase(models.Model):
    """One stage of a plan."""

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="phases")
    slug = models.SlugField()
    name = models.CharField(max_length=120)
    order = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["plan", "order"]
        constraints = [
            models.UniqueConstraint(fields=["plan", "slug"], name="phase_slug_once_per_plan"),
            models.UniqueConstraint(fields=["plan", "order"], name="phase_order_once_per_plan"),
        ]

    def __str__(self) -> str:
        return self.name


class RuleSet(models.Model):
    """The limits of a phase, one version; immutable once a challenge is pinned to it.

    `document` is the JSON of `rules.md` section 4 without `initial_balance`, which each challenge brings.
    """

    phase = models.ForeignKey(Phase, on_delete=models.PROTECT, related_name="rule_sets")
    version = models.PositiveIntegerField()
    document = models.JSONField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )  # None: made by RiskDesk itself
    reason = models.TextField(blank=True, default="")  # why the version before was changed
    created_at = models.DateTimeField(auto_now_add=True)

    warnings: tuple[str, ...] = ()  # no column: what the engine warned of when this version was published

    class Meta:
        ordering = ["phase", "version"]
        constraints = [models.UniqueConstraint(fields=["phase", "version"], name="rule_set_version_once_per_phase")]

    def __str__(self) -> str:
        return f"{self.phase} v{self.version}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store the rule set; ValidationError when a challenge already rests on it (PostgreSQL refuses it too)."""
        if self.pk is not None and self._judged():
            raise ValidationError(f"Rule set {self} has judged a challenge: make a new version instead of changing it.")
        super().save(*args, **kwargs)

    def _judged(self) -> bool:
        """Whether a challenge rests on it, or did before it was moved."""
        moves = apps.get_model("accounts", "RuleSetMove")._default_manager
        rests = models.Q(moved_from=self) | models.Q(moved_to=self)
        return self.challenges.exists() or moves.filter(rests).exists()


class RuleSetDraft(models.Model):
    """The next version of a phase's rule set while somebody works on it; may be invalid, judges nobody."""

    phase = models.OneToOneField(Phase, on_delete=models.CASCADE, related_name="draft")
    document = models.JSONField()
    base_version = models.PositiveIntegerField()  # what it was begun from; 0: from nothing
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"draft of {self.phase}"

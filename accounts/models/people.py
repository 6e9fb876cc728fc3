"""People who sign in."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class Role(models.TextChoices):
    """What a user may do; the gates in `permissions` read it."""

    RISK_OFFICER = "risk_officer", "Risk officer"
    HEAD_OF_RISK = "head_of_risk", "Head of risk"
    TRADER = "trader", "Trader"
    AUDITOR = "auditor", "Auditor"


class User(AbstractUser):
    """A person who signs in; exactly one role."""

    role = models.CharField(max_length=20, choices=Role.choices, default=Role.TRADER)
    time_zone = models.CharField(max_length=64, blank=True, default="")

    def __str__(self) -> str:
        return self.username

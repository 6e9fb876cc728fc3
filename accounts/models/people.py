"""People who sign in."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models


class Role(models.TextChoices):
    """What a user may do; the gates in `permissions` read it."""

    RISK_OFFICER = "risk_officer", "Risk officer"
    HEAD_OF_RISK = "head_of_risk", "Head of risk"
    TRADER = "trader", "Trader"
    AUDITOR = "auditor", "Auditor"


class PeopleManager(UserManager["User"]):
    """Users as Django makes them, but who is made with every right is a head of risk, not a trader."""

    def create_superuser(
        self, username: str, email: str | None = None, password: str | None = None, **extra_fields: Any
    ) -> User:
        """The user that `manage.py createsuperuser` makes."""
        extra_fields.setdefault("role", Role.HEAD_OF_RISK)
        return super().create_superuser(username, email, password, **extra_fields)


class User(AbstractUser):
    """A person who signs in; exactly one role."""

    role = models.CharField(max_length=20, choices=Role.choices, default=Role.TRADER)
    time_zone = models.CharField(max_length=64, blank=True, default="")

    changed_by: User | str | None = None  # no column: who is at work, for the audit entry of the next save

    objects: ClassVar[PeopleManager] = PeopleManager()

    def __str__(self) -> str:
        return self.username

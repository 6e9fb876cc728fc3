"""Trading servers and the accounts that live on them."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class EnforcementMode(models.TextChoices):
    """Whether RiskDesk acts on a server or only says what it would do; empty follows the settings."""

    DEFAULT = "", "As configured"
    LIVE = "live", "Live"
    DRY_RUN = "dry_run", "Dry run"


class Server(models.Model):
    """A trading server (an upstream); its key stays in the environment."""

    name = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=32)
    enforcement = models.CharField(max_length=8, choices=EnforcementMode.choices, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class Account(models.Model):
    """A trading account; `public_id` is what URLs and pages use, `upstream_id` what its server calls it."""

    public_id = models.CharField(max_length=160, unique=True)
    server = models.ForeignKey(Server, on_delete=models.PROTECT, related_name="accounts")
    upstream_id = models.CharField(max_length=128)
    login = models.CharField(max_length=64, db_index=True)
    group = models.CharField(max_length=128, blank=True)
    currency = models.CharField(max_length=8, default="USD")
    holder = models.CharField(max_length=200, blank=True)  # the name as the upstream tells it
    trader = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="trading_accounts"
    )
    adopted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["server", "upstream_id"], name="account_once_per_server")]

    def __str__(self) -> str:
        return self.login

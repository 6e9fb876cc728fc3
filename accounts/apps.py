"""The app `accounts`."""

from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """See the README's map."""

    name = "accounts"

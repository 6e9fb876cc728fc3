"""The app `alerts`."""

from __future__ import annotations

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """See the README's map."""

    name = "alerts"

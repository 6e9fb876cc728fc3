"""The app `monitoring`."""

from __future__ import annotations

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """See the README's map."""

    name = "monitoring"

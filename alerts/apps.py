"""The app that tells people."""

from __future__ import annotations

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """Wires alerting into Celery, the desk's fragments and the metrics."""

    name = "alerts"
    default_auto_field = "django.db.models.BigAutoField"

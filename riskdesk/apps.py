"""The project's own app: it carries run_desk, and ties Celery's shared tasks to the broker."""

from __future__ import annotations

from django.apps import AppConfig


class RiskDeskConfig(AppConfig):
    """RiskDesk's top: settings, processes, the Celery application."""

    name = "riskdesk"

    def ready(self) -> None:
        """Load the Celery application, so that `shared_task` finds the broker in every process."""
        import riskdesk.celery  # noqa: F401  # imported for what it does

"""The app that tells people."""

from __future__ import annotations

from typing import Any

from celery.signals import worker_init, worker_ready, worker_shutdown
from django.apps import AppConfig

CRITICAL_QUEUE = "alerts_critical"


class AlertsConfig(AppConfig):
    """Wires alerting into the desk's fragments, Celery's worker and the web's metrics."""

    name = "alerts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Give the desk its rail, every page its count, the worker its sweep, and the web's /metrics its figures."""
        from alerts.deliveries.metrics import AlertCollector
        from alerts.views.rail import count, pushed_rail
        from monitoring.replica import register_fragment
        from monitoring.views.health import add_figures

        register_fragment("alert-rail", pushed_rail, "alerts/_rail.html")
        register_fragment("alert-count", count, "alerts/_count.html")
        add_figures(AlertCollector())
        worker_init.connect(_prepare_transports, dispatch_uid="alerts.prepare")  # before a pool forks
        worker_ready.connect(_start_standby, dispatch_uid="alerts.standby")


def _prepare_transports(**_: object) -> None:
    """In every worker: no alert waits for what its process does only once."""
    from alerts.transports import slack

    slack.prepare()


def _start_standby(sender: Any, **_: object) -> None:
    """In the worker of critical alerts only: sweep without Celery as well."""
    if CRITICAL_QUEUE not in sender.app.amqp.queues.consume_from:
        return
    from alerts.deliveries.standby import Standby

    standby = Standby()
    standby.start()
    worker_shutdown.connect(lambda **_: standby.stop(), weak=False, dispatch_uid="alerts.standby.stop")

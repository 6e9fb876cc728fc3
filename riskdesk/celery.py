"""The Celery application: four queues, hints only. Rows in PostgreSQL are the truth, so losing one loses nothing."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "riskdesk.settings")

app = Celery("riskdesk")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    broker_transport_options={
        "visibility_timeout": 120,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "health_check_interval": 15,
        "max_retries": 1,
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # a worker outlives any outage of the broker
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    task_default_queue="bulk",
    task_soft_time_limit=25,
    task_time_limit=30,  # < a delivery's lease of 45 s < the visibility timeout of 120 s
    task_serializer="json",
    accept_content=["json"],
    worker_hijack_root_logger=False,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    timezone="UTC",
    enable_utc=True,
)


def route(name: str, *_args: Any, **_kwargs: Any) -> dict[str, str]:
    """A task's queue by its name: <app>.tasks.<verb>, with `critical` and `job` as words of the verb."""
    words = name.rsplit(".", 1)[-1].split("_")
    if name.startswith("alerts."):
        return {"queue": "alerts_critical" if "critical" in words else "alerts"}
    return {"queue": "jobs" if "job" in words else "bulk"}


class JobLimits:
    """Long work runs in chunks with progress: its own long limits, and taken from the queue at its start."""

    def annotate(self, task: Any) -> dict[str, Any] | None:
        """What differs for the tasks of the queue `jobs`."""
        if route(task.name)["queue"] != "jobs":
            return None
        # Acknowledged late, a job longer than the visibility timeout would be delivered a second time.
        return {"acks_late": False, "soft_time_limit": 3300, "time_limit": 3600}


app.conf.task_routes = (route,)
app.conf.task_annotations = [JobLimits()]
app.conf.beat_schedule = {
    # A hint that expires: a worker that comes back finds one sweep to do, not an hour's worth.
    "alerts-sweep": {"task": "alerts.tasks.sweep", "schedule": 1.0, "options": {"queue": "alerts", "expires": 5}},
    "lab-sweep": {"task": "monitoring.tasks.sweep_lab", "schedule": 15.0, "options": {"queue": "bulk", "expires": 30}},
    "old-lab-runs": {
        "task": "monitoring.tasks.delete_lab_runs_job",
        "schedule": 3600.0,
        "options": {"queue": "jobs", "expires": 3600},
    },
    "old-recordings": {
        "task": "monitoring.tasks.delete_recordings_job",
        "schedule": 3600.0,
        "options": {"queue": "jobs", "expires": 3600},
    },
}
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**_kwargs: Any) -> None:
    """Keep the settings' logging: without a receiver Celery would put its own in place."""

"""What Celery does for monitoring: runs of the rule lab, the end of old ones and of old recordings; queue `jobs`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import structlog
from celery import shared_task
from django.conf import settings
from django.utils import timezone

from monitoring.lab import runs
from monitoring.live.recording.files import delete_older

log = structlog.get_logger(__name__)


@shared_task
def run_lab_job(run_id: str) -> None:
    """Work off a run of the rule lab, a turn at a time."""
    if runs.work(run_id):
        run_lab_job.apply_async(args=(run_id,))


@shared_task
def sweep_lab() -> None:
    """Say of runs whose worker died that it did, and hint again at those that wait."""
    runs.bury()
    for run_id in runs.overlooked():
        run_lab_job.apply_async(args=(run_id,), expires=60)


@shared_task
def delete_lab_runs_job() -> None:
    """Delete runs that ended longer ago than they are kept."""
    days = settings.RISKDESK_LAB_DAYS
    if deleted := runs.delete_ended(timezone.now() - timedelta(days=days)):
        log.info("lab_runs_deleted", runs=deleted, older_than_days=days)


@shared_task
def delete_recordings_job() -> None:
    """Delete recordings that are older than they are kept."""
    directory, days = Path(settings.RISKDESK_RECORDING_DIR), settings.RISKDESK_RECORDING_DAYS
    if deleted := delete_older(directory, days, timezone.now().date()):
        log.info("recordings_deleted", files=deleted, older_than_days=days)

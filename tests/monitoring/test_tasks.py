"""What beat starts exists, and what is kept no longer than it should be goes."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Role, User
from monitoring.models import LabRun
from monitoring.tasks import delete_lab_runs_job, delete_recordings_job
from riskdesk.celery import app as celery
from riskdesk.celery import route
from tests.monitoring.book import get, signed_in
from tests.monitoring.test_tape import Live, a_day


def test_what_beat_starts_exists_and_has_its_queue() -> None:
    celery.loader.import_default_modules()
    entries = celery.conf.beat_schedule
    assert {entry["task"] for entry in entries.values()} <= set(celery.tasks)
    assert entries["lab-sweep"]["options"]["queue"] == route("monitoring.tasks.sweep_lab")["queue"] == "bulk"
    assert route("monitoring.tasks.run_lab_job")["queue"] == route("monitoring.tasks.delete_recordings_job")["queue"]


def test_old_recordings_are_deleted(tmp_path: Path, settings: Settings) -> None:
    settings.RISKDESK_RECORDING_DIR = recorded = tmp_path / "recordings"
    live = Live(recorded)
    a_day(live)
    live.files()
    settings.RISKDESK_RECORDING_DAYS = (date.today() - date(2026, 6, 10)).days + 2
    delete_recordings_job()
    kept = [path.name for path in sorted(recorded.iterdir())]
    settings.RISKDESK_RECORDING_DAYS = 1
    delete_recordings_job()
    assert kept == ["main-2026-06-10.jsonl.gz", "main-2026-06-11.jsonl.gz"]
    assert list(recorded.iterdir()) == []


@pytest.mark.django_db
def test_runs_that_ended_long_ago_are_deleted_and_what_waits_is_not(settings: Settings) -> None:
    old, new = timezone.now() - timedelta(days=8), timezone.now() - timedelta(days=6)
    author = User.objects.create(username="risk", role=Role.RISK_OFFICER)
    for state, ended in (("done", old), ("failed", old), ("cancelled", old), ("done", new), ("queued", None)):
        run = LabRun.objects.create(
            author=author, label_a=f"{state} {ended}", document_a={}, document_b={}, state=state, finished_at=ended
        )
        LabRun.objects.filter(pk=run.pk).update(created_at=old - timedelta(days=1))
    settings.RISKDESK_LAB_DAYS = 7
    delete_lab_runs_job()
    assert set(LabRun.objects.values_list("state", "finished_at")) == {("done", new), ("queued", None)}
    assert "kept for 7 days after its end" in get(signed_in("auditor", Role.AUDITOR), "/lab/")

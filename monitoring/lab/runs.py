"""Runs of the rule lab: asked for on a page, worked off in the queue `jobs`, stopped, said to be over.

A worker holds an advisory lock of PostgreSQL on its run as long as it lives: a run that says it is running and whose
lock is free has lost its worker.
"""

from __future__ import annotations

import filecmp
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import connection, transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts import audit
from accounts.calendar import latest_revision, market_events, market_holidays, revision_at
from accounts.models import User
from monitoring.engine.messages import Market
from monitoring.engine.ruleset import RuleSet, RuleSetError, parse_rule_set
from monitoring.engine.tape import RecordingError
from monitoring.lab.compare import Cancelled, Unfinished, compare
from monitoring.lab.frames import Frames
from monitoring.lab.turns import Turn, TurnError, kept
from monitoring.live.recording.files import RecordedDay, day_of, recorded_days
from monitoring.models import LabRun, LabState
from monitoring.upstream.fxsocket.decode import EARLIEST

log = structlog.get_logger(__name__)
LOCK = 0x1AB  # the first of the two numbers of a run's advisory lock
ASK_EVERY = 0.5  # seconds between two looks at the wish to cancel
WAITING = (LabState.QUEUED, LabState.RUNNING)
TURN = 600.0  # seconds that a run works before others have their turn
TWICE = timedelta(seconds=10)  # within which the same question is one
OVERLOOKED = timedelta(seconds=30)  # a run that still waits is hinted at again
LARGEST_UPLOAD = 256 << 20  # bytes
LABEL = 200  # characters
HOLES_KEPT = 20


class LabError(Exception):
    """The run's state does not allow what was asked, or it cannot be run; the message says why."""


def uploads() -> Path:
    """Where uploaded frames wait for their run."""
    return Path(settings.RISKDESK_STATE_DIR) / "lab"


def upload_of(run: LabRun) -> Path:
    """The uploaded file of a run, whether it is there or not."""
    return uploads() / f"{run.pk}.upload"


def turn_of(run: LabRun) -> Path:
    """What a run that waits for its next turn has found so far."""
    return uploads() / f"{run.pk}.turn"


def recordings() -> list[RecordedDay]:
    """What has been recorded."""
    return recorded_days(Path(settings.RISKDESK_RECORDING_DIR))


def ask(
    author: User,
    *,
    labels: tuple[str, str],
    documents: tuple[dict[str, Any], dict[str, Any]],
    shard: str = "",
    days: tuple[date, date] | None = None,
    upload: UploadedFile[Any] | None = None,
    start: Callable[[str], None],
) -> LabRun:
    """Note a run and have it started; an empty document stands for the accounts' own rules.

    Asked twice by one impatient click after another, it is the same run. LabError: the file cannot be kept.
    """
    run = LabRun(
        author=author, label_a=labels[0][:LABEL], label_b=labels[1][:LABEL],
        document_a=documents[0], document_b=documents[1],
        shard=shard, first_day=days and days[0], last_day=days and days[1],
        upload_name="" if upload is None else (upload.name or "upload")[-200:],
    )  # fmt: skip
    if upload is not None:
        _store(upload, upload_of(run))
    with transaction.atomic():
        User.objects.select_for_update().get(pk=author.pk)  # one question after the other
        if (twin := _twin_of(run)) is not None:
            upload_of(run).unlink(missing_ok=True)
            return twin
        run.save()
        detail = {"a": run.label_a, "b": run.label_b, "frames": source_words(run)}
        audit.record(author, "lab_started", str(run.pk), detail)
        transaction.on_commit(lambda: start(str(run.pk)))
    return run


def _twin_of(run: LabRun) -> LabRun | None:
    """The same question, of the same person, a moment ago."""
    names = ("author", "document_a", "document_b", "shard", "first_day", "last_day", "upload_name")
    asked = LabRun.objects.filter(state__in=WAITING, created_at__gt=timezone.now() - TWICE)
    for found in asked.filter(**{name: getattr(run, name) for name in names}):
        if not run.upload_name or _same_file(upload_of(found), upload_of(run)):
            return found
    return None


def _same_file(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except FileNotFoundError:  # its run is over meanwhile
        return False


def source_words(run: LabRun) -> str:
    """Which frames a run reads."""
    if run.upload_name:
        return run.upload_name
    if run.first_day == run.last_day:
        return f"{run.shard}, {run.first_day}"
    return f"{run.shard}, {run.first_day} to {run.last_day}"


def cancel(run_id: UUID, actor: User) -> LabRun:
    """Stop a run: at once where it still waits, within a second or two where it runs."""
    with transaction.atomic():
        run = LabRun.objects.defer("result").select_for_update().get(pk=run_id)
        if run.state not in WAITING:
            raise LabError(f"The run is over already: {run.get_state_display().lower()}.")
        if run.cancel_requested:
            return run
        run.cancel_requested = True
        if run.state == LabState.QUEUED:
            run.state, run.finished_at = LabState.CANCELLED, timezone.now()
            _remove_files(run)
        run.save(update_fields=["cancel_requested", "state", "finished_at"])
        audit.record(actor, "lab_cancelled", str(run.pk))
    return run


def work(run_id: str) -> bool:
    """Work a run off for a turn, unless somebody else does or it is over; whether it waits for another turn.

    Whatever goes wrong, the run says so.
    """
    with _held(run_id) as held:
        if not held:
            return False
        taken = LabRun.objects.filter(pk=run_id, state=LabState.QUEUED).update(
            state=LabState.RUNNING, started_at=Coalesce("started_at", timezone.now())
        )
        if not taken:
            return False
        run = LabRun.objects.get(pk=run_id)
        goes_on = _work_a_turn(run)
        if not goes_on:
            _remove_files(run)
        return goes_on


def _work_a_turn(run: LabRun) -> bool:
    try:
        turn = _compare(run)
        if turn is not None:
            turn.keep(turn_of(run))
            if not _pass_on(run, LabState.QUEUED, progress=run.progress):
                raise Cancelled
            return True
    except Cancelled:
        _end(run, LabState.CANCELLED)
    except (RecordingError, RuleSetError, LabError, TurnError) as error:
        _end(run, LabState.FAILED, error=str(error))
    except OSError as error:
        _end(run, LabState.FAILED, error=f"The frames cannot be read: {error.strerror or error}.")
    except SoftTimeLimitExceeded:
        _end(run, LabState.FAILED, error="It took longer than a job may: choose fewer days.")
    except MemoryError:
        _end(run, LabState.FAILED, error="The worker ran out of memory: choose fewer days.")
    except Exception as error:
        log.exception("lab_run_failed", run=str(run.pk))
        _end(run, LabState.FAILED, error=f"Something unexpected went wrong ({type(error).__name__}); see the log.")
    return False


def overlooked() -> list[str]:
    """Runs that wait although their hint was given a while ago: the hint may be lost, the row is not."""
    since = timezone.now() - OVERLOOKED
    waiting = LabRun.objects.filter(state=LabState.QUEUED, created_at__lt=since).order_by("created_at")
    return [str(run) for run in waiting.values_list("pk", flat=True)[:100]]


def bury() -> int:
    """Say of every run whose worker is gone that it is; remove uploads that nobody will read. How many runs."""
    buried = 0
    for run in LabRun.objects.filter(state=LabState.RUNNING).defer("result", "document_a", "document_b"):
        with _held(str(run.pk)) as held:
            if held and _end(run, LabState.FAILED, error="The worker that ran it has died. Start it again."):
                buried += 1
                _remove_files(run)
    _remove_orphans()
    return buried


def delete_ended(before: datetime) -> int:
    """Delete the runs that ended before then, with their results; how many. The audit keeps who asked for them."""
    _, deleted = LabRun.objects.filter(finished_at__lt=before).exclude(state__in=WAITING).delete()
    return deleted.get(LabRun._meta.label, 0)


def rules_of(document: dict[str, Any]) -> RuleSet | None:
    """A run's rule set; None: the accounts' own."""
    return parse_rule_set(document) if document else None


def _compare(run: LabRun) -> Turn | None:
    """Compare until the result is noted; or until the turn is over, which is returned."""
    before, watch = kept(turn_of(run)), _Watch(run)
    paths = _paths(run) if before is None else before.paths
    frames = Frames.of(paths, None if before is None else before.place)
    try:
        result = compare(
            frames, rules_of(run.document_a), rules_of(run.document_b),
            market=_firms_calendar() if run.upload_name else None,
            progress=watch.progress, cancelled=watch.cancelled, enough=watch.enough,
            begun=None if before is None else before.comparison,
        )  # fmt: skip
    except Unfinished as unfinished:
        return Turn(paths, frames.place, unfinished.comparison)
    result["holes"] = _holes(run, paths)
    if not _pass_on(run, LabState.DONE, result=_storable(result), progress=100, finished_at=timezone.now()):
        raise Cancelled
    return None


def _holes(run: LabRun, paths: Sequence[Path]) -> list[str]:
    """Days that were asked for and of which there is no recording; the first ones of many."""
    if run.first_day is None or run.last_day is None:
        return []
    there = {day_of(path) for path in paths}
    asked = (date.fromordinal(number) for number in range(run.first_day.toordinal(), run.last_day.toordinal() + 1))
    found = [str(day) for day in islice((day for day in asked if day not in there), HOLES_KEPT + 1)]
    return found if len(found) <= HOLES_KEPT else [*found[:HOLES_KEPT], "…"]


def _storable(result: dict[str, Any]) -> dict[str, Any]:
    """PostgreSQL keeps no NUL; what stands in a spoilt line is shown with a sign in its place."""
    text = json.dumps(result)
    stored: dict[str, Any] = json.loads(text.replace("\\u0000", "\\ufffd")) if "\\u0000" in text else result
    return stored


def _firms_calendar() -> Market:
    """For frames that say nothing of news: all that the firm's calendar has of them now."""
    number = latest_revision()
    news, holidays = revision_at(number)
    return Market(ts=EARLIEST, revision=f"r{number}", news=market_events(news), holidays=market_holidays(holidays))


class _Watch:
    """What a run hears and tells while it works, at most twice a second."""

    def __init__(self, run: LabRun) -> None:
        self._run, self._asked, self._began = run, 0.0, time.monotonic()

    def cancelled(self) -> bool:
        """Whether the run is to stop: by request, or because it was declared over."""
        if time.monotonic() - self._asked < ASK_EVERY:
            return False
        self._asked = time.monotonic()
        LabRun.objects.filter(pk=self._run.pk).update(progress=self._run.progress)
        state, wished = LabRun.objects.values_list("state", "cancel_requested").get(pk=self._run.pk)
        return wished or state != LabState.RUNNING

    def progress(self, percent: int) -> None:
        """Told at the next look; it does not go back where a file has grown since the last turn."""
        self._run.progress = max(percent, self._run.progress)

    def enough(self) -> bool:
        """Whether the turn is over."""
        return time.monotonic() - self._began >= TURN


def _paths(run: LabRun) -> list[Path]:
    if run.upload_name:
        path = upload_of(run)
        if not path.exists():
            raise LabError(
                "The uploaded file is not on this worker's disk: web and worker must share the state folder."
            )
        return [path]
    chosen = [day.path for day in recordings() if day.shard == run.shard and _within(run, day.day)]
    if not chosen:
        raise LabError("The recording is not there any more.")
    return chosen


def _within(run: LabRun, day: date) -> bool:
    assert run.first_day is not None
    assert run.last_day is not None
    return run.first_day <= day <= run.last_day


def _end(run: LabRun, state: LabState, **fields: Any) -> bool:
    """The last word on a run that is running; whether there was one to say."""
    fields |= {"state": state, "finished_at": timezone.now()}
    return bool(LabRun.objects.filter(pk=run.pk, state=LabState.RUNNING).update(**fields))


def _pass_on(run: LabRun, state: LabState, **fields: Any) -> bool:
    """What follows for a run that is running, unless somebody does not want it any more."""
    wanted = LabRun.objects.filter(pk=run.pk, state=LabState.RUNNING, cancel_requested=False)
    return bool(wanted.update(state=state, **fields))


@contextmanager
def _held(run_id: str) -> Iterator[bool]:
    """The run's advisory lock, while this database session lasts; False: somebody else has it."""
    key = UUID(run_id).int & 0x7FFFFFFF
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK, key])
        held = bool(cursor.fetchone()[0])
    try:
        yield held
    finally:
        if held:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK, key])


def _store(upload: UploadedFile[Any], path: Path) -> None:
    """Keep the file for its run; LabError where the disk refuses. Half a file goes with the next sweep."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        with path.open("wb") as file:
            for chunk in upload.chunks():
                file.write(chunk)
    except OSError as error:
        raise LabError(f"It cannot be kept here: {error.strerror or error}.") from error


def _remove_files(run: LabRun) -> None:
    upload_of(run).unlink(missing_ok=True)
    turn_of(run).unlink(missing_ok=True)


def _remove_orphans() -> None:
    """Files of runs that are over or that nobody knows."""
    if not uploads().is_dir():
        return
    waiting = {str(run) for run in LabRun.objects.filter(state__in=WAITING).values_list("pk", flat=True)}
    for path in uploads().glob("*.*"):
        old = time.time() - path.stat().st_mtime > 60  # not one whose run is being noted now
        if old and path.stem not in waiting:
            path.unlink(missing_ok=True)

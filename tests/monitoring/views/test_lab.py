"""The rule lab's pages: what is asked for is checked at its field, worked off, shown, exported, cancelled, audited."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import UTC, datetime
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import AuditEntry, Role, User
from accounts.plans import ensure_default_plans
from monitoring.engine.tape import Gap, encode
from monitoring.lab import runs
from monitoring.live.recording.blocks import member
from monitoring.models import LabRun, LabState
from monitoring.tasks import run_lab_job, sweep_lab
from riskdesk.celery import app as celery
from tests.monitoring.book import get, signed_in, text
from tests.monitoring.engine.conftest import DAILY, document
from tests.monitoring.test_lab import update
from tests.monitoring.test_tape import RULES, Live, a_day

pytestmark = pytest.mark.django_db
FOUR = json.dumps(document({**DAILY, "amount": {"percent": "4", "of": "initial"}}, version=4))
FIVE = json.dumps(document(DAILY))


@pytest.fixture(autouse=True)
def places(settings: Settings, tmp_path: Path) -> Path:
    """Recordings and uploads of this test alone."""
    settings.RISKDESK_RECORDING_DIR = tmp_path / "recordings"
    settings.RISKDESK_STATE_DIR = tmp_path
    return tmp_path


@pytest.fixture
def recorded(places: Path) -> Path:
    live = Live(places / "recordings")
    a_day(live)
    live.files()
    return places / "recordings"


def frames(*lines: bytes, name: str = "frames.jsonl") -> BytesIO:
    content = b"\n".join(lines)
    file = BytesIO(gzip.compress(content) if name.endswith(".gz") else content)
    file.name = name
    return file


FALLING = (update(1, 100_000), update(2, 95_500), update(3, 98_000), b"{", update(4, 97_000))


def ask(client: Client, **changes: Any) -> Any:
    values = {
        "source": "upload", "initial_balance": "100000.00", "rules_a": "json", "json_a": FIVE, "rules_b": "json",
        "json_b": FOUR,
    }  # fmt: skip
    if changes.get("source", "upload") == "upload" and "upload" not in changes:
        changes["upload"] = frames(*FALLING)
    return client.post("/lab/new/", {key: value for key, value in (values | changes).items() if value is not None})


def done(client: Client, **changes: Any) -> LabRun:
    response = ask(client, **changes)
    assert response.status_code == 302, text(response.content.decode())
    run = LabRun.objects.get()
    runs.work(str(run.pk))
    run.refresh_from_db()
    return run


def errors(response: Any) -> str:
    assert response.status_code == 422
    assert not LabRun.objects.exists()
    return str(text(response.content.decode()))


def test_an_uploaded_file_is_compared_shown_and_deleted(officer: Client) -> None:
    run = done(officer)
    assert (run.state, run.progress, run.error) == (LabState.DONE, 100, "")
    assert not runs.upload_of(run).exists()
    html = get(officer, f"/lab/{run.pk}/")
    shown = text(html)
    assert "1 account fared differently" in shown
    assert "1 line could not be read" in shown
    assert "line 4 bad_json" in shown
    assert 'data-account="acc_1"' in html
    assert "2026-06-10T00:00:02Z" in shown
    assert AuditEntry.objects.get(verb="lab_started").detail["frames"] == "frames.jsonl"


def test_the_upload_is_private_while_it_waits(officer: Client) -> None:
    ask(officer, upload=frames(*FALLING, name="day.jsonl.gz"))
    path = runs.upload_of(LabRun.objects.get())
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_cannot_be_kept_is_said_at_its_field(officer: Client, places: Path) -> None:
    (places / "lab").write_text("a file where the folder should be")
    response = ask(officer)
    assert response.status_code == 507
    assert "It cannot be kept here: File exists." in text(response.content.decode())
    assert not LabRun.objects.exists()


def test_recorded_days_are_compared_with_their_own_rules(officer: Client, recorded: Path) -> None:
    days = {"source": "recorded", "shard": "main", "first_day": "2026-06-10", "last_day": "2026-06-11"}
    run = done(officer, **days, rules_a="own")
    assert run.result is not None
    assert [row["account"] for row in run.result["accounts"]] == ["acc_1", "acc_2"]
    assert run.label_a == "The accounts' own rules"
    assert "main, 2026-06-10 to 2026-06-11" in get(officer, f"/lab/{run.pk}/")


def test_what_the_recording_lacks_is_said(officer: Client, recorded: Path) -> None:
    live = Live(recorded, now=datetime(2026, 6, 14, 12, tzinfo=UTC))
    live.watch("acc_1", RULES)
    live.tape.close()
    since = datetime(2026, 6, 14, 12, 1, tzinfo=UTC)
    gap = Gap(ts=since, until=since.replace(minute=9), lost=700, reason="the disk refuses: No space left on device")
    with (recorded / "main-2026-06-14.jsonl.gz").open("ab") as file:
        file.write(member(encode(gap) + b"\n", 3))
    days = {"source": "recorded", "shard": "main", "first_day": "2026-06-09", "last_day": "2026-06-14"}
    page = text(get(officer, f"/lab/{done(officer, **days, rules_a='own').pk}/"))
    assert (
        "700 entries missing where the recording stood still; no recording of 2026-06-09, 2026-06-12, 2026-06-13"
        in page
    )
    assert "2026-06-14 12:01:00 to 12:09:00 UTC: 700 entries, the disk refuses: No space left on device" in page
    assert "from 2026-06-10T23:59:50Z to 2026-06-14T12:00:00Z" in page


def test_versions_of_plans_can_be_chosen(officer: Client) -> None:
    ensure_default_plans()
    html = get(officer, "/lab/new/")
    assert "Two-step, " in html or "version 1" in html
    version = ensure_default_plans().phases.get(order=1).rule_sets.get()
    run = done(officer, rules_a=str(version.pk))
    assert run.label_a.endswith("version 1")
    assert run.state == LabState.DONE


def test_errors_stand_at_their_field(officer: Client, recorded: Path) -> None:
    wrong = json.dumps(document({**DAILY, "operator": "=<"}))
    assert "rules[0].operator" in errors(ask(officer, json_b=wrong))
    assert "not JSON" in errors(ask(officer, json_b="{"))
    assert "choose two different rule sets" in errors(ask(officer, json_b=FIVE))
    assert "say no rules of their own" in errors(ask(officer, rules_a="own"))
    assert "Choose a file" in errors(ask(officer, upload=None))
    assert "No line of it can be read as a frame; line 1: bad_json" in errors(ask(officer, upload=frames(b"{", b"{")))
    assert "none" in errors(ask(officer, upload=frames(b"\x1f\x8bnothing")))
    days = {"source": "recorded", "shard": "main"}
    assert "Choose the first day" in errors(ask(officer, **days))
    assert "lies before" in errors(ask(officer, **days, first_day="2026-06-11", last_day="2026-06-10"))
    assert "there are: 2026-06-10, 2026-06-11" in errors(ask(officer, **days, first_day="2026-06-12"))
    assert "Select a valid choice" in errors(ask(officer, source="recorded", shard="../etc", first_day="2026-06-10"))


def test_without_a_recording_the_form_says_how_to_get_one(officer: Client) -> None:
    assert "RISKDESK_RECORDING=on" in get(officer, "/lab/new/")
    assert "Nothing has been recorded" in errors(ask(officer, source="recorded"))


def test_a_file_that_is_too_large_is_refused(officer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.views.lab_form.LARGEST_UPLOAD", 1 << 20)
    assert "larger than 1 MB" in errors(ask(officer, upload=frames(*[FALLING[0]] * 8_000)))


def test_what_cannot_be_judged_ends_in_words(officer: Client) -> None:
    recording = b'{"type":"recording","ts":"2026-06-10T00:00:00Z","format":7}'
    run = done(officer, upload=frames(recording))
    assert run.state == LabState.FAILED
    assert "format 7" in run.error
    assert "format 7" in get(officer, f"/lab/{run.pk}/")


def test_a_deleted_recording_ends_in_words(officer: Client, recorded: Path) -> None:
    ask(officer, source="recorded", shard="main", first_day="2026-06-10", rules_a="own")
    for path in recorded.iterdir():
        path.unlink()
    run = LabRun.objects.get()
    runs.work(str(run.pk))
    run.refresh_from_db()
    assert (run.state, run.error) == (LabState.FAILED, "The recording is not there any more.")


def test_a_second_click_asks_for_nothing_new(officer: Client, recorded: Path) -> None:
    days = {"source": "recorded", "shard": "main", "first_day": "2026-06-10", "last_day": "2026-06-11"}
    for asked in ({}, days):
        first, second = ask(officer, **asked), ask(officer, **asked)
        assert first.url == second.url
    assert LabRun.objects.count() == 2
    assert len(list(runs.uploads().iterdir())) == 1
    ask(officer, upload=frames(update(1, 99_000)))  # other frames of the same name
    officer.post(f"{first.url}cancel/")
    assert ask(officer, **days).url != first.url
    assert LabRun.objects.count() == 4


def test_a_waiting_run_is_cancelled_at_once_and_never_begins(officer: Client) -> None:
    ask(officer)
    run = LabRun.objects.get()
    html = get(officer, f"/lab/{run.pk}/")
    assert "hx-trigger" in html
    assert officer.post(f"/lab/{run.pk}/cancel/").status_code == 302
    runs.work(str(run.pk))
    run.refresh_from_db()
    assert run.state == LabState.CANCELLED
    assert not runs.upload_of(run).exists()
    assert AuditEntry.objects.filter(verb="lab_cancelled").count() == 1
    assert "over already" in text(officer.post(f"/lab/{run.pk}/cancel/", follow=True).content.decode())


def test_a_run_that_is_asked_to_stop_stops(officer: Client) -> None:
    ask(officer)
    run = LabRun.objects.get()
    LabRun.objects.filter(pk=run.pk).update(cancel_requested=True)
    runs.work(str(run.pk))
    run.refresh_from_db()
    assert run.state == LabState.CANCELLED
    assert not runs.upload_of(run).exists()


def test_the_progress_follows_and_ends_with_the_page_loaded_anew(officer: Client) -> None:
    ask(officer)
    run = LabRun.objects.get()
    LabRun.objects.filter(pk=run.pk).update(state=LabState.RUNNING, progress=42)
    answer = officer.get(f"/lab/{run.pk}/progress/", headers={"HX-Request": "true"})
    assert "42 %" in text(answer.content.decode())
    LabRun.objects.filter(pk=run.pk).update(state=LabState.DONE)
    assert officer.get(f"/lab/{run.pk}/progress/").headers["HX-Refresh"] == "true"


@pytest.mark.parametrize("torn", [False, True])
def test_a_run_of_many_turns_finds_what_one_turn_finds(
    officer: Client, recorded: Path, monkeypatch: pytest.MonkeyPatch, torn: bool
) -> None:
    if torn:
        for file in recorded.iterdir():
            file.write_bytes(file.read_bytes()[:-9] + file.read_bytes() + member(b"{spoilt\n", 3))
    days = {"source": "recorded", "shard": "main", "first_day": "2026-06-10", "last_day": "2026-06-11"}
    at_once = done(officer, **days, rules_a="own")
    LabRun.objects.all().delete()
    monkeypatch.setattr(runs, "TURN", 0.0)
    ask(officer, **days, rules_a="own")
    run, seen, turns = LabRun.objects.get(), 0, 1
    while runs.work(str(run.pk)):
        turns += 1
        run.refresh_from_db()
        assert (run.state, run.result) == (LabState.QUEUED, None)
        assert runs.turn_of(run).stat().st_mode & 0o777 == 0o600
        assert run.progress >= seen
        seen = run.progress
    run.refresh_from_db()
    assert turns > 20
    assert (run.state, run.result) == (LabState.DONE, at_once.result)
    assert not runs.turn_of(run).exists()


def test_an_upload_waits_for_its_next_turn_and_goes_when_it_is_cancelled(
    officer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "TURN", 0.0)
    ask(officer)
    run = LabRun.objects.get()
    assert runs.work(str(run.pk))
    assert "goes on as soon as" in text(get(officer, f"/lab/{run.pk}/"))
    assert runs.upload_of(run).exists()
    officer.post(f"/lab/{run.pk}/cancel/")
    assert not runs.work(str(run.pk))
    assert list(runs.uploads().iterdir()) == []


def test_the_task_has_itself_called_again_until_the_run_is_over(
    officer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "TURN", 0.0)
    monkeypatch.setitem(celery.conf, "task_always_eager", True)
    ask(officer)
    run_lab_job.apply_async(args=(str(LabRun.objects.get().pk),))
    assert LabRun.objects.get().state == LabState.DONE


def test_what_an_earlier_release_kept_is_not_misread(officer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "TURN", 0.0)
    ask(officer)
    run = LabRun.objects.get()
    assert runs.work(str(run.pk))
    runs.turn_of(run).write_bytes(b"\x80\x05cmonitoring.lab.gone\nTurn\n.")
    assert not runs.work(str(run.pk))
    run.refresh_from_db()
    assert (run.state, "start it again" in run.error) == (LabState.FAILED, True)


def test_a_run_whose_worker_died_says_so(officer: Client, database_url: str) -> None:
    ask(officer)
    run = LabRun.objects.get()
    LabRun.objects.filter(pk=run.pk).update(state=LabState.RUNNING)
    with psycopg.connect(database_url, autocommit=True) as worker:
        worker.execute("SELECT pg_advisory_lock(%s, %s)", [runs.LOCK, run.pk.int & 0x7FFFFFFF])
        sweep_lab()
        run.refresh_from_db()
        assert run.state == LabState.RUNNING  # its worker lives
        worker.execute("SELECT pg_advisory_unlock_all()")  # as its end does, a moment later
    sweep_lab()
    run.refresh_from_db()
    assert run.state == LabState.FAILED
    assert "has died" in run.error
    assert not runs.upload_of(run).exists()


def test_the_hint_is_given_when_the_row_is_there(
    officer: Client, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks() as hints:
        ask(officer)
    assert len(hints) == 1
    assert runs.overlooked() == []  # it is new


def test_the_result_is_filtered_sorted_and_exported(officer: Client) -> None:
    lines = [update(number, 100_000 - number * 700, f"acc_{number}") for number in range(1, 9)]
    run = done(officer, upload=frames(*lines))
    page = f"/lab/{run.pk}/"
    assert "1–2 of 2 accounts" in text(get(officer, f"{page}?show=only_b"))
    assert "1–1 of 1 accounts" in text(get(officer, f"{page}?account=acc_3"))
    assert "No account matches" in text(get(officer, f"{page}?rule=symbols"))
    assert "There is no choice" in text(get(officer, f"{page}?show=nonsense"))
    html = get(officer, f"{page}?sort=room_b")
    assert html.index("acc_8") < html.index("acc_1")
    rows = list(csv.DictReader(StringIO(b"".join(officer.get(f"{page}?format=csv&show=both")).decode())))
    assert {row["breached_a"] for row in rows} == {"1"}
    assert rows[-1]["least_room_a"] == "-600.00"  # a figure, not a text that looks like one
    answer = officer.get(f"{page}?format=json")
    assert answer.json()["differing"] == run.result["differing"]  # type: ignore[index]
    assert len(answer.json()["accounts"]) == 8
    assert officer.get(f"{page}?format=csv&show=nonsense").status_code == 400
    chart = officer.get(f"{page}chart.json").json()
    assert [trace["meta"] for trace in chart["figure"]["data"]] == ["a", "b"]
    assert "of 8" in chart["summary"]


def test_the_list_of_runs(officer: Client) -> None:
    assert "There is no run yet." in text(get(officer, "/lab/"))
    run = done(officer)
    html = get(officer, "/lab/")
    assert f'data-run="{run.pk}"' in html
    assert "1–1 of 1 runs" in text(get(officer, "/lab/?text=frames.jsonl&state=done&sort=author"))
    assert "No run matches." in text(get(officer, "/lab/?text=nobody"))
    (row,) = csv.DictReader(StringIO(b"".join(officer.get("/lab/?format=csv")).decode()))
    assert (row["state"], row["who"]) == ("done", "risk")


def test_who_may_what() -> None:
    auditor, trader = signed_in("auditor", Role.AUDITOR), signed_in("trader", Role.TRADER)
    assert auditor.get("/lab/").status_code == 200
    assert "New comparison" not in get(auditor, "/lab/")
    assert auditor.get("/lab/new/").status_code == 403
    assert trader.get("/lab/").status_code == 403
    author = User.objects.get(username="auditor")
    run = LabRun.objects.create(author=author, label_a="a", label_b="b", document_a={}, document_b={})
    assert auditor.post(f"/lab/{run.pk}/cancel/").status_code == 403
    assert trader.get(f"/lab/{run.pk}/").status_code == 403
    assert auditor.get("/lab/00000000-0000-0000-0000-000000000000/").status_code == 404


def test_a_nul_in_a_spoilt_line_is_no_trouble(officer: Client) -> None:
    spoilt = b'{"type": "a\\u0000b", "ts": "2026-06-10T00:00:00Z"}'
    run = done(officer, upload=frames(*FALLING, spoilt))
    assert run.state == LabState.DONE, run.error
    assert "unknown_type" in get(officer, f"/lab/{run.pk}/")


def test_the_state_folder_is_the_settings() -> None:
    assert runs.uploads().is_relative_to(django_settings.RISKDESK_STATE_DIR)

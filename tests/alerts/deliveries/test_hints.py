"""A hint is never waited for: a Redis that hangs costs an alert a fraction of a second, many alerts no more."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from celery import current_app
from django.conf import settings
from kombu import Connection

from alerts.deliveries import hints

SCRIPT = """
import django; django.setup()
from time import monotonic
from alerts.deliveries import hints
began = monotonic()
for number in range(100):
    hints._publish("alerts.tasks.deliver", str(number), "alerts")
print(monotonic() - began)
"""


@pytest.fixture
def hanging() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with TemporaryDirectory(prefix="rdh-") as folder, socket.socket(socket.AF_UNIX) as server:
        path = Path(folder) / "redis.sock"
        server.bind(str(path))
        server.listen(64)
        yield f"unix://{path}?db=0"


def test_a_hundred_hints_to_a_redis_that_hangs_cost_a_moment(hanging: str, tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("RISKDESK_")} | {
        "DJANGO_SETTINGS_MODULE": "riskdesk.settings",
        "RISKDESK_ENV_FILE": "",
        "RISKDESK_STATE_DIR": str(tmp_path),
        "RISKDESK_STATIC_FILES": "sources",
        "REDIS_URL": hanging,
    }
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=settings.BASE_DIR, env=env, capture_output=True, text=True, timeout=110
    )
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout) < 10.0  # waiting for each: 20 s; with Celery's own patience: 5 s for each


def test_a_hint_arrives_on_its_queue(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "_quiet_until", 0.0)
    hints._publish("alerts.tasks.deliver", "some-id", "alerts_critical")
    with Connection(current_app.conf.broker_url) as connection, connection.SimpleQueue("alerts_critical") as queue:
        message = queue.get(timeout=5)
        message.ack()
    assert message.headers["task"] == "alerts.tasks.deliver"
    assert message.payload[0] == ["some-id"]

"""/healthz and /metrics: 200 when able to serve, ready only when data flow, figures without a login."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from monitoring import replica
from riskdesk.health import is_ready
from tests.monitoring.wire import Wire
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def ask() -> tuple[int, dict[str, Any]]:
    answer = Client().get("/healthz")
    return answer.status_code, answer.json()


def say(wire: Wire, **health: Any) -> None:
    wire.client.hset("riskdesk:main:meta", "health", json.dumps({"leader": True, "epoch": 3, **health}))


def test_it_serves_but_is_not_ready_before_a_monitor_is_heard(wire: Wire) -> None:
    code, answer = ask()
    assert (code, answer["ok"], answer["ready"], answer["live"]) == (200, True, False, "stale")
    assert answer["data_age_ms"] is None
    assert not is_ready(code, answer)


def test_it_is_ready_with_a_ready_monitor_and_fresh_batches(wire: Wire) -> None:
    say(wire, ready=True)
    with wire.beating():
        wire.put("sim-1")
        eventually(lambda: ask()[1]["ready"])
        code, answer = ask()
        assert is_ready(code, answer)
        assert 0 <= answer["data_age_ms"] < 3000
        assert answer["monitor"]["shards"]["main"]["epoch"] == 3
        say(wire, ready=False)
        eventually(lambda: not ask()[1]["ready"])
        assert ask()[0] == 200


def test_a_silent_monitor_makes_it_unready(wire: Wire) -> None:
    say(wire, ready=True)
    with wire.beating():
        wire.put("sim-1")
        eventually(lambda: ask()[1]["ready"])
    eventually(lambda: not ask()[1]["ready"], what="three silent seconds")
    assert ask()[0] == 200


def test_without_redis_it_cannot_serve(wire: Wire) -> None:
    replica.get().away("ConnectionError")
    code, answer = ask()
    assert (code, answer["ok"], answer["redis"], answer["database"]) == (503, False, False, True)


def test_it_tells_no_secrets_and_takes_no_posts(wire: Wire) -> None:
    body = Client().get("/healthz").content.decode()
    assert settings.SECRET_KEY not in body
    assert settings.DATABASE_URL not in body
    assert Client().post("/healthz").status_code == 405


def test_the_figures_are_prometheus_text(wire: Wire) -> None:
    with wire.beating():
        wire.put("sim-1", "sim-2")
        eventually(lambda: len(replica.get().rows()) == 2 and ask()[1]["live"] == "connected")
        answer = Client().get("/metrics")
    text = "\n".join(line for line in answer.content.decode().splitlines() if not line.startswith("# no monitor"))
    found = {family.name: family for family in text_string_to_metric_families(text)}
    assert found["riskdesk_web_accounts"].samples[0].value == 2
    assert found["riskdesk_web_data_fresh"].samples[0].value == 1
    assert {"riskdesk_web_sockets", "riskdesk_web_frames", "riskdesk_web_data_age_seconds"} <= found.keys()

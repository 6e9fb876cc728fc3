"""Best-effort hints after a commit: workers by Celery, the web by Redis. Losing one loses nothing."""

from __future__ import annotations

import json
import logging
from functools import cache
from time import monotonic
from uuid import UUID

import redis
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import LimitExceeded, OperationalError
from kombu.pools import ProducerPool, producers
from prometheus_client import Counter

log = logging.getLogger(__name__)

CHANNEL = "riskdesk:alerts"
PATIENCE = 0.2  # seconds that an alert's routing may lose to a Redis that hangs
QUIET = 2.0  # seconds without hints after that, so that many alerts at once do not lose it each
_quiet_until = 0.0
QUEUES = {True: "alerts_critical", False: "alerts"}
UNSENT = Counter(
    "riskdesk_alert_hints_unsent_total", "Hints that could not be published; the sweep does the work", ["to"]
)


def hint_delivery(delivery_id: UUID, *, critical: bool) -> None:
    """After the commit, ask a worker to send this delivery now."""
    transaction.on_commit(lambda: _publish("alerts.tasks.deliver", str(delivery_id), QUEUES[critical]), robust=True)


def tell_web(version: int) -> None:
    """After the commit, tell the web processes that the alerts have changed (`version` only ever rises)."""
    transaction.on_commit(lambda: _tell(version), robust=True)


def _publish(task: str, argument: str, queue: str) -> None:
    global _quiet_until
    if monotonic() < _quiet_until:  # Redis did not answer just now: the sweep comes within a second anyway
        UNSENT.labels("worker").inc()
        return
    try:
        with _producers().acquire(block=True, timeout=PATIENCE) as producer:
            current_app.send_task(task, args=[argument], queue=queue, retry=False, producer=producer)
    except (OperationalError, LimitExceeded, redis.RedisError, OSError) as error:
        _quiet_until = monotonic() + QUIET
        UNSENT.labels("worker").inc()
        log.warning("No hint for %s %s: %s", task, argument, type(error).__name__)


def _tell(version: int) -> None:
    try:
        _client().publish(CHANNEL, json.dumps({"version": version}))
    except (redis.RedisError, OSError) as error:
        UNSENT.labels("web").inc()
        log.warning("The web was not told of alert change %s: %s", version, type(error).__name__)


@cache
def _producers() -> ProducerPool:
    """Celery's way to the broker with our patience: its workers' own connections wait for seconds."""
    hurried = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "interval_start": 0, "interval_step": 0}
    options = {**current_app.conf.broker_transport_options, **hurried}
    found: ProducerPool = producers[current_app.connection_for_write(transport_options=options)]
    return found


@cache
def _client() -> redis.Redis:
    """One pool a process; quick to give up, as nobody waits for this."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)

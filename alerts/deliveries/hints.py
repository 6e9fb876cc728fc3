"""Best-effort hints after a commit: workers by Celery, the web by Redis. Losing one loses nothing."""

from __future__ import annotations

import json
import logging
from functools import cache
from uuid import UUID

import redis
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError
from prometheus_client import Counter

log = logging.getLogger(__name__)

CHANNEL = "riskdesk:alerts"
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
    try:
        current_app.send_task(task, args=[argument], queue=queue, retry=False)
    except (OperationalError, redis.RedisError, OSError) as error:
        UNSENT.labels("worker").inc()
        log.warning("No hint for %s %s: %s", task, argument, type(error).__name__)


def _tell(version: int) -> None:
    try:
        _client().publish(CHANNEL, json.dumps({"version": version}))
    except (redis.RedisError, OSError) as error:
        UNSENT.labels("web").inc()
        log.warning("The web was not told of alert change %s: %s", version, type(error).__name__)


@cache
def _client() -> redis.Redis:
    """One pool a process; quick to give up, as nobody waits for this."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=0.2, socket_connect_timeout=0.2)

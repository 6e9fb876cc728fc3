"""Whether this process can serve, and its figures; for load balancers, run_desk and Prometheus, without a login."""

from __future__ import annotations

import urllib.request
from time import time

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from prometheus_client.registry import Collector

from monitoring import metrics as figures
from monitoring import replica
from monitoring.replica.feeds import database_answers

MONITOR_TIMEOUT = 1.0  # seconds
_registry = CollectorRegistry()
_accounts = Gauge("riskdesk_web_accounts", "Accounts in this web process's copy", registry=_registry)
_age = Gauge("riskdesk_web_data_age_seconds", "Age of the newest batch in this web process", registry=_registry)
_fresh = Gauge("riskdesk_web_data_fresh", "1 while the monitor is heard", registry=_registry)
_registry.register(figures.WEB_SOCKETS)
_registry.register(figures.WEB_FRAMES)


def add_figures(collector: Collector) -> None:
    """Have /metrics tell a higher layer's figures too; called from its AppConfig.ready()."""
    _registry.register(collector)


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when pages can be served (PostgreSQL and Redis answer), else 503; `ready` says that data flow as well."""
    health, monitors = replica.get().health(), replica.get().monitors()
    database, redis = database_answers(), health.live != "reconnecting"
    ready = bool(monitors) and all(one["ready"] for one in monitors.values())
    answer = {
        "ok": database and redis,
        "ready": database and redis and ready and health.live == "connected",
        "database": database,
        "redis": redis,
        "live": health.live,
        "data_age_ms": int(time() * 1000) - health.data_ms if health.data_ms else None,
        "monitor": {"ready": ready, "shards": monitors},
    }
    return JsonResponse(answer, status=200 if answer["ok"] else 503)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """This process's figures, and those of the monitor on this host if there is one, as Prometheus text."""
    health, now = replica.get().health(), time()
    _accounts.set(len(replica.get().rows()))
    _age.set(now - health.data_ms / 1000 if health.data_ms else float("nan"))
    _fresh.set(health.live == "connected")
    return HttpResponse(generate_latest(_registry) + _monitor_figures(), content_type=CONTENT_TYPE_LATEST)


def _monitor_figures() -> bytes:
    """The text of the monitor's own loopback door; a comment where it does not answer."""
    address = f"http://127.0.0.1:{settings.RISKDESK_MONITOR_PORT}/metrics"
    try:
        with urllib.request.urlopen(address, timeout=MONITOR_TIMEOUT) as answer:
            text: bytes = answer.read()
    except OSError as error:
        return f"# no monitor on this host: {error}\n".encode()
    return text

"""Alerting's figures come from the rows."""

from __future__ import annotations

from datetime import timedelta

from django.test import Client
from django.utils import timezone
from prometheus_client import CollectorRegistry

from alerts.deliveries import deliver, dispatch_due, evaluate, settle
from alerts.deliveries.metrics import AlertCollector
from alerts.models import Delivery, Destination
from monitoring.models import RiskEvent
from tests.alerts.conftest import MakeAccount, MakeEvent
from tests.alerts.fake_slack import Answer, FakeSlack


def test_the_figures_say_what_the_rows_say(make_account: MakeAccount, happen: MakeEvent, told: FakeSlack) -> None:
    registry = CollectorRegistry()
    registry.register(AlertCollector())
    events = [happen(make_account(), "breached") for _ in range(3)]
    for event in events[:2]:
        evaluate(event.pk)
    RiskEvent.objects.update(ingested_at=timezone.now() - timedelta(seconds=1))
    settle()
    told.script(Answer(429, headers=(("Retry-After", "5"),)), Answer(404, "no_service"))
    deliver(Delivery.objects.order_by("created_at")[0].pk)
    Destination.objects.update(paused_until=None)
    dispatch_due(limit=2, until=timezone.now() + timedelta(seconds=20))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"riskdesk_{name}", labels)

    assert value("provider_429_total") == 1
    assert value("deliveries_dead_total") == 1
    assert value("alert_hints_lost") == 1
    assert value("alerts_open", state="firing", severity="critical") == 3
    assert value("alert_event_to_sent_seconds_count", destination="Slack", severity="critical") == 1
    assert value("alert_event_to_sent_seconds_bucket", destination="Slack", severity="critical", le="300.0") == 1
    assert value("deliveries", state="pending") == 1
    assert value("alert_rows_readable") == 1


def test_the_webs_metrics_tell_them(db: None, client: Client) -> None:
    assert b"riskdesk_deliveries_pending_age_seconds 0.0" in client.get("/metrics").content

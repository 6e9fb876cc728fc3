"""Alerting's figures for Prometheus, counted from the rows: right after any restart and whichever process is asked."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError
from django.db.models import Count, ExpressionWrapper, F, Min, Q, Sum, fields
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from alerts.models import UNSETTLED, Alert, AttemptOutcome, Delivery, DeliveryAttempt, DeliveryState
from monitoring.models import RiskEvent

log = logging.getLogger(__name__)

SWEEP = "sweep"  # who routed an event that no hint came for: evaluate's `by`
BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)


class AlertCollector(Collector):
    """Asks PostgreSQL at each scrape; for the web processes, never for the monitor."""

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: registering must not query."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every figure, or that they cannot be read now."""
        readable = GaugeMetricFamily("riskdesk_alert_rows_readable", "1 while PostgreSQL answers", value=1)
        try:
            found = list(_figures(timezone.now()))
        except DatabaseError as error:
            log.warning("No alert figures: %s", type(error).__name__)
            readable, found = GaugeMetricFamily(readable.name, readable.documentation, value=0), []
        yield readable
        yield from found


def _figures(now: datetime) -> Iterator[Metric]:
    """The families of alerting.md 5.8 that the first cut has."""
    age = GaugeMetricFamily("riskdesk_deliveries_pending_age_seconds", "Age of the oldest delivery not yet settled")
    oldest = Delivery.objects.filter(state__in=UNSETTLED, next_attempt_at__isnull=False).aggregate(at=Min("created_at"))
    age.add_metric([], (now - oldest["at"]).total_seconds() if oldest["at"] else 0.0)
    yield age
    states = GaugeMetricFamily("riskdesk_deliveries", "Deliveries by state", labels=["state"])
    counted = dict(Delivery.objects.values_list("state").annotate(n=Count("pk")).order_by())
    for state in DeliveryState.values:
        states.add_metric([state], counted.get(state, 0))
    yield states
    yield CounterMetricFamily(
        "riskdesk_deliveries_dead", "Deliveries given up", value=counted.get(DeliveryState.DEAD.value, 0)
    )
    refused = DeliveryAttempt.objects.filter(http_status=429).count()
    yield CounterMetricFamily("riskdesk_provider_429", "Times a provider asked to slow down", value=refused)
    tried = CounterMetricFamily("riskdesk_delivery_attempts", "Attempts by outcome", labels=["outcome"])
    outcomes = dict(DeliveryAttempt.objects.values_list("outcome").annotate(n=Count("pk")).order_by())
    for outcome in AttemptOutcome.values:
        tried.add_metric([outcome], outcomes.get(outcome, 0))
    yield tried
    firing = GaugeMetricFamily("riskdesk_alerts_open", "Alerts not resolved", labels=["state", "severity"])
    for state, severity, n in (
        Alert.objects.filter(resolved_at=None).values_list("state", "severity").annotate(n=Count("pk")).order_by()
    ):
        firing.add_metric([state, severity], n)
    yield firing
    unhinted = RiskEvent.objects.filter(at__gte=now - timedelta(hours=1), lease_owner=SWEEP).count()
    yield GaugeMetricFamily(
        "riskdesk_alert_hints_lost", "Events of the last hour that no hint came for", value=unhinted
    )
    unrouted = RiskEvent.objects.filter(routed_at=None).count()
    yield GaugeMetricFamily("riskdesk_risk_events_unrouted", "Risk events that alerting has not read", value=unrouted)
    yield _event_to_sent()


def _event_to_sent() -> HistogramMetricFamily:
    """From the event's row to the provider's yes."""
    family = HistogramMetricFamily(
        "riskdesk_alert_event_to_sent_seconds", "Event recorded to provider's yes", labels=["destination", "severity"]
    )
    took = ExpressionWrapper(F("sent_at") - F("event_at"), output_field=fields.DurationField())
    sent = Delivery.objects.filter(sent_at__isnull=False).annotate(took=took)
    within = {
        f"b{place}": Count("pk", filter=Q(took__lte=timedelta(seconds=bucket))) for place, bucket in enumerate(BUCKETS)
    }
    rows = sent.values("destination__name", "alert__severity").annotate(n=Count("pk"), total=Sum("took"), **within)
    for row in rows.order_by():
        counts: Mapping[str, Any] = row
        buckets = [(str(bucket), counts[f"b{place}"]) for place, bucket in enumerate(BUCKETS)]
        labels = [row["destination__name"], row["alert__severity"]]
        family.add_metric(labels, [*buckets, ("+Inf", row["n"])], row["total"].total_seconds())
    return family

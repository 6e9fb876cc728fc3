"""Celery's part: hints. Arguments are ids, times are rows, and every task is safe to run twice."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from alerts import deliveries


@shared_task(name="alerts.tasks.evaluate", queue="alerts_critical")
def evaluate(event_id: str) -> None:
    """Route a risk event that was just recorded."""
    deliveries.evaluate(UUID(event_id))


@shared_task(name="alerts.tasks.deliver", queue="alerts")
def deliver(delivery_id: str) -> None:
    """Send a delivery that was just made; the caller puts a critical one on its own queue."""
    deliveries.deliver(UUID(delivery_id))


@shared_task(name="alerts.tasks.sweep", queue="alerts")
def sweep() -> None:
    """Do what no hint has done."""
    deliveries.sweep()

"""Rows are the truth: from a claimed risk event to an alert, from an alert to the outbox, from there to a provider."""

from alerts.deliveries.dispatch import deliver, dispatch_due
from alerts.deliveries.episodes import Actor, NotAllowed, StaleVersion, broken_link, transition
from alerts.deliveries.evaluate import evaluate
from alerts.deliveries.outbox import missing_destination
from alerts.deliveries.sweep import settle, sweep

__all__ = [
    "Actor",
    "NotAllowed",
    "StaleVersion",
    "broken_link",
    "deliver",
    "dispatch_due",
    "evaluate",
    "missing_destination",
    "settle",
    "sweep",
    "transition",
]

"""Alerting's rows in Django's admin: to look at, never to change; every change goes through `transition`."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from alerts.models import Alert, AlertTransition, Delivery, DeliveryAttempt, Destination


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # one class for five models
    """No adding, changing or deleting."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows come from the engine."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """History is not edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nor removed."""
        return False


@admin.register(Alert)
class AlertAdmin(ReadOnly):
    """Episodes."""

    list_display = ("title", "severity", "state", "episode", "first_fired_at", "last_event_at")
    list_filter = ("state", "severity", "kind")
    search_fields = ("title", "dedup_text")


@admin.register(AlertTransition)
class AlertTransitionAdmin(ReadOnly):
    """History."""

    list_display = ("alert", "version", "event", "to_state", "actor_name", "at")


@admin.register(Destination)
class DestinationAdmin(ReadOnly):
    """Where alerts go; the secret is in the environment."""

    list_display = ("name", "kind", "config_ref", "health", "disabled_reason", "paused_until")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    """The outbox."""

    list_display = ("alert", "destination", "kind", "state", "attempts", "created_at", "sent_at", "reason")
    list_filter = ("state", "kind")


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(ReadOnly):
    """Every try."""

    list_display = ("delivery", "n", "outcome", "http_status", "ms", "started_at")
    list_filter = ("outcome",)

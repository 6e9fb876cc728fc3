"""Alerting's addresses."""

from __future__ import annotations

from django.urls import URLPattern, path

from alerts.views import detail, queue

urlpatterns: list[URLPattern] = [
    path("alerts/", queue.queue, name="alerts"),
    path("alerts/<uuid:alert_id>/", detail.detail, name="alert"),
    path("alerts/<uuid:alert_id>/acknowledge/", detail.acknowledge, name="alert_acknowledge"),
    path("alerts/<uuid:alert_id>/resolve/", detail.resolve, name="alert_resolve"),
]

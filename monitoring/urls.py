"""The addresses of monitoring's pages."""

from __future__ import annotations

from django.urls import path

from monitoring.views.desk import desk, export
from monitoring.views.health import healthz, metrics

urlpatterns = [
    path("desk/", desk, name="desk"),
    path("desk/export.csv", export, name="desk-export"),
    path("healthz", healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
]

"""The addresses of monitoring's pages."""

from __future__ import annotations

from django.urls import path

from monitoring.views.desk import desk, export

urlpatterns = [
    path("desk/", desk, name="desk"),
    path("desk/export.csv", export, name="desk-export"),
]

"""Every address of the desk, by app."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
    path("", include("monitoring.urls")),
    path("", include("alerts.urls")),
]

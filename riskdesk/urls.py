"""Every address of the desk, by app."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from riskdesk import apidocs
from riskdesk.api import api

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/docs", apidocs.docs, name="api-docs"),
    path("api/v1/openapi.json", apidocs.openapi, name="api-openapi"),
    path("api/v1/", api.urls),
    path("", include("accounts.urls")),
    path("", include("monitoring.urls")),
    path("", include("alerts.urls")),
]

"""The book's addresses."""

from __future__ import annotations

from django.urls import URLPattern, path

from accounts.views import audit, people

app_name = "accounts"
urlpatterns: list[URLPattern] = [
    path("", people.home, name="home"),
    path("login/", people.login, name="login"),
    path("logout/", people.logout, name="logout"),
    path("settings/", people.settings, name="settings"),
    path("audit/", audit.entries, name="audit"),
]

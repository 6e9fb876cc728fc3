"""The book's addresses."""

from __future__ import annotations

from django.urls import URLPattern, path

from accounts.views import audit, people

urlpatterns: list[URLPattern] = [
    path("", people.home, name="home"),
    path("login/", people.login, name="login"),
    path("logout/", people.logout, name="logout"),
    path("settings/", people.settings, name="settings"),
    path("settings/", people.settings, name="password_change"),  # what the user menu looks for
    path("audit/", audit.entries, name="audit"),
]

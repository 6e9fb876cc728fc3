"""The book's addresses."""

from __future__ import annotations

from django.urls import URLPattern, path

from accounts.views import audit, calendar, overrides, people, plans, symbols, tokens

urlpatterns: list[URLPattern] = [
    path("", people.home, name="home"),
    path("login/", people.login, name="login"),
    path("logout/", people.logout, name="logout"),
    path("settings/", people.settings, name="settings"),
    path("settings/", people.settings, name="password_change"),  # what the user menu looks for
    path("audit/", audit.entries, name="audit"),
    path("calendar/", calendar.calendar, name="calendar"),
    path("calendar/import/", calendar.import_, name="calendar-import"),
    path("symbols/", symbols.symbols, name="symbols"),
    path("symbols/<int:server_id>/", symbols.change, name="symbols-change"),
    path("settings/tokens/", tokens.tokens, name="tokens"),
    path("settings/tokens/<int:token_id>/revoke/", tokens.revoke, name="token-revoke"),
    path("overrides/", overrides.overrides, name="overrides"),
    path("overrides/new/", overrides.new, name="override-new"),
    path("overrides/end/", overrides.end, name="override-end"),
    path("plans/", plans.catalogue, name="plans"),
    path("plans/new/", plans.new, name="plan-new"),
    path("plans/new/json/", plans.import_json, name="plan-import"),
    path("plans/presets/", plans.presets_page, name="presets"),
    path("plans/<slug:slug>/", plans.plan, name="plan"),
    path("plans/<slug:slug>/export.json", plans.export, name="plan-export"),
    path("plans/<slug:slug>/change/", plans.change, name="plan-change"),
    path("plans/<slug:slug>/versions/<slug:phase>/<int:number>/", plans.version, name="plan-version"),
    path("plans/<slug:slug>/<slug:phase>/edit/", plans.edit, name="plan-edit"),
    path("plans/<slug:slug>/<slug:phase>/edit/check/", plans.check, name="plan-check"),
    path("plans/<slug:slug>/<slug:phase>/edit/json/", plans.edit_json, name="plan-edit-json"),
    path("plans/<slug:slug>/<slug:phase>/edit/discard/", plans.discard, name="plan-discard"),
    path("plans/<slug:slug>/<slug:phase>/edit/rebase/", plans.rebase, name="plan-rebase"),
    path("plans/<slug:slug>/<slug:phase>/review/", plans.review, name="plan-review"),
]

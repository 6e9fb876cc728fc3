"""The addresses of monitoring's pages."""

from __future__ import annotations

from django.urls import path

from monitoring.views import apart, lab
from monitoring.views.account import account, chart, release
from monitoring.views.desk import desk, export
from monitoring.views.feeds import feeds, switch
from monitoring.views.health import healthz, metrics
from monitoring.views.me import me
from monitoring.views.moving import move
from monitoring.views.preview import preview
from monitoring.views.resets import reset
from monitoring.views.reviews import decide, reviews

urlpatterns = [
    path("desk/", desk, name="desk"),
    path("desk/export.csv", export, name="desk-export"),
    path("desk/apart/", apart.apart, name="desk-apart"),
    path("overrides/preview/", apart.preview, name="override-preview"),
    path("accounts/<str:public_id>/", account, name="account"),
    path("accounts/<str:public_id>/chart.json", chart, name="account-chart"),
    path("accounts/<str:public_id>/reset/", reset, name="account-reset"),
    path("accounts/<str:public_id>/release/", release, name="account-release"),
    path("me/", me, name="me"),
    path("plans/<slug:slug>/<slug:phase>/preview/", preview, name="plan-preview"),
    path("plans/<slug:slug>/<slug:phase>/move/", move, name="plan-move"),
    path("reviews/", reviews, name="reviews"),
    path("reviews/decide/", decide, name="reviews-decide"),
    path("lab/", lab.lab, name="lab"),
    path("lab/new/", lab.new, name="lab-new"),
    path("lab/<uuid:run_id>/", lab.run, name="lab-run"),
    path("lab/<uuid:run_id>/progress/", lab.progress, name="lab-progress"),
    path("lab/<uuid:run_id>/cancel/", lab.cancel, name="lab-cancel"),
    path("lab/<uuid:run_id>/chart.json", lab.chart, name="lab-chart"),
    path("feeds/", feeds, name="feeds"),
    path("feeds/<int:server_id>/enforcement/", switch, name="feed-enforcement"),
    path("healthz", healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
]

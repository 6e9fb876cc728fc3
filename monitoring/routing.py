"""The addresses of the websockets."""

from __future__ import annotations

from django.urls import path

from monitoring.consumers import AccountPageConsumer, DeskConsumer, FeedsConsumer, MePageConsumer

websocket_urlpatterns = [
    path("ws/desk/", DeskConsumer.as_asgi()),
    path("ws/me/", MePageConsumer.as_asgi()),
    path("ws/account/<str:public_id>/", AccountPageConsumer.as_asgi()),
    path("ws/feeds/", FeedsConsumer.as_asgi()),
]

"""The addresses of the websockets."""

from __future__ import annotations

from channels.security.websocket import WebsocketDenier
from django.urls import path, re_path

from monitoring.consumers import AccountPageConsumer, DeskConsumer, FeedsConsumer, MePageConsumer

websocket_urlpatterns = [
    path("ws/desk/", DeskConsumer.as_asgi()),
    path("ws/me/", MePageConsumer.as_asgi()),
    path("ws/account/<str:public_id>/", AccountPageConsumer.as_asgi()),
    path("ws/feeds/", FeedsConsumer.as_asgi()),
    re_path("", WebsocketDenier.as_asgi()),  # without it, whoever guesses fills the log with tracebacks
]

"""The addresses of the websockets."""

from __future__ import annotations

from django.urls import path

from monitoring.consumers import AccountConsumer, DeskConsumer, OwnAccountsConsumer

websocket_urlpatterns = [
    path("ws/desk/", DeskConsumer.as_asgi()),
    path("ws/me/", OwnAccountsConsumer.as_asgi()),
    path("ws/account/<str:public_id>/", AccountConsumer.as_asgi()),
]

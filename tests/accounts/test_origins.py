"""Whose pages may open a socket."""

from __future__ import annotations

import pytest
from channels.testing import WebsocketCommunicator
from pytest_django import Settings

from accounts.permissions.origins import SameOrigin

HERE = "127.0.0.1:8000"


class Inner:
    """An application that takes every socket."""

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        await send({"type": "websocket.accept"})  # type: ignore[operator]


@pytest.mark.parametrize(
    ("origin", "host", "taken"),
    [
        ("http://127.0.0.1:8000", HERE, True),
        ("http://LOCALHOST:8000", "localhost:8000", True),
        ("https://desk.example.com", "127.0.0.1:9000", True),  # the public address, whatever the proxy asks for
        ("http://127.0.0.1:9999", HERE, False),  # another program of the same machine: it gets the same cookies
        ("http://127.0.0.1", HERE, False),
        ("http://desk.example.com", HERE, False),
        ("http://evil.example", HERE, False),
        ("http://evil.example", "evil.example", False),  # a name that somebody points at this address
        ("http://127.0.0.1:8000@evil.example", HERE, False),
        ("http://[::1", HERE, False),
        ("ftp://127.0.0.1:8000", HERE, False),
        ("null", HERE, False),
        ("", HERE, False),
        ("", "", False),
    ],
)
async def test_only_a_page_of_this_desk_opens_a_socket(settings: Settings, origin: str, host: str, taken: bool) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://desk.example.com"]
    settings.ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
    headers = [(name, text.encode()) for name, text in ((b"origin", origin), (b"host", host)) if text]
    socket = WebsocketCommunicator(SameOrigin(Inner()), "/ws/desk/", headers=headers)
    assert (await socket.connect(timeout=5))[0] is taken

"""The stream's URL: given whole, only a query is added."""

from __future__ import annotations

import pytest

from monitoring.upstream.fxsocket.stream import stream_url


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("wss://h.example/v1/stream", "wss://h.example/v1/stream?accounts=all"),
        ("wss://h.example/ws?region=eu", "wss://h.example/ws?region=eu&accounts=all"),
        ("wss://h.example/ws?accounts=a,b", "wss://h.example/ws?accounts=a,b"),
        ("wss://h.example/ws?account=a", "wss://h.example/ws?account=a"),
    ],
)
def test_accounts_are_added_unless_said(given: str, used: str) -> None:
    assert stream_url(given) == used

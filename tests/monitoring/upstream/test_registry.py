"""The registry: a kind becomes a connector, an unknown one a clear error."""

from __future__ import annotations

import pytest

from monitoring.upstream.base import UpstreamConfig
from monitoring.upstream.registry import UnknownUpstream, connect


def config(kind: str) -> UpstreamConfig:
    return UpstreamConfig(kind, "http://127.0.0.1:1/v1", "ws://127.0.0.1:1/v1/stream", "k")


def test_fxsocket_is_known() -> None:
    connector = connect(config("fxsocket"))
    assert connector.feed.health.state == "connecting"
    assert connector.config.kind == "fxsocket"


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(UnknownUpstream, match=r"unknown upstream kind 'fxsokcet'; known kinds: fxsocket"):
        connect(config("fxsokcet"))

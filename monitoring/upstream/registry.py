"""From a configuration to a connector; the only place that knows which kinds there are."""

from __future__ import annotations

from collections.abc import Callable

from monitoring.upstream.base import Connector, UpstreamConfig


class UnknownUpstream(ValueError):
    """The configuration names a kind that no connector speaks."""


def _fxsocket(config: UpstreamConfig) -> Connector:
    from monitoring.upstream.fxsocket import risk_rules
    from monitoring.upstream.fxsocket.execution import FxSocketExecution
    from monitoring.upstream.fxsocket.feed import FxSocketFeed

    execution = FxSocketExecution(config)
    return Connector(config, FxSocketFeed(config, execution), execution, risk_rules)


# The simulator speaks the bearer dialect on real sockets: to the monitor it is an fxsocket upstream.
KINDS: dict[str, Callable[[UpstreamConfig], Connector]] = {"fxsocket": _fxsocket, "simulator": _fxsocket}


def connect(config: UpstreamConfig) -> Connector:
    """The connector of `config.kind`, not yet connected; UnknownUpstream names the kinds there are."""
    try:
        make = KINDS[config.kind]
    except KeyError:
        known = ", ".join(sorted(KINDS))
        raise UnknownUpstream(f"unknown upstream kind {config.kind!r}; known kinds: {known}") from None
    return make(config)

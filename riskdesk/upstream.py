"""Which upstream the settings name: a real one by its four variables, or else the simulator."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from riskdesk.env import Environment, kept_secret

KINDS = ("fxsocket",)


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where account updates come from and commands go to. `rest_url` ends in /v1, `ws_url` is the whole stream."""

    kind: str
    rest_url: str
    ws_url: str
    key: str = field(repr=False)
    is_simulator: bool


def upstream_from(env: Environment, state_dir: Path, simulator_port: int) -> Upstream:
    """The upstream by environment; a part of its variables alone is refused, naming what is missing."""
    kind = env.choice("RISKDESK_UPSTREAM_KIND", "fxsocket", KINDS)
    parts = {
        "RISKDESK_UPSTREAM_REST_URL": env.url("RISKDESK_UPSTREAM_REST_URL", schemes=("https", "http")).rstrip("/"),
        "RISKDESK_UPSTREAM_WS_URL": env.url("RISKDESK_UPSTREAM_WS_URL", schemes=("wss", "ws")),
        "RISKDESK_UPSTREAM_KEY": env.secret("RISKDESK_UPSTREAM_KEY"),
    }
    for name, value in parts.items():
        if name.endswith("_URL") and "@" in urlsplit(value).netloc:
            raise ImproperlyConfigured(
                f"{name} must not hold a user or password: the key goes into RISKDESK_UPSTREAM_KEY"
            )
    missing = [name for name, value in parts.items() if not value]
    if not missing:
        rest_url, ws_url, key = parts.values()
        return Upstream(kind=kind, rest_url=rest_url, ws_url=ws_url, key=key, is_simulator=False)
    if len(missing) < len(parts):
        given = ", ".join(sorted(parts.keys() - set(missing)))
        raise ImproperlyConfigured(
            f"{' and '.join(missing)} must be set too: with {given} alone there is no whole upstream "
            "(unset all of them to use the simulator)"
        )
    host = f"127.0.0.1:{simulator_port}"
    return Upstream(
        kind="fxsocket",
        rest_url=f"http://{host}/v1",
        ws_url=f"ws://{host}/v1/stream?accounts=all",
        key=kept_secret(state_dir / "simulator_key", lambda: secrets.token_urlsafe(24)),
        is_simulator=True,
    )

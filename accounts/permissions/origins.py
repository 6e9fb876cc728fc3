"""Where a socket is asked for from: only a page of this very desk may, as only its own forms may post."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host


class SameOrigin:
    """Refuses what another site's page opens with our user's cookies; a cookie is also sent from another port."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.denier: Any = WebsocketDenier.as_asgi()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Hand on, or refuse the handshake with a 403."""
        said = {name: value.decode("latin-1") for name, value in scope["headers"]}
        ours = is_ours(said.get(b"origin", ""), said.get(b"host", ""))
        return await (self.inner if ours else self.denier)(scope, receive, send)


def is_ours(origin: str, host: str) -> bool:
    """Whether a page of `origin` is served at `host`, which is one of our hosts, or at the public address."""
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        page = urlsplit(origin)
    except ValueError:
        return False
    here = page.scheme in {"http", "https"} and page.netloc.lower() == host.lower()
    return here and validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)

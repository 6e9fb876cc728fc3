"""Asks the web process how the desk is, as run_desk does before it says "ready"."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


def health_address(settings: Any) -> tuple[str, str]:
    """Where /healthz answers on this host, and the Host header that the settings allow."""
    bind = settings.RISKDESK_BIND
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(bind, f"[{bind}]" if ":" in bind else bind)
    allowed = settings.ALLOWED_HOSTS[0].removeprefix(".")
    return f"http://{host}:{settings.PORT}/healthz", "localhost" if allowed == "*" else allowed


def ask(url: str, host: str, timeout: float = 3.0) -> tuple[int, dict[str, Any]]:
    """The status code and the JSON of /healthz; (0, {"error": …}) when nothing answers."""
    request = urllib.request.Request(url, headers={"Host": host, "X-Forwarded-Proto": "https"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            code, body = response.status, response.read()
    except urllib.error.HTTPError as error:
        code, body = error.code, error.read()
    except OSError as error:
        return 0, {"error": str(error)}
    try:
        found = json.loads(body)
    except ValueError:
        found = {}
    return code, found if isinstance(found, dict) else {}


def is_ready(code: int, answer: dict[str, Any]) -> bool:
    """Whether the web serves (200), and a ready monitor is heard now (not only remembered by Redis)."""
    monitor = answer.get("monitor")
    ready = isinstance(monitor, dict) and monitor.get("ready") is True
    return code == 200 and ready and answer.get("live") == "connected"

"""The fragments that every desk shows: figures, banners, and a rail of events until alerts brings its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from monitoring.replica.cells import SEVERITY_WORDS
from monitoring.replica.feeds import CONNECTED
from monitoring.replica.fragments import register_fragment
from monitoring.replica.store import Replica

RAIL_EVENTS = 30
EVENT_WORDS = {"stepped_up": "Warned again", "target_reached": "Target reached", "day_started": "Day started"}


def register_standard(get: Callable[[], Replica]) -> None:
    """Register `kpis`, `banners` and the fallback of `alert-rail` on the process's replica."""
    register_fragment("kpis", lambda: {"kpis": get().kpis()}, "monitoring/_kpis.html")
    register_fragment("banners", lambda: banners(get()), "monitoring/_banners.html")
    register_fragment("alert-rail", lambda: rail(get()), "monitoring/_rail.html")


def banners(replica: Replica) -> dict[str, Any]:
    """What is wrong with the data: a silent monitor, feeds that are down, what the monitor suffers from."""
    health = replica.health()
    lines = []
    if health.live != "connected":
        since = f" since {clock(health.since_ms)} UTC" if health.since_ms else ""
        lines.append(f"{health.message}{since}. The figures are the last known ones.")
    behind = set(replica.kpis().behind)
    for server in replica.servers():
        if server.server in behind:
            since = f" since {clock(server.since_ms)} UTC" if server.since_ms else ""
            reason = f": {server.reason}" if server.reason else ""
            if server.state in CONNECTED:
                lines.append(
                    f"Feed {server.server} is stale: the data of {server.stale_accounts:,} of its {server.accounts:,} "
                    "accounts are old, there is no verdict on them"
                )
                continue
            lines.append(f"Feed {server.server} {server.state.replace('_', ' ')}{since}{reason}")
    return {"lines": lines, "warnings": health.warnings, "trap": overnight_trap(replica)}


def overnight_trap(replica: Replica) -> dict[str, Any] | None:
    """How many accounts a reset now would put in breach without any move of the market, and when the first resets."""
    trapped = [row for row in replica.rows() if row.reset_breach]
    if not trapped:
        return None
    first = min((row.next_reset_ms for row in trapped if row.next_reset_ms), default=None)
    one = len(trapped) == 1
    return {
        "text": f"{len(trapped):,} account{' ' if one else 's '}would be in breach if the day reset now",
        "when": f"{'it resets' if one else 'the first of them resets'} at {clock(first)[:5]} UTC" if first else "",
    }


def rail(replica: Replica) -> dict[str, Any]:
    """The newest warnings and breaches as the monitor told them."""
    shown = []
    for event in replica.events(200):
        row = replica.row(event.public_id)
        if event.event not in {"warned", "stepped_up", "breached", "violated"} or row is None:
            continue
        shown.append(
            {
                "severity": event.severity,
                "word": SEVERITY_WORDS[min(max(event.severity, 0), 4)] or "Notice",
                "public_id": event.public_id,
                "login": row.login,
                "reason": event.reason,
                "clock": clock(event.at_ms),
                "iso": datetime.fromtimestamp(event.at_ms / 1000, UTC).isoformat(),
            }
        )
        if len(shown) == RAIL_EVENTS:
            break
    return {"events": shown}


def clock(ms: int | None) -> str:
    """A time of day in UTC from epoch milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M:%S") if ms else ""

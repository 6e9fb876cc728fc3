"""Time and the link as messages: a tick moves everybody's time, the link's state moves nobody's."""

from __future__ import annotations

from datetime import datetime

from monitoring.engine.events import Event
from monitoring.engine.messages import Link
from monitoring.engine.rules.day import advance
from monitoring.engine.rules.freshness import settle_freshness
from monitoring.engine.snapshot import Snapshot


def tick(snapshot: Snapshot, ts: datetime) -> list[Event]:
    """Take due resets and settle freshness of every account; a clock that goes back changes nothing."""
    link = snapshot.link
    if link.now is not None and ts < link.now:
        return []
    link.now = ts
    accounts = list(snapshot.accounts.values())
    newest = max((account.last.ts for account in accounts if account.last is not None), default=None)
    if newest is not None:
        link.saw(newest)
    events: list[Event] = []
    for account in accounts:
        state, last = account.state, account.last
        if state.next_reset is not None and state.next_reset <= ts:
            events += advance(account, ts)
        if state.stale or last is None or ts - last.ts >= account.stale_after:
            events += settle_freshness(account, ts, ts)
            account.disturb()  # fresh or not, its next update is asked how old it is itself
    return events


def link_changed(snapshot: Snapshot, message: Link) -> list[Event]:
    """Note the link's state; a new connection may number its frames anew."""
    link = snapshot.link
    link.reason = message.reason
    events: list[Event] = []
    if message.state == "alive":
        link.saw(message.ts)
        link.state = "connected"
    else:
        changed = link.state != message.state
        link.state = message.state
        if message.state == "connected":
            link.saw(message.ts)
            for account in snapshot.accounts.values():
                account.flush().renumbered = True
                account.disturb()
        if changed:
            for account in snapshot.accounts.values():
                account.touch()
    for account in snapshot.accounts.values() if message.state in {"alive", "connected"} else ():
        if account.state.stale:
            events += settle_freshness(account, message.ts, max(message.ts, link.now or message.ts))
    return events

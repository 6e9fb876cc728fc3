"""Time, the link and the markets as messages: a tick moves everybody's time, the others move nobody's."""

from __future__ import annotations

from datetime import datetime

from monitoring.engine.events import Event
from monitoring.engine.messages import Link, Market
from monitoring.engine.rules.freshness import settle_freshness
from monitoring.engine.rules.others import catch_up, reschedule
from monitoring.engine.rules.timers import advance
from monitoring.engine.ruleset.model import FlatBy
from monitoring.engine.snapshot import Snapshot
from monitoring.engine.snapshot.store import EPOCH


def tick(snapshot: Snapshot, ts: datetime) -> list[Event]:
    """Take what is due and settle freshness of every account; a clock that goes back changes nothing."""
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
        if account.wakes <= ts:
            events += advance(account, ts)
        if state.stale or last is None or ts - last.ts >= account.stale_after:
            events += settle_freshness(account, ts, ts)
            account.disturb()  # fresh or not, its next update is asked how old it is itself
        if state.pending:
            account.flush()
            events += catch_up(account, ts)
    return events


def set_market(snapshot: Snapshot, market: Market) -> None:
    """Take what the firm says of the markets; deadlines may have moved, and names may have become known.

    It moves nobody's time: a deadline that turns out to have passed is judged with the account's next message.
    """
    moved = market.holidays != snapshot.market.holidays
    snapshot.set_market(market)
    for account in snapshot.accounts.values() if moved else ():  # news and names move no deadline
        if account.positions and any(isinstance(rule, FlatBy) for rule in account.rule_set.others):
            state = account.flush()
            state.pending = state.breach is None
            reschedule(account, max(state.last_ts or EPOCH, snapshot.link.now or EPOCH))
            account.disturb()


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

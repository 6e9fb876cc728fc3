"""What the upstream's own rules say: counted and shown. A verdict never rests on it."""

from __future__ import annotations

from collections import Counter

from monitoring.engine.messages import AccountNotice

EVENTS_KNOWN = 1_000
TOLD = {"rule_breach": "rule_events", "order_rejected": "orders_refused"}  # kind: what it is counted under


class ToldThere:
    """The counts since the monitor's start, each event once."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(TOLD.values(), 0))
        self._known: dict[str, None] = {}
        self._changed: set[str] = set()

    def rules_changed(self) -> set[str]:
        """The accounts whose rules there somebody has set since the last call, ourselves included."""
        changed, self._changed = self._changed, set()
        return changed

    def notice(self, message: AccountNotice) -> None:
        """Count an event of the upstream's rules, once."""
        if message.kind == "risk_rules_updated":
            self._changed.add(message.account_id)
        name, event_id = TOLD.get(message.kind), message.event_id
        if name is None or (event_id is not None and event_id in self._known):
            return
        self.counts[name] += 1
        if event_id is not None:
            self._known[event_id] = None
            if len(self._known) > EVENTS_KNOWN:
                del self._known[next(iter(self._known))]

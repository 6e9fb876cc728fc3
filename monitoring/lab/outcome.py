"""What became of one account under one rule set, gathered while its frames are played."""

from __future__ import annotations

from datetime import datetime
from math import inf
from typing import Any

from monitoring.engine.events import Event, EventKind
from monitoring.engine.messages import AccountUpdate
from monitoring.engine.money import money_text
from monitoring.engine.rules import levels
from monitoring.engine.snapshot import Account, AccountState

KEPT = 20  # events of one account that are listed; all are counted
COUNTED = {
    EventKind.WARNED: "warned",
    EventKind.BREACHED: "breached",
    EventKind.VIOLATED: "violated",
}
LOSS = frozenset({"daily_loss", "max_loss"})
LISTED = frozenset({EventKind.WARNED, EventKind.BREACHED, EventKind.VIOLATED, EventKind.TARGET_REACHED})


class Outcome:
    """Counts, the first breach, the least room of any loss rule, and the state at the end."""

    __slots__ = (
        "balance",
        "breach",
        "counts",
        "credit",
        "digits",
        "dirty",
        "events",
        "first_warned",
        "floor",
        "peak",
        "room",
        "room_at",
        "room_rule",
        "rules",
        "state",
        "target",
    )

    def __init__(self) -> None:
        self.counts = {"warned": 0, "breached": 0, "violated": 0}
        self.rules: dict[str, int] = {}  # rule -> warnings, violations and breaches
        self.events: list[tuple[datetime, str, str]] = []
        self.first_warned: datetime | None = None
        self.breach: Event | None = None
        self.target: datetime | None = None
        self.room: int | None = None  # the least so far, minor units
        self.room_at: datetime | None = None
        self.room_rule = ""
        self.digits = 2
        self.state = "unknown"
        # What spares most updates the exact question: no room is less while equity stays above `floor`, balance and
        # credit are the same and no new peak may have lifted the floor.
        self.floor, self.peak, self.dirty = -inf, -inf, True
        self.balance, self.credit = 0.0, 0.0

    def note(self, event: Event) -> None:
        """Take an event."""
        self.forget()
        counted = COUNTED.get(event.event)
        if counted is not None:
            self.counts[counted] += 1
            rule = event.rule or ""
            self.rules[rule] = self.rules.get(rule, 0) + 1
        if event.event is EventKind.WARNED and self.first_warned is None:
            self.first_warned = event.at
        elif event.event is EventKind.BREACHED and self.breach is None:
            self.breach = event
        elif event.event is EventKind.TARGET_REACHED and self.target is None:
            self.target = event.at
        if event.event in LISTED and len(self.events) < KEPT:
            self.events.append((event.at, event.event.value, event.rule or ""))
        if event.rule in LOSS and event.room is not None:  # also at a reset or a REST reading, without an update
            self.digits = event.digits
            self._see(event.room, event.at, event.rule)

    def forget(self) -> None:
        """Something may have moved a limit or a mark: the next update is asked exactly, a new peak as well."""
        self.dirty, self.floor, self.peak = True, inf, -inf

    def measure(self, account: Account, update: AccountUpdate) -> None:
        """Take an update that was just applied: is some loss rule's room less than ever?"""
        figures = update.data
        equity = figures.equity
        if figures.credit != self.credit:
            self.forget()
        if equity >= self.peak:
            self.peak, self.dirty = equity, True
            if equity > self.floor and figures.balance == self.balance and self.room is not None:
                return  # at a new peak there is room; how much is asked when it falls
        if not self.dirty and equity > self.floor and figures.balance == self.balance:
            return
        self.dirty = False
        self.balance, self.credit = figures.balance, figures.credit
        scale = 10**account.rule_set.digits
        self.digits = account.rule_set.digits
        least: int | None = None
        for level in levels(account):
            room = level.measured - level.floor
            if least is None or room < least:
                least = room
            self._see(room, update.ts, level.rule.rule)
        if least is not None and self.room is not None:
            self.floor = equity - (least - self.room) / scale

    def _see(self, room: int, at: datetime, rule: str) -> None:
        if self.room is None or room < self.room:
            self.room, self.room_at, self.room_rule = room, at, rule

    def finish(self, state: AccountState | None) -> None:
        """Take the state at the end."""
        if state is None or state.figures is None:
            return
        if state.breach is not None:
            self.state = "breached"
        elif state.paused_until is not None:
            self.state = "paused"
        elif state.review or state.verdict_held:
            self.state = "review"
        elif any(memory.step for memory in state.rules):
            self.state = "warned"
        else:
            self.state = "target" if state.target_reached_at is not None else "ok"

    def row(self) -> dict[str, Any]:
        """As the result keeps it: amounts and times as text."""
        breach = self.breach
        return {
            **self.counts,
            "rules": self.rules,
            "first_warned": _text(self.first_warned),
            "breach": None
            if breach is None
            else {
                "at": _text(breach.at),
                "rule": breach.rule,
                "consequence": breach.consequence,
                "reason": breach.reason,
            },
            "target": _text(self.target),
            "room": None if self.room is None else money_text(self.room, self.digits),
            "room_at": _text(self.room_at),
            "room_rule": self.room_rule,
            "state": self.state,
            "events": [(_text(at), kind, rule) for at, kind, rule in self.events],
        }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

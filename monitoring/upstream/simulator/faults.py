"""Injected faults: what is asked for, how long it lasts, and how often it struck."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from monitoring.upstream.simulator.errors import Refused
from monitoring.upstream.simulator.parse import number, text, whole

FRAME_KINDS = frozenset({
    "duplicate", "reorder", "delay", "corrupt", "nan", "missing_field", "wrong_type", "unknown_type", "huge", "late",
    "repeat",
})  # fmt: skip
HTTP_KINDS = frozenset({
    "http_429", "http_503", "http_504", "http_504_executes", "http_hang", "http_reset", "partial_close", "partial_fill",
})  # fmt: skip
SOCKET_KINDS = frozenset({"drop_socket", "half_open", "close_socket", "key_revoked"})
LINK_KINDS = frozenset({"connection_lost", "connection_restored", "auth_failed", "maintenance", "stale_account"})
KINDS = FRAME_KINDS | HTTP_KINDS | SOCKET_KINDS | LINK_KINDS
SHORT_NAMES = {"drop": "drop_socket", "429": "http_429", "503": "http_503", "504": "http_504_executes"}
LASTING = frozenset({"half_open", "key_revoked", "connection_lost", "auth_failed", "maintenance", "stale_account"})
MOMENTARY = frozenset({"close_socket", "connection_restored"})
UNCOUNTED = LASTING | MOMENTARY | {"drop_socket"}
LOSS_REASONS = frozenset({"broker_offline", "auth_failed", "account_disabled", "maintenance"})
CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
ALLOWED = frozenset({"kind", "account", "for_s", "count", "delay_s", "retry_after", "path", "code", "reason"})


@dataclass(slots=True)
class Fault:
    """One fault: strikes until its `count` is used up or `until` (monotonic seconds) has come."""

    id: int
    kind: str
    account: str | None = None
    until: float | None = None
    left: int | None = None
    hits: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    def object(self) -> dict[str, Any]:
        """As the control API shows it."""
        rest = None if self.until is None else max(0.0, round(self.until - time.monotonic(), 2))
        return {"id": self.id, "kind": self.kind, "account": self.account, "remaining_s": rest,
                "remaining_count": self.left, "hits": self.hits, **self.extra}  # fmt: skip

    def over(self, now: float) -> bool:
        """Whether it strikes no more."""
        return (self.left is not None and self.left <= 0) or (self.until is not None and self.until <= now)


class Faults:
    """The faults that are active now."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self.active: list[Fault] = []
        self.calm = asyncio.Event()  # set when everything is taken away: hanging requests go on
        self.frames = False  # whether any frame fault is active: asked for every frame

    def add(self, body: dict[str, Any]) -> Fault:
        """A fault from a control request; Refused 422 names the field that is wrong."""
        for name in body.keys() - ALLOWED:
            raise Refused.invalid(name, f"unknown field {name!r} (known: {', '.join(sorted(ALLOWED))})")
        given = text(body, "kind", required=True)
        kind = SHORT_NAMES.get(given, given)
        if kind not in KINDS:
            raise Refused.invalid("kind", f"unknown fault {kind!r} (known: {', '.join(sorted(KINDS))})")
        seconds, times = number(body, "for_s", least=0), whole(body, "count", least=1)
        if kind in UNCOUNTED:
            if times not in (None, 1):
                raise Refused.invalid("count", f"{kind} strikes once: give for_s, or end it by DELETE /faults")
            times = None
        if seconds is None and times is None and kind not in LASTING and kind != "drop_socket":
            times = 1
        until = None if seconds is None else time.monotonic() + float(seconds)
        extra: dict[str, Any] = {}
        for name in ("delay_s", "retry_after"):
            value = number(body, name, least=0)
            if value is not None:
                extra[name] = float(value)
        code = whole(body, "code", least=1000)
        if code is not None and not (code in CLOSE_CODES or 3000 <= code <= 4999):
            raise Refused.invalid("code", f"code {code} may not be sent in a close frame")
        extra |= {} if code is None else {"code": code}
        extra |= {name: text(body, name) for name in ("path", "reason") if body.get(name) is not None}
        if extra.get("reason") and extra["reason"] not in LOSS_REASONS:
            raise Refused.invalid("reason", f"{extra['reason']!r} is none of {', '.join(sorted(LOSS_REASONS))}")
        fault = Fault(next(self._numbers), kind, text(body, "account") or None, until, times, extra=extra)
        if kind not in MOMENTARY and not (kind == "drop_socket" and until is None):
            self.active.append(fault)
        self._refresh()
        return fault

    def find(self, kinds: frozenset[str], account: str | None, path: str | None = None) -> Fault | None:
        """The oldest active fault of these kinds that concerns the account and the path; it is not used up."""
        now = time.monotonic()
        for fault in self.active:
            if fault.kind not in kinds or fault.account not in (None, account) or fault.over(now):
                continue
            if path is None or fault.extra.get("path", "") in path:
                return fault
        return None

    def strike(self, fault: Fault) -> None:
        """Count one hit."""
        fault.hits += 1
        if fault.left is not None:
            fault.left -= 1
        self._refresh()

    def expire(self) -> list[Fault]:
        """Take away what is over, and say what that was."""
        now = time.monotonic()
        gone = [fault for fault in self.active if fault.over(now)]
        if gone:
            self.active = [fault for fault in self.active if not fault.over(now)]
            self._refresh()
        return gone

    def clear(self) -> list[Fault]:
        """Take everything away."""
        gone, self.active, self.frames = self.active, [], False
        self.calm.set()
        self.calm = asyncio.Event()
        return gone

    def _refresh(self) -> None:
        now = time.monotonic()
        self.frames = any(fault.kind in FRAME_KINDS and not fault.over(now) for fault in self.active)

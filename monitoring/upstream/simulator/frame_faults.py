"""Spoiling frames on their way out: what is remembered for replay stays as it was."""

from __future__ import annotations

import re
from collections import defaultdict

from monitoring.upstream.simulator.faults import FRAME_KINDS, Faults

HUGE = 10 * 1024 * 1024
Later = list[tuple[float, tuple[bytes, ...]]]
_EQUITY = re.compile(rb'"equity":[^,}]+')
_UPDATE_ONLY = frozenset({"nan", "missing_field", "wrong_type", "late", "repeat"})


class FrameFaults:
    """Applies the oldest matching fault to a frame."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.held: defaultdict[str, list[tuple[str, bytes]]] = defaultdict(list)
        self._sent: dict[str, list[bytes]] = {}

    def release(self, account: str) -> tuple[tuple[str, bytes], ...]:
        """The frames of the account that were held back, each with its kind."""
        return tuple(self.held.pop(account, ()))

    def apply(self, account: str, kind: str, frame: bytes) -> tuple[tuple[bytes, ...], Later]:
        """What goes out in place of `frame` now, and what later (seconds, frames)."""
        fault = self._faults.find(FRAME_KINDS, account)
        if fault is None or (fault.kind in _UPDATE_ONLY and kind != "account_update"):
            return (frame,), []
        if fault.kind == "reorder" and self.held.get(account):
            return (frame,), []  # the next one: what is held goes out behind it
        if fault.kind in ("late", "repeat") and len(self._remember(account, frame)) < 3:
            return (frame,), []
        self._faults.strike(fault)
        if fault.kind == "reorder":
            self.held[account].append((kind, frame))
            return (), []
        if fault.kind == "delay":
            return (), [(float(fault.extra.get("delay_s", 2.0)), (frame,))]
        return self._spoil(fault.kind, account, frame), []

    def _remember(self, account: str, frame: bytes) -> list[bytes]:
        sent = self._sent.setdefault(account, [])
        sent.append(frame)
        del sent[:-3]
        return sent

    def _spoil(self, kind: str, account: str, frame: bytes) -> tuple[bytes, ...]:
        match kind:
            case "duplicate":
                return frame, frame
            case "corrupt":
                return (frame[: len(frame) * 2 // 3],)
            case "nan":
                return (_EQUITY.sub(b'"equity":NaN', frame, count=1),)
            case "missing_field":
                return (_EQUITY.sub(b"", frame, count=1).replace(b",,", b",").replace(b"{,", b"{"),)
            case "wrong_type":
                return (_EQUITY.sub(b'"equity":"plenty"', frame, count=1),)
            case "unknown_type":
                return (re.sub(rb'"type":"[a-z_]+"', b'"type":"horoscope"', frame, count=1), frame)
            case "huge":
                return (frame[:-1] + b',"padding":"' + b"x" * HUGE + b'"}', frame)
            case "late":
                return frame, self._sent.pop(account)[0]
            case "repeat":
                return frame, self._sent.pop(account)[1]
        raise AssertionError(kind)

"""A word to alerting that an event is there: best effort, off every other path. Alerting sweeps for what is missed."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import structlog

from monitoring import metrics

log = structlog.get_logger(__name__)
LIMIT = 1000
PAUSE = 1.0  # after a failure: the broker is likely away, and alerting sweeps meanwhile


class Hints:
    """Sends event ids with `send` from a thread of its own; drops and counts what it cannot send."""

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._queue: queue.Queue[str | None] = queue.Queue(LIMIT)
        self._quiet_until = 0.0
        self._thread = threading.Thread(target=self._run, name="alert-hints", daemon=True)
        self._thread.start()

    def give(self, event_id: str) -> None:
        """Hand over an event's id; never blocks."""
        try:
            self._queue.put_nowait(event_id)
        except queue.Full:
            metrics.HINT_FAILURES.inc()

    def close(self) -> None:
        """Stop after what is queued."""
        try:
            self._queue.put(None, timeout=1)
        except queue.Full:
            return
        self._thread.join(timeout=3)

    def _run(self) -> None:
        while (event_id := self._queue.get()) is not None:
            if time.monotonic() < self._quiet_until:
                metrics.HINT_FAILURES.inc()
                continue
            try:
                self._send(event_id)
            except Exception as error:  # whatever the broker's client raises: alerting finds the row by itself
                metrics.HINT_FAILURES.inc()
                self._quiet_until = time.monotonic() + PAUSE
                log.warning("alert_hint_failed", error=str(error))

"""The sweep without Celery: two threads in the alert worker, so that no lost Redis and no lost beat delays an alert.

One settles (events, leases, dwells) and never waits for a provider; the other sends what is due.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from alerts.deliveries.dispatch import dispatch_due
from alerts.deliveries.sweep import settle

log = logging.getLogger(__name__)

EVERY = 1.0
SENDS = 20


class Standby:
    """The two threads; `stop` ends them after the round in hand."""

    def __init__(self) -> None:
        self._stopping = Event()
        self._threads = [
            Thread(target=self._run, args=("settle", settle), name="alerts-settle", daemon=True),
            Thread(target=self._run, args=("send", self._send), name="alerts-send", daemon=True),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()
        log.info("The alert worker is ready and sweeps each %s s", EVERY)

    def stop(self, patience: float = 5.0) -> None:
        """Ask both to end and wait a little: a send in hand is worth its outcome."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(patience)

    def _run(self, name: str, round_of: Callable[[], int]) -> None:
        failing = False
        while not self._stopping.wait(EVERY):
            try:
                round_of()
                if failing:
                    log.warning("The alert sweep (%s) works again", name)
                failing = False
            except (OperationalError, InterfaceError) as error:
                if not failing:  # once an outage, not once a second
                    log.warning("The alert sweep (%s) waits for PostgreSQL: %s", name, type(error).__name__)
                failing = True
            except Exception:
                log.exception("The alert sweep (%s) failed; the next round is in %s s", name, EVERY)
            finally:
                connection.close_if_unusable_or_obsolete()

    def _send(self) -> int:
        until = timezone.now() + timedelta(seconds=30)
        return 0 if self._stopping.is_set() else dispatch_due(limit=SENDS, until=until)

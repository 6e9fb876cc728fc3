"""The live book in a web process: an in-memory copy of every shard, kept by tailing the monitors' Redis Streams.

For pages and consumers:

- `get()` the process's replica, started at the first use; `start()` the same, said in asgi.py;
- `get().view(DeskQuery, offset, limit)` a window in order · `.row(public_id)` one account · `.kpis()` ·
  `.events(limit)` newest first · `.servers()` feed health · `.choices("phase")` · `.health()` how fresh all this is;
- `get().cells(row)` every cell as text, the one formatter of HTML, JSON and CSV, made once per row;
- `get().subscribe(callback)` changes, told in the replica's thread: note and return (`loop.call_soon_threadsafe`);
- `listen("alerts" | "people", callback)`: pub/sub `riskdesk:alerts` ({"version": n} after each committed change)
  and the entries of the stream `riskdesk:people` (the id of a user whose role or state changed);
- `register_fragment(name, provider, template)` for a higher layer whose HTML every desk shows: alerts registers its
  rail as `register_fragment("alert-rail", context, "alerts/_rail.html")` in AppConfig.ready(); a notice
  `riskdesk:alerts` renders it again, once, and pushes it to every desk within 250 ms;
- `get().settle(public_ids)` breached accounts that were acknowledged and need not stay on top.

Rows are whole and immutable (`live.publish.AccountRow`), money in minor units, times in epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from django.conf import settings

from monitoring.replica.cells import SEVERITY_WORDS, Cells, age, cells, money, percent
from monitoring.replica.fragments import register_fragment, registered, render_fragment
from monitoring.replica.kpis import Kpi, Kpis
from monitoring.replica.query import SHORT, VIEWS, WINDOW_LIMIT, DeskQuery
from monitoring.replica.standard import register_standard
from monitoring.replica.store import Change, Health, Replica, Window
from monitoring.replica.tail import Tail

__all__ = [
    "SEVERITY_WORDS",
    "SHORT",
    "VIEWS",
    "WINDOW_LIMIT",
    "Cells",
    "Change",
    "DeskQuery",
    "Health",
    "Kpi",
    "Kpis",
    "Replica",
    "Tail",
    "Window",
    "age",
    "cells",
    "get",
    "listen",
    "money",
    "percent",
    "register_fragment",
    "registered",
    "render_fragment",
    "start",
    "stop",
]

FIRST_LOOK = 2.0  # seconds
_lock = Lock()
_tail: Tail | None = None
_listeners: dict[str, list[Callable[[bytes], None]]] = {}


def start() -> Replica:
    """The process's replica; its threads begin at the first call."""
    global _tail
    with _lock:
        if _tail is None:
            _tail = Tail(Replica(), settings.REDIS_URL, _noticed)
            _tail.start()
            _tail.looked.wait(FIRST_LOOK)  # so that the first page has its rows
        return _tail.replica


def get() -> Replica:
    """The process's replica."""
    return start()


def stop() -> None:
    """End the threads and forget the copy; the next `get()` begins afresh."""
    global _tail
    with _lock:
        tail, _tail = _tail, None
    if tail is not None:
        tail.stop()


def listen(notice: str, callback: Callable[[bytes], None]) -> Callable[[], None]:
    """Have `callback` called in the replica's thread at each notice ("alerts" or "people"); returns what ends it.

    An empty payload means that notices may have been missed: look at everything again.
    """
    _listeners.setdefault(notice, []).append(callback)
    return lambda: _listeners[notice].remove(callback)


def _noticed(name: str, payload: bytes) -> None:
    for callback in list(_listeners.get(name, ())):
        callback(payload)


register_standard(get)

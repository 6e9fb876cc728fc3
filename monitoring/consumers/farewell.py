"""At Daphne's end every open socket is closed with 4012, so that browsers know to come again at once.

Daphne's own way (cancel the applications) fails with a KeyError when a page was loaded over the same server, so this
hangs on the reactor itself. It is 4012 and not 1012 because Autobahn, under Daphne, lets applications send 1000 and
3000 to 4999 only; other servers close with 1012 by themselves.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

GOING = 4012
FLUSH = 0.1  # seconds: Twisted drops what is not yet written

Close = Callable[[int], Awaitable[None]]
_open: dict[int, Close] = {}
_arranged = False


def join(key: int, close: Close) -> None:
    """Remember an open socket."""
    global _arranged
    _open[key] = close
    if not _arranged and "daphne.server" in sys.modules:
        from twisted.internet import reactor

        found: Any = reactor
        found.addSystemEventTrigger("before", "shutdown", _wave)
        _arranged = True


def leave(key: int) -> None:
    """Forget a socket."""
    _open.pop(key, None)


def _wave() -> Any:
    """Close every socket; the reactor waits for the answer."""
    from twisted.internet.defer import Deferred

    return Deferred.fromFuture(asyncio.ensure_future(close_all()))


async def close_all() -> None:
    """Close every open socket and give it time to go out."""
    if _open:
        await asyncio.gather(*(close(GOING) for close in list(_open.values())), return_exceptions=True)
        await asyncio.sleep(FLUSH)

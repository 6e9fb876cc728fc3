"""The socket of one account, or of a trader's own: cells, fragments and chart points once a second.

For the pages: subclass `AccountConsumer`, give `fragments_of` (what HTML a row makes: element id, template, context)
and route it. A page gets {"t":"snap"|"d"} as on the desk, {"t":"html"} when a fragment's HTML changed and for each
account {"t":"points","account":id,"x":[epoch ms],"y":{"equity":[…],"daily_floor":[…],"max_floor":[…]}} in whole units.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from time import monotonic, time
from typing import Any

from channels.db import database_sync_to_async
from django.template.loader import render_to_string

from accounts.permissions import SocketUser, may_watch_desk, may_watch_own_accounts, own_accounts
from monitoring import replica
from monitoring.consumers.base import LiveConsumer
from monitoring.consumers.messages import Sub
from monitoring.consumers.windows import PROTOCOL, Delta, encode
from monitoring.live.publish import AccountRow
from monitoring.replica import Cells

EVERY = 1.0
LOOKS = 4  # in each second, for what must not wait
Fragments = Iterable[tuple[str, str, Mapping[str, Any]]]  # element id, template, context


class AccountConsumer(LiveConsumer):
    """`/ws/account/<public_id>/`: the risk team any account, a trader his own."""

    refusal = "You can only watch your own accounts."
    ids: tuple[str, ...] = ()  # what it tells of, since it was opened

    def fragments_of(self, row: AccountRow) -> Fragments:
        """The HTML that the page shows of an account, besides its cells; called in a worker thread."""
        return ()

    def cells_of(self, row: AccountRow) -> Cells:
        """The cells that the page shows of an account; called in the event loop."""
        return replica.get().cells(row)

    def urgent(self) -> bool:
        """Whether something must not wait for the next second; asked four times in it."""
        return False

    async def wanted(self, user: SocketUser) -> tuple[str, ...]:
        """The accounts that this socket is about."""
        return (str(self.scope["url_route"]["kwargs"]["public_id"]).replace("\0", "\ufffd"),)  # PostgreSQL takes no NUL

    async def allowed(self, user: SocketUser) -> bool:
        """The risk team, or the owner of each account asked for."""
        if may_watch_desk(user.role):
            return True
        return set(await self.wanted(user)) <= await own_accounts(user.id)

    async def opened(self) -> None:
        """Begin to tell, each second."""
        assert self.user is not None
        self.ids = await self.wanted(self.user)
        self.seq: int = 0
        self._state: dict[str, Cells] = {}
        self._rows: dict[str, AccountRow] = {}
        self._html: dict[str, str] = {}
        self._snap_due: bool = True
        self._spawn(self._run())

    async def subscribed(self, message: Sub) -> None:
        """The page (re)starts: the next second brings everything."""
        self._snap_due = True
        self._html.clear()

    async def _run(self) -> None:
        while True:
            self._beat()
            self._cells()
            await self._changes()
            self.look()
            for _ in range(LOOKS):
                await asyncio.sleep(EVERY / LOOKS)
                if self.urgent():
                    break

    def _beat(self) -> None:
        health = replica.get().health()
        frame = {"t": "hb", "ts": health.data_ms, "now": int(time() * 1000), "live": health.live}
        self.note("hb", encode({"v": PROTOCOL, **frame, "since": health.since_ms, "why": health.message}), True)

    def _cells(self) -> None:
        book, delta = replica.get(), Delta()
        self.seq += 1
        rows = {public_id: row for public_id in self.ids if (row := book.row(public_id)) is not None}
        for public_id, row in rows.items():
            new, old = self.cells_of(row), self._state.get(public_id, {})
            if changed := {name: text for name, text in new.items() if old.get(name) != text}:
                delta.rows[public_id] = changed
            self._state[public_id] = new
        ts = book.health().data_ms
        if self._snap_due and self.pace.in_flight is None:
            self._snap_due = False
            frame = {"t": "snap", "seq": self.seq, "ts": ts, "rows": list(self._state.items()), "order": list(rows)}
            self.outbox.put("frame", encode({"v": PROTOCOL, **frame, "total": len(rows)}))
            self.pace.restart(self.seq, monotonic())
        elif not self._snap_due:
            self.offer(delta, self.seq, ts)

    async def _changes(self) -> None:
        """Push the fragments and points of the accounts that changed, unless nobody looks."""
        if self.pace.hidden:
            return
        for public_id in self.ids:
            row = replica.get().row(public_id)
            if row is None or (self._rows.get(public_id) is row and self._html):
                continue
            self._rows[public_id] = row
            self.note(f"points:{public_id}", _points(row))
            rendered = await database_sync_to_async(self._render, thread_sensitive=False)(row)
            for name, html in rendered.items():
                if self._html.get(name) != html:
                    self._html[name] = html
                    self.note(f"html:{name}", encode({"v": PROTOCOL, "t": "html", "id": name, "html": html}))

    def _render(self, row: AccountRow) -> dict[str, str]:
        found = self.fragments_of(row)
        return {name: render_to_string(template, dict(context))[:] for name, template, context in found}


class OwnAccountsConsumer(AccountConsumer):
    """`/ws/me/`: every account of the trader who is signed in; once one is taken from him, the page must load again."""

    async def allowed(self, user: SocketUser) -> bool:
        """A trader, as long as all that is told is his."""
        return may_watch_own_accounts(user.role) and set(self.ids) <= await own_accounts(user.id)

    async def wanted(self, user: SocketUser) -> tuple[str, ...]:
        """His own accounts, as of now."""
        return tuple(sorted(await own_accounts(user.id)))


def _points(row: AccountRow) -> str:
    scale = 10**row.digits
    lines = {"equity": row.equity, "balance": row.balance, "daily_floor": row.daily_floor, "max_floor": row.max_floor}
    y = {name: [None if minor is None else minor / scale] for name, minor in lines.items()}
    return encode({"v": PROTOCOL, "t": "points", "account": row.public_id, "x": [row.updated_ms], "y": y})

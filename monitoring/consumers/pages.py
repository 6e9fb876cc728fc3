"""The sockets of the account page and of a trader's own page: the desk's cells, the objectives' cells, two fragments.

`#positions` is the table of open positions; `#news` says what the event timeline rests on: when it changes, the page
asks for its timeline again (plain HTTP, so that filters and pages stay as they are). `#rules-mark` does the same for
the cards and the rulebook: it changes when the account is judged by other rules.
"""

from __future__ import annotations

from urllib.parse import parse_qs

import structlog
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError

from accounts.permissions import SocketUser
from monitoring import objectives, replica
from monitoring.consumers.account import AccountConsumer, Fragments, OwnAccountsConsumer
from monitoring.consumers.messages import Sub
from monitoring.live.publish import AccountRow
from monitoring.objectives import Rulebook
from monitoring.replica import Cells

log = structlog.get_logger(__name__)


class AccountPageConsumer(AccountConsumer):
    """`/ws/account/<public_id>/`."""

    shown_id: str | None = None  # the account that the page is about; None: any

    async def opened(self) -> None:
        """Read the rulebooks, then begin."""
        assert self.user is not None
        self._books: dict[str, tuple[str, Rulebook | None]] = {}
        for public_id in await self.wanted(self.user):
            mark = objectives.rules_of(replica.get().row(public_id))  # before the book: what is newer is found later
            self._books[public_id] = (mark, await database_sync_to_async(objectives.rulebook_of)(public_id))
        await super().opened()

    def cells_of(self, row: AccountRow) -> Cells:
        """The desk's cells and the objectives'."""
        own = objectives.live_cells(row, self._books[row.public_id][1], reader_zone(self.user))
        return {**super().cells_of(row), **own}

    def fragments_of(self, row: AccountRow) -> Fragments:
        """Open positions, and the marks of what the timeline and the page's rules rest on."""
        self._follow(row)
        if self.shown_id in {None, row.public_id}:
            yield "positions", "monitoring/_positions.html", objectives.positions(row)
            yield "news", "monitoring/_news.html", {"mark": replica.get().news(row)}
            yield "rules-mark", "monitoring/_rules_mark.html", {"rules_mark": objectives.rules_of(row)}

    def urgent(self) -> bool:
        """Whether an account is judged by other rules than those that the page was told of."""
        for public_id in self.ids:
            row, told = replica.get().row(public_id), self._rows.get(public_id)
            if row is not None and told is not None and row is not told and _rules(row) != _rules(told):
                return True
        return False

    def _follow(self, row: AccountRow) -> None:
        """Read the rulebook again when the account is judged by another one."""
        mark = objectives.rules_of(row)
        if mark == self._books[row.public_id][0]:
            return
        try:
            self._books[row.public_id] = (mark, objectives.rulebook_of(row.public_id))
        except DatabaseError as error:
            log.warning("rulebook_not_read", account=row.public_id, error=str(error))


class MePageConsumer(AccountPageConsumer, OwnAccountsConsumer):
    """`/ws/me/`; the page names the account that it shows in its view: `account=<public id>`."""

    async def subscribed(self, message: Sub) -> None:
        """Note which account is shown."""
        self.shown_id = parse_qs(message.view).get("account", [""])[0]
        await super().subscribed(message)


def _rules(row: AccountRow) -> tuple[object, ...]:
    return row.rule_set_version, row.overridden, row.rules_digest


def reader_zone(user: SocketUser | None) -> str:
    """The zone whose clock a person reads: his own, else the firm's."""
    return (user.time_zone if user else "") or str(settings.RISKDESK_TIME_ZONE)

"""Who is watched and by which rules: the book's accounts at start, and every change of the book while it runs."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import UTC, datetime
from heapq import nsmallest

import structlog
from django.db import DatabaseError

from monitoring.engine.snapshot import UNKNOWN_SYMBOLS_KEPT
from monitoring.live.pipeline import Pipeline
from monitoring.live.pipeline.portions import breathe, keep_memory
from monitoring.live.pipeline.recovery import Memory, from_row
from monitoring.live.rulesets import Book, Entry

log = structlog.get_logger(__name__)
MANY = 500  # accounts changed at once
PORTION_S = 0.002  # of a change of many accounts' rules: a frame waits no longer, and the change is soon in force


class Roster:
    """Keeps the pipeline's accounts and the book's the same, while PostgreSQL and the upstream come and go."""

    def __init__(self, book: Book, pipeline: Pipeline, memory: Memory) -> None:
        self.book, self.pipeline, self.memory = book, pipeline, memory
        self.loaded = False
        self.removed: set[str] = set()
        self._book_down_since: datetime | None = None

    async def restore(self) -> None:
        """Put every account of the book into the snapshot, each with its remembered state."""
        try:
            self.pipeline.mode = await self.book.mode()
            entries = await self.book.load()
            await self._follow_market()
        except DatabaseError as error:
            self._book_is_down(error)
            return
        for entry in entries.values():
            self.pipeline.watch(entry, self.memory.state(entry.public_id))
        await self._remember_enforcements(list(entries.values()))
        self.loaded = True

    async def follow(self, *, heard: bool = False) -> None:
        """Take over what changed in the book; `heard`: somebody said so, and there is no need to ask whether."""
        try:
            if not self.loaded:
                await self.restore()
            mode = await self.book.mode()
            if mode != self.pipeline.mode:
                self._switch(mode)
            await self._follow_market()
            if self.loaded and (heard or await self.book.changed()):
                await self._apply(await self.book.changes())
            if self._book_down_since is not None and self.loaded:
                log.info("book_is_back")
                self._book_down_since = None
        except DatabaseError as error:
            self._book_is_down(error)

    def warnings(self) -> list[str]:
        """What people should know about the list of accounts."""
        found = [f"{public_id}: its rule set cannot judge it ({why})" for public_id, why in self.book.refused.items()]
        if unknown := self.pipeline.snapshot.unknown_symbols:
            found.append(_unknown_words(unknown, self.pipeline.name))
        held = [account for one in self.pipeline.held if (account := self.pipeline.snapshot.accounts.get(one))]
        found += [f"{one.public_id} waits in review: {one.verdict_held}" for one in held if one.verdict_held]
        return found[:5]

    async def _remember_enforcements(self, entries: list[Entry]) -> None:
        """What PostgreSQL knows of enforcements that the journal does not (another host led before)."""
        guarded = {account.id for account in self.pipeline.snapshot.accounts.values() if account.must_be_flat}
        rows = await self.book.enforcements(entry.pk for entry in entries if entry.upstream_id in guarded)
        known = self.memory.enforcements
        self.pipeline.enforcer.remember(from_row(row) for row in rows if row.event_key not in known)
        for account_id in guarded:
            self.pipeline.enforcer.guard(self.pipeline, self.pipeline.snapshot.accounts[account_id])

    def _switch(self, mode: str) -> None:
        log.warning("enforcement_mode", server=self.pipeline.name, before=self.pipeline.mode, now=mode)
        self.pipeline.mode = mode
        for account in self.pipeline.snapshot.accounts.values():
            account.touch()

    async def _follow_market(self) -> None:
        market = await self.book.market(datetime.now(UTC))
        if market is not None:
            self.pipeline.set_market(market)

    async def _apply(self, entries: Collection[Entry]) -> None:
        """Take over what changed, in portions: meanwhile frames come in and are judged by what holds for each."""
        held = time.perf_counter()
        with self.pipeline.before_publishing():
            for entry in entries:
                self._take_over(entry)
                held = await breathe(held, PORTION_S)
        if len(entries) >= MANY:
            keep_memory()

    def _take_over(self, entry: Entry) -> None:
        """New accounts and challenges, other rules, reviews that ended, owners."""
        pipeline, account_id = self.pipeline, entry.upstream_id
        before = pipeline.entries.get(account_id)
        if before == entry:
            return
        account = pipeline.snapshot.accounts.get(account_id)
        if account is None or before is None or before.challenge != entry.challenge:
            # Not watched before: perhaps by the run before us, under rules that could be read.
            pipeline.watch(entry, self.memory.state(entry.public_id) if account is None else None)
            pipeline.connector.feed.request_resync(account_id)
            return
        pipeline.set_entry(entry)
        if entry.in_review and not before.in_review:  # before its rules: nothing is judged in review
            pipeline.hold_for_review(account, entry.state_reason or "in review")
        if before.rule_set is not entry.rule_set:
            pipeline.change_rules(account, entry.rule_set, datetime.now(UTC))
        if before.in_review and not entry.in_review:
            pipeline.release(account)
            pipeline.held.discard(account_id)
            pipeline.connector.feed.request_resync(account_id)
        account.touch()

    def _book_is_down(self, error: Exception) -> None:
        if self._book_down_since is None:
            self._book_down_since = datetime.now(UTC)
            log.warning("book_unreachable", error=str(error).strip())


def _unknown_words(names: set[str], server: str) -> str:
    least = "at least " if len(names) >= UNKNOWN_SYMBOLS_KEPT else ""  # nobody remembers more of them
    more = f" and {least}{len(names) - 3} more" if len(names) > 3 else ""
    listed = ", ".join(name[:40] for name in nsmallest(3, names))
    return (
        f"{server}: no base name is known for {listed}{more}, so rules on symbols and news pass them by;"
        " set it on the page Symbols (/symbols/)"
    )

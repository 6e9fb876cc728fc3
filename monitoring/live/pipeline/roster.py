"""Who is watched: the book's accounts at start, adoption of what the upstream lists, and changes of the book."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from monitoring.engine.messages import Resync
from monitoring.live.pipeline import Pipeline
from monitoring.live.pipeline.recovery import Memory, from_row
from monitoring.live.rulesets import Book, Entry
from monitoring.upstream.base import UpstreamError

log = structlog.get_logger(__name__)
RETRY = 5.0
UNLISTED_RETRY = 10.0  # before the list is read again for accounts that it did not have
ADOPT_AT_ONCE = 500


class Roster:
    """Keeps the pipeline's accounts and the book's the same, while PostgreSQL and the upstream come and go."""

    def __init__(self, book: Book, pipeline: Pipeline, memory: Memory, save: Callable[[str, Any], None]) -> None:
        self.book, self.pipeline, self.memory, self._save = book, pipeline, memory, save
        self.loaded = False
        self.removed: set[str] = set()
        self._listing_failed = ""
        self._retry_at = 0.0
        self._unlisted: set[str] = set()  # accounts that send frames and that the list does not have
        self._unlisted_retry_at = 0.0
        self._book_down_since: datetime | None = None

    async def restore(self) -> None:
        """Put every account of the book into the snapshot, each with its remembered state."""
        try:
            self.pipeline.mode = await self.book.mode()
            entries = await self.book.load()
        except DatabaseError as error:
            self._book_is_down(error)
            return
        for entry in entries.values():
            self.pipeline.watch(entry, self.memory.state(entry.public_id))
        await self._remember_enforcements(list(entries.values()))
        self.loaded = True

    async def follow(self) -> None:
        """Once a second: the book's changes, and the upstream's list where there is reason to read it."""
        try:
            if not self.loaded:
                await self.restore()
            mode = await self.book.mode()
            if mode != self.pipeline.mode:
                self._switch(mode)
            if self.loaded and await self.book.changed():
                self._apply(await self.book.load())
            if self._book_down_since is not None and self.loaded:
                log.info("book_is_back")
                self._book_down_since = None
        except DatabaseError as error:
            self._book_is_down(error)
            return
        if self.loaded:
            await self._adopt()

    def warnings(self) -> list[str]:
        """What people should know about the list of accounts."""
        found = [f"{public_id}: its rule set cannot judge it ({why})" for public_id, why in self.book.refused.items()]
        held = [account for one in self.pipeline.held if (account := self.pipeline.snapshot.accounts.get(one))]
        found += [f"{one.public_id} waits in review: {one.verdict_held}" for one in held if one.verdict_held]
        if self._listing_failed:
            found.append(f"The upstream's list of accounts cannot be read: {self._listing_failed}")
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

    def _apply(self, entries: dict[str, Entry]) -> None:
        """Take over what changed: new challenges, reviews that ended, owners, new accounts."""
        pipeline = self.pipeline
        for account_id, entry in entries.items():
            before = pipeline.entries.get(account_id)
            if before == entry:
                continue
            account = pipeline.snapshot.accounts.get(account_id)
            if account is None or before is None or before.challenge != entry.challenge:
                pipeline.watch(entry, None)
                pipeline.connector.feed.request_resync(account_id)
                continue
            pipeline.set_entry(entry)
            if before.in_review and not entry.in_review:
                pipeline.release(account)
                pipeline.held.discard(account_id)
                pipeline.connector.feed.request_resync(account_id)
            elif entry.in_review and not before.in_review:
                pipeline.hold_for_review(account, entry.state_reason or "in review")
            account.touch()

    async def _adopt(self) -> None:
        """Bring what the upstream lists and the book lacks into both."""
        pipeline = self.pipeline
        if not self._listing_wanted():
            return
        try:
            listed = await pipeline.execution.list_accounts()
        except UpstreamError as error:
            self._listing_failed = str(error)
            self._retry_at = time.monotonic() + (error.retry_after or RETRY)
            return
        self._listing_failed = ""
        missing = [listing for listing in listed if listing.account_id not in pipeline.entries]
        for start in range(0, len(missing), ADOPT_AT_ONCE):
            await self._adopt_some(missing[start : start + ADOPT_AT_ONCE])
        pipeline.wants_listing = bool(self._listing_failed)
        self._unlisted = pipeline.snapshot.unknown - {listing.account_id for listing in listed}
        if self._unlisted:
            log.warning("frames_of_unlisted_accounts", accounts=sorted(self._unlisted)[:10])
            self._unlisted_retry_at = time.monotonic() + UNLISTED_RETRY
        pipeline.snapshot.unknown.clear()

    def _listing_wanted(self) -> bool:
        """Whether there is reason to read the list, and it is time; ten thousand rows are not read for one stray id."""
        now, unknown = time.monotonic(), self.pipeline.snapshot.unknown
        news = unknown - self._unlisted or (unknown and now >= self._unlisted_retry_at)
        return bool(self.pipeline.wants_listing or news) and now >= self._retry_at

    async def _adopt_some(self, missing: list[Resync]) -> None:
        try:
            entries = await self.book.adopt(missing, datetime.now(UTC))
        except (DatabaseError, ImproperlyConfigured, ValueError, LookupError) as error:
            self._listing_failed = f"{len(missing)} account(s) cannot be adopted: {error}"
            self._retry_at = time.monotonic() + RETRY
            log.error("adoption_failed", accounts=[one.account_id for one in missing[:10]], error=str(error))
            return
        for entry in entries.values():
            if entry.upstream_id not in self.pipeline.entries:
                self.pipeline.watch(entry, self.memory.state(entry.public_id))
                self.pipeline.connector.feed.request_resync(entry.upstream_id)
        log.info("accounts_adopted", number=len(entries), server=self.pipeline.name)

    def _book_is_down(self, error: Exception) -> None:
        if self._book_down_since is None:
            self._book_down_since = datetime.now(UTC)
            log.warning("book_unreachable", error=str(error).strip())

"""Accounts that the upstream lists and the book lacks come into both."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from monitoring.engine.messages import Resync
from monitoring.live.pipeline import Pipeline
from monitoring.live.pipeline.roster import Roster
from monitoring.upstream.base import UpstreamError

log = structlog.get_logger(__name__)
RETRY = 5.0
UNLISTED_RETRY = 10.0  # before the list is read again for accounts that it did not have
ADOPT_AT_ONCE = 500


class Adoption:
    """Reads the upstream's list when there is reason to, beside the book's changes: a long list holds up none."""

    def __init__(self, pipeline: Pipeline, roster: Roster) -> None:
        self.pipeline, self._roster = pipeline, roster
        self.failed = ""  # why the list could not be read, or an account of it not be adopted
        self._retry_at = 0.0
        self._unlisted: set[str] = set()  # accounts that send frames and that the list does not have
        self._unlisted_retry_at = 0.0

    def warnings(self) -> list[str]:
        """What people should know about the list."""
        return [f"The upstream's list of accounts cannot be read: {self.failed}"] if self.failed else []

    async def follow(self) -> None:
        """Bring what the upstream lists and the book lacks into both, where there is reason to read the list."""
        pipeline = self.pipeline
        if not self._roster.loaded or not self._listing_wanted():
            return
        try:
            listed = await pipeline.execution.list_accounts()
        except UpstreamError as error:
            self.failed = str(error)
            self._retry_at = time.monotonic() + (error.retry_after or RETRY)
            return
        self.failed = ""
        missing = [listing for listing in listed if listing.account_id not in pipeline.entries]
        for start in range(0, len(missing), ADOPT_AT_ONCE):
            await self._adopt_some(missing[start : start + ADOPT_AT_ONCE])
        pipeline.wants_listing = bool(self.failed)
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
            entries = await self._roster.book.adopt(missing, datetime.now(UTC))
        except (DatabaseError, ImproperlyConfigured, ValueError, LookupError) as error:
            self.failed = f"{len(missing)} account(s) cannot be adopted: {error}"
            self._retry_at = time.monotonic() + RETRY
            log.error("adoption_failed", accounts=[one.account_id for one in missing[:10]], error=str(error))
            return
        for entry in entries.values():
            if entry.upstream_id not in self.pipeline.entries:
                self.pipeline.watch(entry, self._roster.memory.state(entry.public_id))
                self.pipeline.connector.feed.request_resync(entry.upstream_id)
        log.info("accounts_adopted", number=len(entries), server=self.pipeline.name)

"""The book as the live path needs it: accounts with the rules that judge them now, read from PostgreSQL in a thread.

Nothing here runs in the loop. `Book` remembers what it read last, so that PostgreSQL may go away meanwhile, and so that
a change costs one light query and work only for the accounts that it concerns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection, transaction
from msgspec.structs import replace

from accounts import audit, challenges
from accounts.calendar import current_market
from accounts.models import Challenge, ChallengeState, Server
from monitoring.engine.messages import Market, Resync
from monitoring.engine.rules import process
from monitoring.engine.ruleset import RuleSet, RuleSetError
from monitoring.engine.snapshot import Snapshot
from monitoring.live.rulesets.compiled import Compiled
from monitoring.live.rulesets.sql import AT_ONCE, DIGEST, MARKET, ROWS, BookRow
from monitoring.models import Enforcement

log = structlog.get_logger(__name__)
T = TypeVar("T")
UNAVAILABLE = (OperationalError, InterfaceError)


@dataclass(frozen=True, slots=True)
class Entry:
    """One account of the book with the challenge that judges it."""

    pk: int
    challenge: int
    public_id: str
    upstream_id: str
    login: str
    server: str
    trader: str
    trader_id: int | None
    plan: str
    phase: str
    rule_set: RuleSet  # as it judges the account now: overrides applied, S its own
    state: str  # accounts.models.ChallengeState
    state_reason: str
    started_at: datetime
    overridden: bool = False  # a rule of it is set apart from the plan

    @property
    def challenge_key(self) -> str:
        """What the engine calls the challenge."""
        return f"c{self.challenge}"

    @property
    def in_review(self) -> bool:
        """Whether verdicts wait for a person."""
        return self.state == ChallengeState.REVIEW


class Book:
    """The accounts of one server; every method is a coroutine around one thread with one database connection."""

    def __init__(self, server: str, kind: str) -> None:
        self.name, self.kind = server, kind
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"book-{server}")
        self._server: Server | None = None
        self._compiled = Compiled()
        self._rows: dict[int, BookRow] = {}  # by account, as read last
        self._digest: tuple[Any, ...] | None = None
        self._told: tuple[Any, ...] | None = None  # what the market returned last rests on
        self.refused: dict[str, str] = {}  # public id -> why its rule set cannot judge it

    async def load(self) -> dict[str, Entry]:
        """Every account of the server by upstream id, with its newest challenge."""
        return await self._call(self._load)

    async def changes(self) -> list[Entry]:
        """The accounts that are new or differ from what was read last, whatever the reason."""
        return await self._call(self._changes)

    async def mode(self) -> str:
        """live or dry_run, as the server's row and the settings say now."""
        return await self._call(self._mode)

    async def changed(self) -> bool:
        """Whether accounts, owners, challenges or the rules that judge them differ from what was read last."""
        return await self._call(self._changed)

    async def market(self, at: datetime) -> Market | None:
        """What the firm says of the server's market, where that is not what was returned last."""
        return await self._call(lambda: self._market(at))

    async def adopt(self, listings: Sequence[Resync], at: datetime) -> dict[str, Entry]:
        """Bring accounts that the upstream lists into the book; who is beyond a floor now goes to review."""
        return await self._call(lambda: self._adopt(listings, at))

    async def enforcements(self, accounts: Iterable[int]) -> list[Enforcement]:
        """What was done about these accounts so far, oldest first."""
        wanted = list(accounts)
        return await self._call(lambda: list(Enforcement.objects.filter(account__in=wanted).order_by("requested_at")))

    def close(self) -> None:
        """Let the thread go, its connection with it."""
        self._thread.submit(connection.close)
        self._thread.shutdown(wait=False)

    async def _call(self, work: Callable[[], T]) -> T:
        def guarded() -> T:
            close_old_connections()
            try:
                return work()
            except UNAVAILABLE:
                connection.close()
                raise

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)

    def _server_row(self) -> Server:
        if self._server is None:
            server, _ = Server.objects.get_or_create(name=self.name, defaults={"kind": self.kind})
            if server.kind != self.kind:
                self._change_kind(server)
            self._server = server
        return self._server

    def _change_kind(self, server: Server) -> None:
        """Another upstream under the old name: nobody has turned enforcement on for this one."""
        before, server.kind, stored, server.enforcement = server.kind, self.kind, server.enforcement, ""
        with transaction.atomic():
            server.save(update_fields=["kind", "enforcement"])
            audit.record(
                "monitor", "server_changed", self.name, {"from": before, "to": self.kind, "enforcement": stored}
            )
        log.warning("server_is_another_upstream", server=self.name, before=before, now=self.kind)

    def _mode(self) -> str:
        stored = Server.objects.filter(pk=self._server_row().pk).values_list("enforcement", flat=True).first()
        return stored or settings.RISKDESK_ENFORCEMENT

    def _changed(self) -> bool:
        return self._read_digest(datetime.now(UTC)) != self._digest

    def _read_digest(self, at: datetime) -> tuple[Any, ...]:
        with connection.cursor() as cursor:
            cursor.execute(DIGEST, {"server": self._server_row().pk, "at": at})
            return tuple(cursor.fetchone())

    def _market(self, at: datetime) -> Market | None:
        server = self._server_row()
        with connection.cursor() as cursor:
            cursor.execute(MARKET, {"server": server.pk})
            told = (*cursor.fetchone(), at.date())  # its span of announcements moves with the days
        if told == self._told:
            return None
        market = current_market(server, at)
        self._told = told
        return market

    def _load(self) -> dict[str, Entry]:
        self._rows = {}
        return {entry.upstream_id: entry for entry in self._changes()}

    def _changes(self) -> list[Entry]:
        at = datetime.now(UTC)
        known = self._rows
        with _one_moment():
            digest = self._read_digest(at)
            rows = self._read_rows(at)
            found = self._entries([row for pk, row in rows.items() if known.get(pk) != row], at)
        self._rows, self._digest = rows, digest  # only now: what was cut off half-way is read again
        return found

    def _read_rows(self, at: datetime, only: list[int] | None = None) -> dict[int, BookRow]:
        rows: dict[int, BookRow] = {}
        with connection.cursor() as cursor:
            cursor.execute(ROWS, {"server": self._server_row().pk, "at": at, "only": only})
            while portion := cursor.fetchmany(AT_ONCE):
                rows.update((values[0], BookRow._make(values)) for values in portion)
        return rows

    def _entries(self, rows: Iterable[BookRow], at: datetime) -> list[Entry]:
        entries: list[Entry] = []
        for row in rows:
            try:
                entries.append(self._entry(row, at))
                self.refused.pop(row.public_id, None)
            except RuleSetError as error:
                self.refused[row.public_id] = str(error)
                log.error("rule_set_refused", account=row.public_id, error=str(error))
        return entries

    def _entry(self, row: BookRow, at: datetime) -> Entry:
        return Entry(
            row.pk, row.challenge, row.public_id, row.upstream_id, row.login, self.name, row.trader, row.trader_id,
            row.plan, row.phase, self._rule_set(row, at), row.state, row.state_reason, row.started_at,
            bool(row.overrides),
        )  # fmt: skip

    def _rule_set(self, row: BookRow, at: datetime) -> RuleSet:
        key = (row.rule_set, row.currency, row.overrides)
        return self._compiled.get(key, row.initial_balance, lambda: self._document(row.challenge, at))

    def _document(self, challenge: int, at: datetime) -> Mapping[str, object]:
        """The challenge's whole document as of `at`, overrides applied."""
        found = Challenge.objects.select_related("account", "rule_set__phase__plan").get(pk=challenge)
        return challenges.rule_set_document(found, at)

    def _adopt(self, listings: Sequence[Resync], at: datetime) -> dict[str, Entry]:
        wanted = [
            challenges.Listing(
                upstream_id=listing.account_id,
                login=listing.login or listing.account_id,
                group=listing.group,
                holder=listing.name,
                currency=listing.data.currency or "USD",
                balance=Decimal(repr(listing.data.balance)),
            )
            for listing in listings
        ]
        server = self._server_row()
        with transaction.atomic():  # a challenge is never seen without its review
            found = challenges.adopt_many(server, wanted, at=at)
            for listing in listings:
                self._review_if_beyond(found[listing.account_id], listing, at)
        with _one_moment():
            rows = self._read_rows(at, [challenge.account_id for challenge in found.values()])
            return {entry.upstream_id: entry for entry in self._entries(rows.values(), at)}

    def _review_if_beyond(self, challenge: Challenge, listing: Resync, at: datetime) -> None:
        """Only of a challenge made by this adoption: an older one is judged as it always was."""
        if challenge.started_at != at or challenge.state != ChallengeState.ACTIVE:
            return
        key = (challenge.rule_set_id, challenge.account.currency, "")  # new: nothing sets it apart yet
        try:
            rule_set = self._compiled.get(
                key, challenge.initial_balance, lambda: challenges.rule_set_document(challenge)
            )
        except RuleSetError:
            return  # told by `_entries`
        if reason := beyond_a_floor(rule_set, listing):
            challenges.send_to_review(challenge, f"At adoption {reason}")


@contextmanager
def _one_moment() -> Iterator[None]:
    """What is read inside is of one instant: a row and the document that it names belong together."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def beyond_a_floor(rule_set: RuleSet, listing: Resync) -> str:
    """Why an account as listed would breach at once; empty when it would not.

    One that is offline now counts by its last figures too: else its return would be taken for a breach of our watch.
    """
    scratch = Snapshot()
    scratch.add(listing.account_id, rule_set)
    online = replace(listing, data=replace(listing.data, status="connected"))
    for event in process(scratch, online):
        if event.event == "breached":
            return event.reason
    return ""

"""The book as the live path needs it: accounts with their pinned rule sets, read from PostgreSQL in a thread.

Nothing here runs in the loop. `Book` remembers what it read last, so that PostgreSQL may go away meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection, transaction
from msgspec.structs import replace

from accounts import audit, challenges
from accounts.models import Account, Challenge, ChallengeState, Server
from monitoring.engine.messages import Resync
from monitoring.engine.rules import process
from monitoring.engine.ruleset import RuleSet, RuleSetError, parse_rule_set
from monitoring.engine.snapshot import Snapshot
from monitoring.models import Enforcement

log = structlog.get_logger(__name__)
T = TypeVar("T")
UNAVAILABLE = (OperationalError, InterfaceError)

DIGEST = """
SELECT count(*), md5(string_agg(concat_ws(':', a.id, a.trader_id, a.login, c.id, c.state), ',' ORDER BY a.id, c.id))
FROM accounts_account a LEFT JOIN accounts_challenge c ON c.account_id = a.id WHERE a.server_id = %s
"""


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
    rule_set: RuleSet
    state: str  # accounts.models.ChallengeState
    state_reason: str

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
        self._rule_sets: dict[tuple[int, str, Decimal], RuleSet] = {}
        self._digest: tuple[Any, ...] | None = None
        self.refused: dict[str, str] = {}  # public id -> why its rule set cannot judge it

    async def load(self) -> dict[str, Entry]:
        """Every account of the server by upstream id, with its newest challenge."""
        return await self._call(self._load)

    async def mode(self) -> str:
        """live or dry_run, as the server's row and the settings say now."""
        return await self._call(self._mode)

    async def changed(self) -> bool:
        """Whether accounts, owners or challenges differ from what was read last."""
        return await self._call(self._changed)

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
        return self._read_digest() != self._digest

    def _read_digest(self) -> tuple[Any, ...]:
        with connection.cursor() as cursor:
            cursor.execute(DIGEST, [self._server_row().pk])
            return tuple(cursor.fetchone())

    def _load(self) -> dict[str, Entry]:
        digest = self._read_digest()
        rows = (
            Challenge.objects.filter(account__server=self._server_row())
            .select_related("account__trader", "rule_set__phase__plan")
            .order_by("account_id", "-started_at", "-pk")
            .distinct("account_id")
        )
        entries = self._entries(rows)
        self._digest = digest
        return entries

    def _entries(self, rows: Iterable[Challenge]) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for challenge in rows:
            try:
                entries[challenge.account.upstream_id] = self._entry(challenge)
                self.refused.pop(challenge.account.public_id, None)
            except RuleSetError as error:
                self.refused[challenge.account.public_id] = str(error)
                log.error("rule_set_refused", account=challenge.account.public_id, error=str(error))
        return entries

    def _entry(self, challenge: Challenge) -> Entry:
        account: Account = challenge.account
        phase = challenge.rule_set.phase
        trader = account.trader
        return Entry(
            pk=account.pk,
            challenge=challenge.pk,
            public_id=account.public_id,
            upstream_id=account.upstream_id,
            login=account.login,
            server=self.name,
            trader=(trader.get_full_name() or trader.username) if trader else account.holder,
            trader_id=account.trader_id,
            plan=phase.plan.name,
            phase=phase.name,
            rule_set=self._rule_set(challenge),
            state=challenge.state,
            state_reason=challenge.state_reason,
        )

    def _rule_set(self, challenge: Challenge) -> RuleSet:
        key = (challenge.rule_set_id, challenge.account.currency, challenge.initial_balance)
        if key not in self._rule_sets:
            self._rule_sets[key] = parse_rule_set(challenges.rule_set_document(challenge))
        return self._rule_sets[key]

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
        return self._entries(found.values())

    def _review_if_beyond(self, challenge: Challenge, listing: Resync, at: datetime) -> None:
        """Only of a challenge made by this adoption: an older one is judged as it always was."""
        if challenge.started_at != at or challenge.state != ChallengeState.ACTIVE:
            return
        try:
            reason = beyond_a_floor(self._rule_set(challenge), listing)
        except RuleSetError:
            return  # told by `_entries`
        if reason:
            text = f"At adoption {reason}"
            challenges.send_to_review(challenge, text)
            challenge.state, challenge.state_reason = ChallengeState.REVIEW, text


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

"""The single writer of a server's snapshot: every message, clock ticks included, comes in by `deliver`.

What `deliver` does is short and never waits: process, journal, enforce, hand over to the recorder's queue. Events that
nobody acts upon within the second (a day started, stale, fresh, refused) are put aside and written in small portions,
so that ten thousand accounts starting their day do not hold up one breach.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog

from monitoring import metrics
from monitoring.engine.events import Event, EventKind
from monitoring.engine.messages import (
    AccountLifecycle,
    AccountMessage,
    AccountNotice,
    AccountUpdate,
    BalanceOperation,
    Clock,
    Link,
    Market,
    Message,
    Resync,
)
from monitoring.engine.rules import change_rules, process, refuse
from monitoring.engine.ruleset import RuleSet
from monitoring.engine.snapshot import Account, Snapshot
from monitoring.engine.snapshot.store import Hold
from monitoring.live.checkpoint import STATE, Saved, StateRecord, pack_state
from monitoring.live.enforcer import Enforcer
from monitoring.live.journal import Journal
from monitoring.live.pipeline.tape import Tape
from monitoring.live.pipeline.told import ToldThere
from monitoring.live.publish import EventRow
from monitoring.live.publish.rows import Face, event_row, event_severity
from monitoring.live.recorder import Recorder
from monitoring.live.recorder.records import CHALLENGE, EVENT, ChallengeRecord, EventRecord
from monitoring.live.rulesets import Entry
from monitoring.upstream.base import Connector, Execution, Reached, Refusal

log = structlog.get_logger(__name__)
QUIET = frozenset({EventKind.DAY_STARTED, EventKind.STALE, EventKind.FRESH, EventKind.REFUSED})
CHALLENGE_STATES = {"fail": "failed", "pause": "paused"}
AFTERWARDS_S = 0.003
SET_BACK = timedelta(seconds=5)  # a smaller step of our clock is waited for
SAMPLE = 63  # one message in 64 is timed


class Marks:
    """Numbers states within an epoch: a greater mark is a newer state."""

    def __init__(self, epoch: int) -> None:
        self.epoch, self.last = epoch, 0

    def save(self, account: Account) -> Saved:
        """The account's state now."""
        self.last += 1
        return Saved(self.epoch, self.last, pack_state(account.dump()))


class Pipeline:
    """One server: its connector, its snapshot, and the book's entries by upstream id."""

    def __init__(
        self, connector: Connector, *, shard: str, marks: Marks, journal: Journal, recorder: Recorder,
        enforcer: Enforcer,
    ) -> None:  # fmt: skip
        self.connector, self.shard, self.marks = connector, shard, marks
        self.journal, self.recorder, self.enforcer = journal, recorder, enforcer
        self.name = connector.config.server
        self.snapshot = Snapshot(self.name)
        self.mode = "dry_run"  # until the book says otherwise: never act by mistake
        self.entries: dict[str, Entry] = {}
        self.faces: dict[str, Face] = {}
        self.fresh_events: list[EventRow] = []
        self.quiet: deque[Event] = deque()
        self.held: set[str] = set()  # accounts whose verdicts wait for a person
        self.wants_listing = True  # the upstream's list of accounts should be read again
        self.on_link: Callable[[Link], None] | None = None
        self.tape: Tape | None = None  # told of everything that changes the snapshot, in its order
        self._kept_back = False
        self.idle = asyncio.Event()  # nothing has to be done before rows are made
        self.idle.set()
        self.symbols: Mapping[str, str] = {}  # the server's raw names and their base names, as delivered
        self.on_rules: Callable[[Entry], None] | None = None  # told of each account whose rules are new or others
        self.told_there = ToldThere()
        self._afterwards: deque[Sequence[Event]] = deque()
        self._count = 0
        self._counted = metrics.MESSAGES.labels(self.name)

    @property
    def execution(self) -> Execution:
        """Commands to this server."""
        return self.connector.execution

    def account_key(self, account_id: str) -> int | None:
        """The account's key in the book."""
        entry = self.entries.get(account_id)
        return None if entry is None else entry.pk

    def deliver(self, message: Message, received_at: datetime) -> None:
        """Take one message; called by the feed, in the loop, and never raises for what a message says."""
        started = time.perf_counter()
        events = process(self.snapshot, message)
        if self.tape is not None:
            self._record_on(self.tape, message)
        if message.__class__ is AccountUpdate:
            account = self.snapshot.accounts.get(message.account_id)
            if account is not None:
                account.received = received_at
        else:
            self._notice(message)
        if events:
            self._conclude(events, started)
        if self.snapshot.gaps:
            for account_id in self.snapshot.drain_gaps():
                self.connector.feed.request_resync(account_id)
        self._count += 1
        if not self._count & SAMPLE:
            self._counted.inc(SAMPLE + 1)
            metrics.EVALUATION.observe(time.perf_counter() - started)

    def tick(self, now: datetime) -> None:
        """Move everybody's time."""
        self.believe(now)
        self.deliver(Clock(ts=now), now)

    def believe(self, now: datetime) -> None:
        """Take a clock that was set back for right: else all data would count as stale until it catches up."""
        link = self.snapshot.link
        if link.now is not None and link.now - now > SET_BACK:
            log.warning("clock_set_back", server=self.name, known=link.now.isoformat(), now=now.isoformat())
            link.set_back(now)
            if self.tape is not None:
                self.tape.set_back(now)

    def hold_back_with(self, hold: Hold) -> None:
        """Ask `hold` about each message after a hole in its account's numbers; one that it keeps comes again."""

        def asked(account_id: str, seq: int, message: AccountMessage) -> bool:
            self._kept_back = hold(account_id, seq, message)
            return self._kept_back

        self.snapshot.hold = asked

    def hold_for_review(self, account: Account, reason: str) -> None:
        """Let the account's verdicts wait for a person."""
        account.hold_for_review(reason)
        if self.tape is not None:
            self.tape.hold(account.id, reason)

    def release(self, account: Account) -> None:
        """A person ended the review: what comes next is judged."""
        account.release()
        if self.tape is not None:
            self.tape.release(account.id)
        pause = account.pause_event
        if pause is not None and account.must_be_flat and not account.breached:
            self._move(account, self.entries[account.id], "paused", pause.reason)

    def reached(self) -> dict[str, Reached]:
        """How far each account has been followed, for a replay of what was missed."""
        accounts = self.snapshot.accounts.values()
        return {
            account.id: Reached(account.last_seq, account.figures.balance)
            for account in accounts
            if account.last_seq is not None and account.figures is not None
        }

    def follows(self, account_id: str) -> int | None:
        """The newest `seq` of one account that was applied; None: nobody watches it, or it has none."""
        account = self.snapshot.accounts.get(account_id)
        return None if account is None else account.last_seq

    def refused(self, refusal: Refusal, received_at: datetime) -> None:
        """Take a frame that decode refused: its account's readings are unknown until the next good one."""
        account = self.snapshot.accounts.get(refusal.account_id) if refusal.account_id else None
        if account is not None:
            self._conclude(refuse(self.snapshot, account, refusal.reason, refusal.detail, received_at), 0.0)
            if self.tape is not None:
                self.tape.refusal(refusal, received_at)

    def deliver_truth(self, truth: Resync) -> None:
        """Put a REST reading of an account through the same door.

        It was read just now, so it is no older than the newest frame, even where the upstream's clock is ahead of ours.
        """
        account = self.snapshot.accounts.get(truth.account_id)
        newest = account.last_ts if account is not None else None
        if newest is not None and newest > truth.ts:
            truth = msgspec.structs.replace(truth, ts=newest)
        self.deliver(truth, truth.ts)

    def watch(self, entry: Entry, saved: Any = None) -> Account:
        """Start to watch an account of the book, or start anew under a new challenge; `saved`: its restored state."""
        account_id = entry.upstream_id
        account = self._add(entry, saved)
        if self.tape is not None:
            self.tape.watch(account)
        self.set_entry(entry)
        if entry.in_review and not account.review:
            self.hold_for_review(account, entry.state_reason or "in review")
        elif account.review and not entry.in_review:
            self.release(account)  # by a person, while nobody watched
        self._hold(account_id)
        if account.must_be_flat or account.pause_event is not None or account.state.closing:
            self.enforcer.guard(self, account)
        self.snapshot.unknown.discard(account_id)
        return account

    def change_rules(self, account: Account, rule_set: RuleSet, at: datetime) -> None:
        """Judge a running account by another rule set from `at` on; what that brings about goes its usual way."""
        started = time.perf_counter()
        events = change_rules(self.snapshot, account.id, rule_set, at)
        if self.tape is not None:
            self.tape.rules(account.id, rule_set, at)
        if events:
            self._conclude(events, started)

    def set_market(self, market: Market) -> None:
        """Know what the firm says of the server's markets from now on."""
        self.symbols = market.symbols
        self.deliver(market, market.ts)

    def set_entry(self, entry: Entry) -> None:
        """Know an account's people, plan and challenge as the book has them now."""
        before = self.entries.get(entry.upstream_id)
        self.entries[entry.upstream_id] = entry
        if self.on_rules is not None and (before is None or before.rule_set is not entry.rule_set):
            self.on_rules(entry)
        self.faces[entry.upstream_id] = Face.of_rules(
            entry.rule_set, public_id=entry.public_id, login=entry.login, server=entry.server, trader=entry.trader,
            trader_id=entry.trader_id, plan=entry.plan, phase=entry.phase,
        )  # fmt: skip

    @contextmanager
    def before_publishing(self) -> Iterator[None]:
        """Work inside is done before rows are made: to be judged comes before to be shown."""
        self.idle.clear()
        try:
            yield
        finally:
            self.idle.set()

    def write_quiet(self, limit: int) -> bool:
        """Write up to `limit` of the events put aside; whether more wait."""
        portion = [self.quiet.popleft() for _ in range(min(limit, len(self.quiet)))]
        if portion:
            self._write(portion, with_state=False)
        return bool(self.quiet)

    def _add(self, entry: Entry, saved: Any) -> Account:
        return self.snapshot.add(
            entry.upstream_id,
            entry.rule_set,
            challenge=entry.challenge_key,
            public_id=entry.public_id,
            initial_balance=entry.rule_set.initial_balance,
            state=saved if saved is not None and saved.challenge == entry.challenge_key else None,
            created=entry.started_at,
        )

    def _record_on(self, tape: Tape, message: Message) -> None:
        """What is kept back behind a hole is recorded when it comes again, in its place."""
        if self._kept_back:
            self._kept_back = False
        else:
            tape.message(message)

    def _notice(self, message: Message) -> None:
        """What of a message concerns more than the snapshot."""
        if isinstance(message, Link):
            if message.state == "connected":
                self.wants_listing = True
            if self.on_link is not None:
                self.on_link(message)
        elif isinstance(message, AccountLifecycle):
            self.wants_listing = True
        elif isinstance(message, BalanceOperation):
            self._hold(message.account_id)
        elif isinstance(message, AccountNotice):
            self.told_there.notice(message)

    def _hold(self, account_id: str) -> None:
        """Whoever's verdicts wait goes to review in the book as well: there a person can see and end it."""
        account, entry = self.snapshot.accounts.get(account_id), self.entries.get(account_id)
        if account is None or entry is None or not account.verdict_held or account.breached:
            return
        self.held.add(account_id)
        if not entry.in_review:
            self._move(account, entry, "review", f"Verdicts wait: {account.verdict_held}")

    def _move(self, account: Account, entry: Entry, state: str, reason: str) -> None:
        record = ChallengeRecord(challenge=entry.challenge, state=state, reason=reason)
        at = account.last_ts or datetime.now(UTC)
        self.recorder.put(self.journal.append(CHALLENGE, at, record), record)

    def _conclude(self, events: Sequence[Event], started: float) -> None:
        told = {event.account for event in events if event.event not in QUIET}
        if len(told) < len(events):
            self.quiet.extend(event for event in events if event.account not in told)
        if not told:
            return
        # With what the same message makes of the same account, in its order: a reset's day, then what ends with it.
        loud = [event for event in events if event.account in told]
        with self.journal.together():  # events and commands are written here, in one go, before any command leaves
            for n, record in self._journal(loud, with_state=True):  # in the order of their numbers: see Recorder.put
                self.recorder.put(n, record, wake=False)
            departures = [
                self.enforcer.answer(self, self.snapshot.accounts[event.account], event)
                for event in loud
                if event.event is EventKind.BREACHED
                or (event.event is EventKind.VIOLATED and event.consequence == "close")
            ]
        for departure in departures:
            if departure is not None:
                self.enforcer.depart(departure, started)
        if self.tape is not None and not departures:  # else after them
            self.tape.hurry()
        # Threads that wake and the log take their time: after the commands.
        self._afterwards.append(loud)
        asyncio.get_running_loop().call_later(AFTERWARDS_S, self.follow_up)

    def follow_up(self) -> None:
        """Tell the page and the log of what was journaled and acted upon, and let the recorder begin."""
        self.recorder.wake()
        while self._afterwards:
            self._tell(self._afterwards.popleft())

    def _write(self, events: Sequence[Event], *, with_state: bool) -> None:
        for n, record in self._journal(events, with_state=with_state):
            self.recorder.put(n, record)
        self._tell(events)

    def _journal(self, events: Sequence[Event], *, with_state: bool) -> list[tuple[int, EventRecord]]:
        """One write: each account's state, so that the event is never told again, and the events."""
        lines: list[tuple[str, datetime, Any]] = []
        if with_state:
            for account_id in dict.fromkeys(event.account for event in events):
                account = self.snapshot.accounts[account_id]
                lines.append((STATE, events[0].at, self.state_record(account)))
        records = [self._record(event) for event in events if _is_recorded(event)]
        lines += [(EVENT, record.at, record) for record in records]
        numbers = self.journal.append_all(lines)
        return list(zip(numbers[len(lines) - len(records) :], records, strict=True))

    def state_record(self, account: Account) -> StateRecord:
        """The account's state for the journal, under a new mark."""
        saved = self.marks.save(account)
        return StateRecord(account.public_id, saved.epoch, saved.mark, saved.state)

    def _tell(self, events: Iterable[Event]) -> None:
        if self.tape is not None:
            self.tape.hurry()
        for event in events:
            account = self.snapshot.accounts.get(event.account)
            if account is None:
                continue
            metrics.EVENTS.labels(event.event.value).inc()
            severity = event_severity(event, account.rule_set)
            self.fresh_events.append(event_row(event, account.public_id, severity))
            if event.event not in QUIET:
                log.info("event", account=account.public_id, kind=event.event.value, rule=event.rule, why=event.reason)

    def _record(self, event: Event) -> EventRecord:
        entry = self.entries.get(event.account)
        account = self.snapshot.accounts[event.account]
        state = ""
        if event.event is EventKind.BREACHED:
            state = CHALLENGE_STATES.get(event.consequence or "", "")
        elif event.event is EventKind.RESUMED:
            state = "active"
        return EventRecord(
            key=event.key, shard=self.shard, epoch=self.marks.epoch,
            account=entry.pk if entry else None, challenge=entry.challenge if entry else None,
            event=event.event.value, rule=event.rule or "", severity=event_severity(event, account.rule_set),
            at=event.at, digits=event.digits, floor=event.floor, measured=event.measured, room=event.room,
            used=None if event.used is None else f"{event.used:f}", operator=event.operator or "", reason=event.reason,
            consequence=event.consequence or "", also=list(event.also), step=event.step,
            rule_set_version=event.rule_set_version, mode=self.mode, day=event.day,
            day_start_balance=event.day_start_balance, day_start_equity=event.day_start_equity,
            positions=list(event.positions), calendar_revision=event.revision, challenge_state=state,
        )  # fmt: skip


def _is_recorded(event: Event) -> bool:
    """A refused frame is counted and shown on the feed's page: a bad hour must not fill a table. The name of a symbol
    that nobody knows is told once, and the page of symbols asks for it.
    """
    return event.event is not EventKind.REFUSED or event.rule == "symbols"

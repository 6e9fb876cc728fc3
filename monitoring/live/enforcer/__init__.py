"""Makes breached accounts flat and locked, and goes on until the upstream itself says so.

Level-triggered: what is to be done follows from what an account *is* (breached, and by the upstream's word not flat or
not locked), never from whether something was sent before. So a restart, a takeover, a lost answer and a position that
appears later are all the same case. A breach sends close-all and lock at once; everything after that is a re-read,
then what is still outstanding. An unknown outcome is re-read for `SETTLE` seconds before anything is sent again.

Dry run decides and records everything and sends nothing. When a server is turned from dry run to live, every account
that stands breached there (not those in review) is flattened: a breached account must be flat, however long ago it
breached. The desk says which accounts those are before the switch is thrown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Any

import msgspec
import structlog

from monitoring import metrics
from monitoring.engine.enforcement import Command, CommandKind, decide, outstanding
from monitoring.engine.events import Event
from monitoring.engine.messages import Resync
from monitoring.engine.snapshot import Account
from monitoring.live.enforcer.case import CLOSES, Case
from monitoring.live.enforcer.closing import CLOSED, Closing, closes
from monitoring.live.enforcer.site import Departure, Site
from monitoring.live.recorder.records import EnforcementRecord
from monitoring.upstream.base import ActionResult, ActionStatus, Execution, UpstreamError

log = structlog.get_logger(__name__)
OVERDUE = 5.0  # seconds
SETTLE = timedelta(seconds=2)
CLOCK_STEP = 1.0  # seconds that our clock may go back without being noticed
FIRST_PAUSE, LONGEST_PAUSE, LONGEST_REFUSED = 0.1, 1.0, 15.0
READS_AT_ONCE = 16
CLOSED_SHOWN = 60.0  # how long a row says that what had to be closed is closed
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(EnforcementRecord).decode


class Enforcer:
    """All enforcements of one leader. `save` journals and records; `clock` gives aware UTC."""

    def __init__(self, *, save: Callable[[EnforcementRecord], None], clock: Callable[[], datetime]) -> None:
        self._save, self._clock = save, clock
        self._cases: dict[str, Case] = {}  # by event key
        self._known: dict[str, EnforcementRecord] = {}  # of earlier runs
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by event key
        self._guarded: dict[tuple[str, str], tuple[Site, str]] = {}
        self._closings: dict[tuple[str, str], dict[str, None]] = {}  # violations whose positions go or just went
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self.shown: dict[tuple[str, str], str] = {}  # (server, account id) -> state for its row

    def remember(self, records: Iterable[EnforcementRecord]) -> None:
        """Know what earlier runs did."""
        for record in records:
            self._known[record.event_key] = record

    def guard(self, site: Site, account: Account) -> None:
        """Watch an account that is or was breached or paused, or that has positions which have to go."""
        self._guarded[site.name, account.id] = (site, account.id)
        self._note_closings(site, account)
        facts = account.breach_event or account.pause_event
        if account.must_be_flat and facts is not None and facts.key in self._known:
            self._show(site, account, self._known[facts.key].state)

    def answer(self, site: Site, account: Account, event: Event) -> Departure | None:
        """Decide what a breach or a violation asks for and have it journaled; the caller sends it on once the journal
        is written.
        """
        commands = decide(event, account)
        self.guard(site, account)
        if not commands:
            return None  # in review
        case = self._case(site, account, event.key, event.positions)
        if case is None:
            return None
        if site.mode != "live":
            self._only_say(site, case)
            return None
        sends = [(command, *self._begin(case, command)) for command in commands]
        self._store(site, case)
        return Departure(site, case, sends)

    def depart(self, departure: Departure, started: float) -> None:
        """Send an event's commands now, the close first; `started` is perf_counter() when its frame came in."""
        site, case = departure.site, departure.case
        answers = [
            self._hear(case, command, entry, self._call(site.execution, command, key))
            for command, entry, key in departure.sends
        ]
        metrics.BREACH_TO_COMMAND.observe(time.perf_counter() - started)
        self._start(site, case, [asyncio.ensure_future(answer) for answer in answers])

    def sweep(self) -> None:
        """Once a second: whoever is not as he must be gets what is outstanding; level-triggered."""
        for key, (site, account_id) in list(self._guarded.items()):
            account = site.snapshot.accounts.get(account_id)
            if account is None:
                del self._guarded[key]
                continue
            self._note_closings(site, account)
            keys = dict.fromkeys(command.event_key for command in outstanding(account))
            for event_key in keys or self._unproven(account):
                self._act_on(site, account, event_key)
            if not (account.must_be_flat or account.pause_event or self._closings.get(key)):
                del self._guarded[key]
                self._show(site, account, "")  # a new challenge has nothing to do with what was done before
            elif not keys and not account.must_be_flat and not self._closings.get(key):
                self._show(site, account, "")
        self._tell()

    def warnings(self) -> list[str]:
        """What people should know: enforcements that take too long."""
        late = [case for case in self._cases.values() if case.overdue]
        if not late:
            return []
        names = ", ".join(sorted(case.account.public_id for case in late)[:5])
        more = f" and {len(late) - 5} more" if len(late) > 5 else ""
        why = next((case.record.last_error for case in late if case.record.last_error), "no answer yet")
        return [f"{len(late)} enforcement(s) overdue: {names}{more} ({why})"]

    async def close(self) -> None:
        """Stop; what is unfinished is taken up by the next start."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _unproven(self, account: Account) -> list[str]:
        """The keys of enforcements with nothing left to send whose end nobody saw (a run before us was cut)."""
        facts = account.breach_event or account.pause_event
        if account.review:
            return []
        keys = [facts.key] if facts is not None and account.must_be_flat else []
        keys += self._closings.get((account.owner.server, account.id), ())
        return [key for key in keys if self._state(key) not in {"", "locked", CLOSED, "dry_run"}]

    def _state(self, event_key: str) -> str:
        case = self._cases.get(event_key)
        record = self._known.get(event_key) if case is None else case.record
        return "" if record is None else record.state

    def _note_closings(self, site: Site, account: Account) -> None:
        """Remember which violations' positions had to go until it is proven, or a while ago, that they are gone."""
        closing = account.state.closing
        known = self._closings.get((site.name, account.id))
        if not closing and not known:
            return
        known = {**(known or {}), **dict.fromkeys(closing.values())}
        lasting = {key: None for key in known if self._lasts(key, closing.values())}
        self._closings[site.name, account.id] = lasting
        for key in known.keys() - lasting.keys():
            self._cases.pop(key, None)  # a day has many of them

    def _lasts(self, event_key: str, wanted: Collection[str]) -> bool:
        """Whether a closing is still under way, or was proven so lately that its row should say so."""
        if event_key in wanted or event_key in self._tasks:
            return True
        case = self._cases.get(event_key)
        if case is None:
            return event_key in self._known and self._known[event_key].state not in {CLOSED, "dry_run"}
        return case.done and case.ended_at is not None and self._since(case.ended_at) < CLOSED_SHOWN

    def _act_on(self, site: Site, account: Account, event_key: str) -> None:
        case = self._case(site, account, event_key)
        if case is None or case.record.event_key in self._tasks:
            return
        if site.mode != "live":
            case.overdue = False  # nobody waits for it any more
            if case.record.state == "requested":
                self._only_say(site, case)
            return
        if case.done or case.record.state == "dry_run":
            case.due_since = self._clock()
            if case.record.state == "dry_run":
                case.record.state = "requested"
        self._store(site, case)
        self._start(site, case, [])

    def _case(self, site: Site, account: Account, event_key: str, positions: Sequence[str] = ()) -> Case | None:
        case = self._cases.get(event_key)
        if case is not None:
            case.account = account
            return case
        key = site.account_key(account.id)
        if key is None:
            log.error("breach_of_an_account_without_a_book_entry", account=account.public_id)
            return None
        facts = account.breach_event if account.breach_event and account.breach_event.key == event_key else None
        facts = facts or account.pause_event
        single = closes(event_key)
        at_detection = account.equity if single else facts.equity if facts else None
        record = self._known.pop(event_key, None) or EnforcementRecord(
            event_key=event_key,
            account=key,
            state="requested",
            requested_at=self._clock(),
            digits=account.rule_set.digits,
            equity_at_detection=at_detection,
            lowest_equity=None if single else account.lowest_equity,
        )
        now = self._clock()
        if single:
            case = Closing(record, account, due_since=now, positions=positions)
        else:
            case = Case(record, account, due_since=now)
        self._cases[event_key] = case
        return case

    def _only_say(self, site: Site, case: Case) -> None:
        case.record.state = "dry_run"
        log.warning("dry_run_enforcement", account=case.account.public_id, event_key=case.record.event_key)
        self._store(site, case)

    def _start(self, site: Site, case: Case, sends: list[asyncio.Task[None]]) -> None:
        event_key = case.record.event_key
        task = asyncio.create_task(self._drive(site, case, sends), name=f"enforce {event_key}")
        self._tasks[event_key] = task
        task.add_done_callback(lambda done: self._ended(event_key, done))

    def _ended(self, event_key: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(event_key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("enforcement_task_failed", event_key=event_key, exc_info=error)  # the sweep takes it up again

    async def _drive(self, site: Site, case: Case, sends: list[asyncio.Task[None]]) -> None:
        """Send, re-read, and again until nothing is outstanding by the upstream's own word."""
        pause = FIRST_PAUSE
        if sends:
            await asyncio.gather(*sends)
            self._store(site, case)
        while site.mode == "live" and self._current(site, case):
            truth = await self._read(site, case)
            if not self._current(site, case):
                break
            proven = False
            if truth is not None:
                proven = case.proves and case.saw(truth, self._clock())
                site.deliver_truth(truth)
            commands = case.commands()
            if truth is not None and not commands and case.ends(proven=proven):
                self._finish(site, case)
                return
            if site.mode == "live":  # it may have been switched while the reading was under way
                await self._send_due(site, case, commands, blind=truth is None)
            self._check_overdue(case)
            self._store(site, case)
            await asyncio.sleep(self._pause(case, pause))
            pause = min(pause * 2, LONGEST_REFUSED if self._refused(case) else LONGEST_PAUSE)
        if not self._current(site, case):
            case.record.last_error = "a new challenge began before this was done"
            self._save(_decode(_encode(case.record)))
            self._cases.pop(case.record.event_key, None)

    def _current(self, site: Site, case: Case) -> bool:
        """Whether the case is still about the account that is watched: a new challenge replaces the account."""
        return site.snapshot.accounts.get(case.account.id) is case.account

    async def _send_due(self, site: Site, case: Case, commands: Iterable[Command], *, blind: bool) -> None:
        """Send what may be sent now; `blind`: the reading failed, so only what surely was not executed yet."""
        due = [command for command in commands if self._may_send(case, command, blind=blind)]
        if not due:
            return
        sends = [(command, *self._begin(case, command)) for command in due]
        self._store(site, case)  # journaled before any of them leaves
        await asyncio.gather(
            *(
                self._hear(case, command, entry, self._call(site.execution, command, key))
                for command, entry, key in sends
            )
        )

    def _begin(self, case: Case, command: Command) -> tuple[dict[str, Any], str]:
        key = f"{command.key}:{case.record.attempts + 1}"
        return case.begin(command, key, self._clock()), key

    async def _hear(self, case: Case, command: Command, entry: dict[str, Any], answer: Awaitable[ActionResult]) -> None:
        result = await answer
        metrics.COMMANDS.labels(command.kind.value, result.status.value).inc()
        case.answered(command, entry, result, self._clock())
        if result.status not in {ActionStatus.DONE, ActionStatus.NO_CHANGE}:
            log.warning(
                "command_not_done", account=case.account.public_id, command=command.kind.value,
                status=result.status.value, code=result.code, message=result.message,
            )  # fmt: skip

    def _call(self, execution: Execution, command: Command, key: str) -> Awaitable[ActionResult]:
        if command.kind is CommandKind.CLOSE_ALL:
            return execution.close_all(command.account, idempotency_key=key)
        if command.kind is CommandKind.CLOSE_POSITION:
            return execution.close_position(command.account, command.position, idempotency_key=key)
        if command.kind is CommandKind.LOCK:
            return execution.lock(command.account, reason=command.reason, until=command.until)
        return execution.unlock(command.account, reason=command.reason)

    async def _read(self, site: Site, case: Case) -> Resync | None:
        async with self._reads:
            try:
                truth = await site.execution.read_account(case.account.id)
            except UpstreamError as error:
                case.record.last_error = f"read: {error}"[:500]
                case.read_after = error.retry_after
                return None
            case.read_after = None
            return truth

    def _may_send(self, case: Case, command: Command, *, blind: bool) -> bool:
        """An unknown outcome may still be executing: look a while before sending again. A refusal waits its time."""
        result, at = case.last.get((command.kind, command.position), (None, None))
        if blind and result is not None and result.status is not ActionStatus.RETRY:
            return False
        if result is None or at is None or command.kind not in CLOSES:
            return result is None or at is None or not result.retry_after or self._since(at) >= result.retry_after
        if result.status is ActionStatus.UNKNOWN:
            return self._since(max(at, case.moved_at or at)) >= SETTLE.total_seconds()  # a pass may go on for long
        if result.status is ActionStatus.REJECTED:
            return self._since(at) >= LONGEST_PAUSE
        return not result.retry_after or self._since(at) >= result.retry_after

    def _refused(self, case: Case) -> bool:
        return any(result.status is ActionStatus.REJECTED for result, _ in case.last.values())

    def _pause(self, case: Case, pause: float) -> float:
        if case.read_after is not None:
            return min(max(pause, case.read_after), LONGEST_REFUSED)  # the upstream said when it may be asked again
        waits = [
            result.retry_after - self._since(at) for result, at in case.last.values() if result.retry_after is not None
        ]
        return max(0.02, min([pause, *(wait for wait in waits if wait > 0)]))

    def _since(self, at: datetime) -> float:
        """Seconds since `at`; if the clock was set back, nobody knows how many: enough for whatever waits."""
        elapsed = (self._clock() - at).total_seconds()
        return elapsed if elapsed >= -CLOCK_STEP else inf

    def _finish(self, site: Site, case: Case) -> None:
        case.ended_at = self._clock()
        if isinstance(case, Closing):
            case.close(case.ended_at)
            self._store(site, case)
            log.info(
                "positions_closed", account=case.account.public_id, event_key=case.record.event_key, proven=case.done
            )
            if not (case.done or case.account.must_be_flat):
                self._show(site, case.account, "")
            return
        if case.account.must_be_flat:
            case.close(case.ended_at)
            metrics.FLAT_AFTER.observe(max(0.0, (case.ended_at - case.due_since).total_seconds()))
            log.info("flat_and_locked", account=case.account.public_id, event_key=case.record.event_key)
            self._store(site, case)
            return
        case.let_go()
        self._store(site, case)
        log.info("pause_ended_and_unlocked", account=case.account.public_id, event_key=case.record.event_key)
        self._show(site, case.account, "")

    def _check_overdue(self, case: Case) -> None:
        late = case.wanted and self._since(case.due_since) > OVERDUE
        if late and not case.overdue:
            case.overdue = True
            if not case.done:  # an account that is not unlocked after its pause was flat and locked all the same
                case.record.state = "overdue"
            log.error(
                "enforcement_overdue", account=case.account.public_id, event_key=case.record.event_key,
                why=case.record.last_error,
            )  # fmt: skip

    def _store(self, site: Site, case: Case) -> None:
        packed = _encode(case.record)
        if packed != case.saved:
            case.saved = packed
            self._save(_decode(packed))  # a copy: the recorder's thread reads it later
        if not (isinstance(case, Closing) and case.account.must_be_flat):  # what the breach asks for says more
            self._show(site, case.account, "overdue" if case.overdue else case.record.state)

    def _show(self, site: Site, account: Account, state: str) -> None:
        if self.shown.get((site.name, account.id), "") != state:
            self.shown[site.name, account.id] = state
            account.touch()

    def _tell(self) -> None:
        metrics.ENFORCEMENTS_OPEN.set(len(self._tasks))
        metrics.ENFORCEMENTS_OVERDUE.set(sum(case.overdue for case in self._cases.values()))

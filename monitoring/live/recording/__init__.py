"""Writes what changes the snapshot to compressed files by day and shard, in the form that `replay` reads.

Told in the loop by the pipeline (`live/pipeline/tape.py`) right after each change; a thread encodes and writes. When
the disk cannot keep up, or refuses, the recording is let go of, never the loop: what is missing is counted, shown and
said in the file, and all states are written anew before it goes on. So is every file: at the start of a UTC day each
account's state goes into the new one, a few at a time, and until then what it sends stays in the old one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import structlog
from msgspec.structs import replace

from monitoring import metrics
from monitoring.engine.messages import AccountUpdate, Clock, Link, Market, Message, Resync
from monitoring.engine.money import money_text
from monitoring.engine.ruleset import RuleSet
from monitoring.engine.snapshot import Account, Snapshot
from monitoring.engine.tape import (
    Gap,
    Header,
    Hold,
    Line,
    Refused,
    Release,
    Rulebook,
    Rules,
    SetBack,
    Unwatch,
    Watch,
    encode,
    limits_of,
)
from monitoring.live.recording.writer import EVERY, Writer
from monitoring.upstream.base import Refusal

log = structlog.get_logger(__name__)
LIMIT = 100_000  # entries that may wait for the thread
CARRY_S = 0.0005  # how long the loop may be held by states that go into a new file
CARRY_EVERY_S = 0.002
AGAIN_S = 5.0  # after the disk refused


@dataclass(slots=True)
class Pause:
    """The recording stands still; `began` is the monotonic clock's."""

    since: datetime
    reason: str
    began: float
    lost: int = 0


class Recording:
    """The tape of one server's snapshot. `lost` counts entries that are missing; `warnings` says so in words."""

    def __init__(
        self,
        directory: Path,
        shard: str,
        snapshot: Snapshot,
        *,
        limit: int = LIMIT,
        every: float = EVERY,
        again: float = AGAIN_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.shard, self.snapshot, self.limit, self.again = shard, snapshot, limit, again
        self.writer = Writer(directory, shard, every=every, wrote=metrics.RECORDING_BYTES.inc)
        self.lost = 0
        self._clock = clock
        self._day: date | None = None  # of the file that new things go into
        self._old: date | None = None  # of the file that accounts are carried over from
        self._waiting: dict[str, Account] = {}  # accounts whose state is not in the new file yet
        self._told: set[tuple[date, str]] = set()  # rule books that a file has
        self._pause: Pause | None = None
        self._ended: tuple[Pause, int] | None = None  # the last pause, and the bytes written when it ended

    def message(self, message: Message) -> None:
        """What `process` took."""
        if message.__class__ is AccountUpdate and self._day is not None and self._calm():
            self.writer.queue.append((self._day, message))
            return
        if not self._taking():
            return
        if isinstance(message, Clock):
            self._put_general(message)
            self._turn(message.ts)
            return
        if isinstance(message, (Link, Market)):
            self._put_general(message)
            return
        if isinstance(message, Resync):
            message = replace(message, login="", group="", name="")  # who it is concerns nobody here
        day = self._old if message.account_id in self._waiting else self._day
        if day is not None:
            self._put(day, message)

    def watch(self, account: Account) -> None:
        """The account, with everything that is known of it."""
        if not self._taking():
            return
        if self._waiting.pop(account.id, None) is not None and self._old is not None:
            self._put(self._old, Unwatch(ts=self._now(), account_id=account.id))
        self._write_state(account)

    def unwatch(self, account_id: str) -> None:
        """It is watched no longer."""
        self._put_account(account_id, Unwatch(ts=self._now(), account_id=account_id))
        self._waiting.pop(account_id, None)

    def rules(self, account_id: str, rule_set: RuleSet, at: datetime) -> None:
        """It got another rule set."""
        if not self._taking():
            return
        day = self._old if account_id in self._waiting else self._day
        if day is not None:
            name = self._rulebook(day, rule_set)
            self._put(
                day,
                Rules(
                    ts=at, account_id=account_id, rules=name, version=rule_set.version, currency=rule_set.currency,
                    initial_balance=money_text(rule_set.initial_balance, rule_set.digits),
                ),
            )  # fmt: skip

    def hold(self, account_id: str, reason: str) -> None:
        """It went to review."""
        self._put_account(account_id, Hold(ts=self._now(), account_id=account_id, reason=reason))

    def release(self, account_id: str) -> None:
        """Its review ended."""
        self._put_account(account_id, Release(ts=self._now(), account_id=account_id))

    def refusal(self, refusal: Refusal, at: datetime) -> None:
        """A frame of it was refused."""
        account_id = refusal.account_id or ""
        entry = Refused(ts=at, account_id=account_id, reason=refusal.reason, detail=refusal.detail)
        self._put_account(account_id, entry)

    def set_back(self, at: datetime) -> None:
        """The clock was set back."""
        if self._taking():
            self._put_general(SetBack(ts=at))

    def hurry(self) -> None:
        """What was taken so far should be on the disk within milliseconds: it led to an event."""
        self.writer.hurry()

    def warnings(self) -> list[str]:
        """What the desk should know."""
        pause = self._pause or self._unsaid()
        if pause is None:
            return []
        since, lost = f"{pause.since:%H:%M:%S} UTC", pause.lost
        return [f"The recording has stood still since {since} ({pause.reason}): {lost} entries are missing"]

    @property
    def carrying(self) -> int:
        """How many accounts' states the new file does not have yet."""
        return len(self._waiting)

    def close(self) -> None:
        """Write what waits and end."""
        self.writer.close()

    def _now(self) -> datetime:
        """The engine's own time, else the clock's: before the first tick nothing has happened."""
        return self.snapshot.link.now or self._clock()

    def _taking(self) -> bool:
        """Whether there is a file to write to; opens the first, and lets go or begins anew when it must."""
        if self._pause is not None:
            return self._resume(self._pause)
        if self.writer.error is not None:
            self._let_go(f"the disk refuses: {self.writer.error}")
            return False
        if self.writer.waiting > self.limit:
            self._let_go("the disk is too slow")
            return False
        if self._day is None:
            self._restate(self._clock().date())
        return True

    def _calm(self) -> bool:
        """Whether there is one file and nothing to see to: nearly always."""
        writer = self.writer
        return not self._waiting and self._pause is None and writer.error is None and len(writer.queue) <= self.limit

    def _begin(self, day: date) -> None:
        self._day = day
        link, market = self.snapshot.link, self.snapshot.market
        self._put(
            day,
            Header(
                ts=self._now(), shard=self.shard, server=self.snapshot.server, day=day, link=link.state,
                reason=link.reason, seen=link.seen, now=link.now,
            ),
        )  # fmt: skip
        if market.revision:
            self._put(day, market)

    def _turn(self, now: datetime) -> None:
        """A new UTC day: a new file."""
        day = now.date()
        if self._day is None or day <= self._day:
            return
        self._finish()  # if the turn before was not over: a day of a few seconds
        self._old = self._day
        self._restate(day)

    def _restate(self, day: date, gap: Gap | None = None) -> None:
        """Begin a file, or go on in one after a gap: the states of all accounts follow in portions."""
        self._begin(day)
        if gap is not None:
            self._put(day, gap)
        self._told = {told for told in self._told if told[0] != day}
        self._waiting = dict(self.snapshot.accounts)
        try:
            asyncio.get_running_loop().call_soon(self._carry)
        except RuntimeError:  # no loop to hold up
            self._finish()

    def _carry(self) -> None:
        if self._pause is not None:
            return
        until = time.perf_counter() + CARRY_S
        while self._waiting and time.perf_counter() < until:
            self._carry_one()
        if self._waiting:
            asyncio.get_running_loop().call_later(CARRY_EVERY_S, self._carry)
        else:
            self._finish()

    def _finish(self) -> None:
        while self._waiting:
            self._carry_one()
        if self._old is not None:
            self.writer.put(self._old, None)
            self._told = {told for told in self._told if told[0] != self._old}
            self._old = None

    def _carry_one(self) -> None:
        account_id, account = self._waiting.popitem()
        if self._old is not None:
            self._put(self._old, Unwatch(ts=self._now(), account_id=account_id))
        self._write_state(account)

    def _let_go(self, reason: str) -> None:
        before = self._unsaid() if self.writer.error is not None else None  # else it is being written
        self._pause = Pause(self._now(), reason, time.monotonic())
        if before is not None:
            self._pause.since, self._pause.lost = before.since, before.lost
        self._old, self._waiting = None, {}
        self._count_lost(self._pause, 1)
        log.warning("recording_stands_still", shard=self.shard, reason=reason)

    def _unsaid(self) -> Pause | None:
        """The last pause while the file does not tell of it yet: the disk may refuse again."""
        if self._ended is not None and self._ended[1] == self.writer.bytes_written:
            return self._ended[0]
        return None

    def _count_lost(self, pause: Pause, number: int) -> None:
        pause.lost += number
        self.lost += number
        metrics.RECORDING_LOST.inc(number)

    def _resume(self, pause: Pause) -> bool:
        """Go on as soon as the thread has caught up, or after a while when the disk had refused."""
        if self.writer.error is not None and time.monotonic() - pause.began >= self.again:
            pause.began = time.monotonic()
            self._count_lost(pause, self.writer.forget())
        if self.writer.error is not None or self.writer.waiting:
            self._count_lost(pause, 1)
            return False
        self._pause, self._ended = None, (pause, self.writer.bytes_written)
        self._day = max(self._day or date.min, self._now().date())
        gap = Gap(ts=pause.since, until=self._now(), lost=pause.lost, reason=pause.reason)
        self._restate(self._day, gap)
        log.info("recording_goes_on", shard=self.shard, lost=pause.lost)
        return True

    def _put(self, day: date, entry: Line | bytes) -> None:
        self.writer.put(day, entry)

    def _put_general(self, entry: Line) -> None:
        """Into both files while accounts are carried over."""
        if self._old is not None:
            self._put(self._old, entry)
        if self._day is not None:
            self._put(self._day, entry)

    def _put_account(self, account_id: str, entry: Line) -> None:
        if self._taking():
            day = self._old if account_id in self._waiting else self._day
            if day is not None:
                self._put(day, entry)

    def _write_state(self, account: Account) -> None:
        assert self._day is not None
        rule_set = account.rule_set
        name = self._rulebook(self._day, rule_set)
        state = account.dump()
        entry = Watch(
            ts=self._now(), account_id=account.id, public_id=account.public_id, rules=name, version=rule_set.version,
            currency=rule_set.currency, initial_balance=money_text(state.initial_balance, rule_set.digits), state=state,
        )  # fmt: skip
        # Encoded at once: ten thousand states that wait would have Python look through all objects for garbage.
        self._put(self._day, encode(entry))

    def _rulebook(self, day: date, rule_set: RuleSet) -> str:
        """The name of the rule set's limits; the document is told once a file."""
        name = rule_set.digest[:16]
        if (day, name) not in self._told:
            self._told.add((day, name))
            self._put(day, Rulebook(ts=self._now(), id=name, document=limits_of(rule_set.document)))
        return name

"""Every 100 ms: what changed becomes rows and states, in portions that leave the loop free for the next frame."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import datetime

import msgspec

from monitoring import metrics
from monitoring.engine.snapshot import Account
from monitoring.live.checkpoint import STATE, Checkpoints, Saved, StateRecord, pack_saved
from monitoring.live.journal import Journal
from monitoring.live.pipeline import Pipeline
from monitoring.live.pipeline.portions import breathe
from monitoring.live.pipeline.second_line import SecondLine
from monitoring.live.publish import AccountRow, ServerRow
from monitoring.live.publish.publisher import Parcel
from monitoring.live.publish.rows import Standings, account_row, milliseconds

QUIET_PORTION = 25
STANDS_BACK_S = 1.5
HISTORY_EVERY_MS = 5_000
_pack = msgspec.msgpack.Encoder().encode


class Collector:
    """Turns the dirty accounts of one pipeline into a parcel for the publisher and states for the checkpoints."""

    def __init__(self, pipeline: Pipeline, checkpoints: Checkpoints, journal: Journal) -> None:
        self.pipeline, self.checkpoints, self.journal = pipeline, checkpoints, journal
        self._high: dict[str, dict[str, int]] = {}  # the marks that the journal knows, by account id and rule
        self._standings = Standings()
        self._points: dict[str, int] = {}  # when each account's history got its last point

    async def collect(self, parcel: Parcel) -> None:
        """Add everything that changed since the last call."""
        held = time.perf_counter()
        self.pipeline.follow_up()
        while self.pipeline.write_quiet(QUIET_PORTION):
            held = await breathe(held)
        states: list[tuple[int, Saved]] = []
        raised: list[StateRecord] = []
        patient = True
        for account in self.pipeline.snapshot.drain_dirty():
            self._add(account, parcel, states, raised)
            if len(raised) >= QUIET_PORTION:
                self._keep(raised, parcel.at)
            held = await breathe(held)
            if patient and not self.pipeline.idle.is_set():
                patient = False
                self._keep(raised, parcel.at)
                await self._stand_back()
                held = time.perf_counter()
        self._keep(raised, parcel.at)
        self.checkpoints.put(states, self.journal.last_n)

    async def _stand_back(self) -> None:
        """While many accounts get other rules, but not so long that the desk takes us for dead."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STANDS_BACK_S):
                await self.pipeline.idle.wait()

    def _add(
        self, account: Account, parcel: Parcel, states: list[tuple[int, Saved]], raised: list[StateRecord]
    ) -> None:
        pipeline = self.pipeline
        entry = pipeline.entries.get(account.id)
        if entry is None:
            return
        saved = pipeline.marks.save(account)
        if self._rose(account):
            raised.append(StateRecord(account.public_id, saved.epoch, saved.mark, saved.state))
        row = account_row(
            account,
            pipeline.faces[account.id],
            parcel.at,
            rev=saved.mark,
            enforcement=pipeline.enforcer.shown.get((pipeline.name, account.id), ""),
            enforcement_mode=pipeline.mode,
            overridden=entry.overridden,
            standing=self._standings.get(account, parcel.at),
        )
        parcel.rows[row.public_id] = _pack(row)
        parcel.states[row.public_id] = pack_saved(saved)
        states.append((entry.pk, saved))
        self._add_point(row, parcel)

    def _keep(self, raised: list[StateRecord], at: datetime) -> None:
        """Before anybody is shown a floor, the disk knows it: the parcel leaves after this."""
        self.journal.append_all([(STATE, at, record) for record in raised])
        raised.clear()

    def _rose(self, account: Account) -> bool:
        """Whether a mark that a floor hangs on is above what the journal knows."""
        rules = zip(account.rule_set.loss_rules, account.state.rules, strict=True)
        marks = {
            memory.of: memory.high if rule.high_water else account.state.peak
            for rule, memory in rules
            if rule.high_water in {"equity_intraday", "balance_closed"} or rule.reference == "intraday_peak_equity"
        }
        if not marks:
            return False
        known, self._high[account.id] = self._high.get(account.id), marks
        return known is None or any(of not in known or mark > known[of] for of, mark in marks.items())

    def _add_point(self, row: AccountRow, parcel: Parcel) -> None:
        at = row.updated_ms
        if at is None or row.stale or at - self._points.get(row.public_id, 0) < HISTORY_EVERY_MS:
            return
        self._points[row.public_id] = at
        parcel.points[row.public_id] = _pack([at, row.equity, row.balance, row.daily_floor, row.max_floor])


def server_row(pipeline: Pipeline, now: datetime, second_line: SecondLine | None = None) -> ServerRow:
    """How the feed of one server is doing."""
    health, counts = pipeline.connector.feed.health, pipeline.snapshot.counts
    refusals = dict(health.refusals)
    for reason, number in counts.refused.items():
        refusals[reason] = max(refusals.get(reason, 0), number)  # decode's refusals are told to the snapshot as well
    stale = sum(account.stale or account.figures is None for account in pipeline.snapshot.accounts.values())
    row = ServerRow(
        server=pipeline.name,
        kind=pipeline.connector.config.kind,
        state=health.state,
        since_ms=milliseconds(health.since),
        reason=health.reason,
        lag_ms=None if health.lag_s is None else round(health.lag_s * 1000),
        last_frame_ms=milliseconds(health.last_frame_at),
        frames=health.frames,
        refused=sum(refusals.values()),
        refusals=refusals,
        last_refusal=health.last_refusal,
        late=counts.late,
        repeated=counts.repeated,
        gaps=counts.gaps + health.gaps,
        resyncs=health.resyncs,
        connects=health.connects,
        accounts=len(pipeline.snapshot.accounts),
        stale_accounts=stale,
        dropped=health.dropped,
        enforcement_mode=pipeline.mode,
        **pipeline.told_there.counts,
        **(second_line.counts() if second_line else {}),
        rules_refusal=second_line.refusal() if second_line else "",
    )
    _measure(row, health.last_frame_at, now)
    return row


def _measure(row: ServerRow, last_frame_at: datetime | None, now: datetime) -> None:
    name = row.server
    metrics.FEED_UP.labels(name).set(row.state == "connected")
    metrics.ACCOUNTS.labels(name).set(row.accounts)
    metrics.STALE.labels(name).set(row.stale_accounts)
    metrics.LATE.labels(name).set(row.late)
    metrics.REPEATED.labels(name).set(row.repeated)
    for reason, number in row.refusals.items():
        metrics.REFUSALS.labels(name, reason).set(number)
    if row.lag_ms is not None:
        metrics.FEED_LAG.labels(name).set(row.lag_ms / 1000)
    if last_frame_at is not None:
        metrics.UPDATE_AGE.labels(name).set(max(0.0, (now - last_frame_at).total_seconds()))

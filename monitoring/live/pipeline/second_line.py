"""The firm's rules at an upstream that can refuse orders itself: a second line, kept in step, never the first.

Slowly and politely: a few requests a second, one account after the other, and what the upstream says of waiting holds
for all of them. Verdicts and enforcement rest on nothing here. Dry run tells an upstream nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import structlog

from monitoring.live.pipeline import Pipeline
from monitoring.live.rulesets import Entry
from monitoring.upstream.base import ActionStatus, RuleWords, UpstreamError

log = structlog.get_logger(__name__)
PACE = 0.05  # seconds between two requests, at least
RETRY = (1.0, 60.0)
NAMES_LAST = 3_600.0  # how long the server's list of symbols is believed


class SecondLine:
    """Brings the upstream's own rules in step, account by account; `counts` says how far."""

    def __init__(self, pipeline: Pipeline, words: RuleWords, *, pace: float = PACE) -> None:
        self.pipeline, self.words, self.pace = pipeline, words, pace
        self.refused: dict[str, str] = {}  # account id -> why; tried again on a new link, or when its rules change
        self._pending: dict[str, None] = {}  # in the order in which they came
        self._told: dict[str, dict[str, Any]] = {}  # what the upstream has of us, by account id
        self._wanted: dict[int, tuple[object, dict[str, Any]]] = {}  # by rule set, which many accounts share
        self._names: list[str] | None = None
        self._names_at = -NAMES_LAST
        self._table: Mapping[str, str] = {}  # the server's names of symbols as they were worded
        self._connects = 0
        self._wake = asyncio.Event()
        self._pause = RETRY[0]
        self._failure = ""  # of the newest try, if it will be tried again

    def note(self, entry: Entry) -> None:
        """An account is judged by this entry's rules from now on."""
        self.refused.pop(entry.upstream_id, None)
        self._pending[entry.upstream_id] = None
        self._wake.set()

    def counts(self) -> dict[str, int]:
        """Accounts in step, waiting and refused; nothing in dry run."""
        if self.pipeline.mode != "live":
            return {"rules_in_step": 0, "rules_pending": 0, "rules_refused": 0}
        return {
            "rules_in_step": len(self._told) - len(self._told.keys() & self._pending.keys()),
            "rules_pending": len(self._pending),
            "rules_refused": len(self.refused),
        }

    def refusal(self) -> str:
        """The newest refusal in words; where there is none, why accounts wait."""
        if self.pipeline.mode != "live":
            return ""
        if not self.refused:
            return self._failure if self._pending else ""
        account_id, why = next(reversed(self.refused.items()))
        return f"{account_id}: {why}"

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            while not self._pending or self.pipeline.mode != "live":
                self._wake.clear()
                await _woken(self._wake, 1.0)  # the mode has no word of its own
                self._look()
            self._look()
            account_id = next(iter(self._pending))
            wait = await self._bring_in_step(account_id)
            await asyncio.sleep(max(wait, self.pace))

    def _look(self) -> None:
        """Find whose rules there may no longer be ours."""
        pipeline = self.pipeline
        if pipeline.symbols != self._table:  # names mean something else: what names symbols is worded anew
            self._table = pipeline.symbols
            self._wanted.clear()
            self._pending |= {account_id: None for account_id, one in pipeline.entries.items() if _names_symbols(one)}
        doubtful = pipeline.told_there.rules_changed()
        if (connects := pipeline.connector.feed.health.connects) != self._connects:
            self._connects = connects
            doubtful = {*doubtful, *self._told, *self.refused}  # nobody knows what happened meanwhile
        for account_id in doubtful & (self._told.keys() | self.refused.keys()):
            self._told.pop(account_id, None)
            self.refused.pop(account_id, None)
            self._pending[account_id] = None

    async def _bring_in_step(self, account_id: str) -> float:
        """One account; returns how long the upstream should be left alone."""
        entry = self.pipeline.entries.get(account_id)
        del self._pending[account_id]
        if entry is None:
            return 0.0
        try:
            wanted = await self._worded(entry)
            if self._told.get(account_id) != wanted:
                await self._tell(account_id, wanted)
        except UpstreamError as error:
            return self._failed(account_id, error)
        self._pause, self._failure = RETRY[0], ""
        return 0.0

    async def _tell(self, account_id: str, wanted: dict[str, Any]) -> None:
        """Read what is there, and put ours into it where they differ; raises UpstreamError."""
        execution = self.pipeline.execution
        there = await execution.read_risk_rules(account_id)
        if not self.words.agrees(there, wanted):
            await asyncio.sleep(self.pace)
            if self.pipeline.mode != "live":
                self._pending[account_id] = None
                return
            result = await execution.put_risk_rules(account_id, self.words.merged(there, wanted))
            if result.status not in {ActionStatus.DONE, ActionStatus.NO_CHANGE}:
                why = result.message or result.code or "no answer"
                permanent = result.status is ActionStatus.REJECTED
                raise UpstreamError(why, permanent=permanent, retry_after=result.retry_after)
        self._told[account_id] = wanted

    def _failed(self, account_id: str, error: UpstreamError) -> float:
        self._told.pop(account_id, None)
        if error.permanent:
            self.refused.pop(account_id, None)  # so that it is the newest
            self.refused[account_id] = str(error)
            log.warning("risk_rules_refused", account=account_id, error=str(error))
            return 0.0
        self._pending[account_id] = None  # behind the others
        self._failure = f"{account_id}: {error} (it is tried again)"
        wait = error.retry_after or self._pause
        self._pause = min(self._pause * 2, RETRY[1])
        return wait

    async def _worded(self, entry: Entry) -> dict[str, Any]:
        """The entry's rules in the upstream's words."""
        rule_set = entry.rule_set
        found = self._wanted.get(id(rule_set))
        if found is None or found[0] is not rule_set:
            names = await self._symbols() if _names_symbols(entry) else []
            if len(self._wanted) > 10_000:
                self._wanted.clear()
            wanted = self.words.express(rule_set, self.pipeline.symbols, names)
            found = self._wanted[id(rule_set)] = (rule_set, wanted)
        return found[1]

    async def _symbols(self) -> list[str]:
        if self._names is None or time.monotonic() - self._names_at > NAMES_LAST:
            self._names = await self.pipeline.execution.list_symbols()
            self._names_at = time.monotonic()
        return self._names


def _names_symbols(entry: Entry) -> bool:
    return any(rule.rule == "symbols" for rule in entry.rule_set.others)


async def _woken(event: asyncio.Event, patience: float) -> None:
    try:
        async with asyncio.timeout(patience):
            await event.wait()
    except TimeoutError:
        return

"""One enforcement: what was asked of the upstream about one event, and how far it has come."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from monitoring.engine.enforcement import Command, CommandKind, outstanding
from monitoring.engine.messages import Resync
from monitoring.engine.money import minor_units
from monitoring.engine.snapshot import Account
from monitoring.live.recorder.records import EnforcementRecord
from monitoring.upstream.base import ActionResult, ActionStatus

COMMANDS_KEPT = 50
CLOSES = frozenset({CommandKind.CLOSE_ALL, CommandKind.CLOSE_POSITION})
Target = tuple[CommandKind, str]  # the kind and, where it is about one, the position
OUTCOMES = {
    ActionStatus.PARTIAL: "partial",
    ActionStatus.REJECTED: "rejected",
    ActionStatus.UNKNOWN: "unknown",
}


class Case:
    """The running record of one event's enforcement; `due_since` counts towards overdue."""

    def __init__(self, record: EnforcementRecord, account: Account, *, due_since: datetime) -> None:
        self.record, self.account, self.due_since = record, account, due_since
        self.overdue = False
        self.ended_at: datetime | None = None
        self.saved = b""  # the record as it was stored last
        self.read_after: float | None = None  # seconds that the upstream asked us to wait before the next reading
        self.open = -1  # positions at the last reading
        self.moved_at: datetime | None = None  # when a reading last showed fewer of them: something is closing them
        self.last: dict[Target, tuple[ActionResult, datetime]] = {}
        for entry in record.commands:  # of an earlier run
            self._recall(entry)

    @property
    def done(self) -> bool:
        """Whether the upstream itself has said: flat and locked."""
        return self.record.state == "locked"

    @property
    def wanted(self) -> bool:
        """Whether the account still has to be flat and locked, or to be unlocked after a pause."""
        return self.account.must_be_flat or bool(self.commands())

    @property
    def proves(self) -> bool:
        """Whether a reading tells how far it has come: what comes after a pause is no part of the proof."""
        return self.account.must_be_flat

    def commands(self) -> tuple[Command, ...]:
        """What is still to be done about the account by what the upstream shows now; single positions apart."""
        return tuple(one for one in outstanding(self.account) if one.kind is not CommandKind.CLOSE_POSITION)

    def ends(self, *, proven: bool) -> bool:
        """Whether nothing is left to wait for, once nothing is left to send."""
        return proven or not self.wanted

    def _recall(self, entry: dict[str, Any]) -> None:
        """A command that left and whose answer is not known, for whatever reason, may have been executed."""
        kind, at = CommandKind(entry["command"]), datetime.fromisoformat(entry.get("answered_at") or entry["at"])
        status = ActionStatus(entry.get("status", ActionStatus.UNKNOWN))
        self.last[kind, entry.get("position", "")] = (ActionResult(status, retry_after=entry.get("retry_after")), at)

    def begin(self, command: Command, key: str, at: datetime) -> dict[str, Any]:
        """Note a command that is about to leave; returns its entry."""
        record = self.record
        if command.kind is not CommandKind.UNLOCK:
            record.attempts += command.kind in CLOSES
            record.sent_at = record.sent_at or at
            if record.state in {"requested", "dry_run", "locked", "closed"}:
                record.state = "sent"
        entry = {"at": at.isoformat(), "command": command.kind.value, "key": key, "reason": command.reason}
        if command.position:
            entry["position"] = command.position
        if command.until is not None:
            entry["until"] = command.until.isoformat()
        record.commands = [*record.commands, entry][-COMMANDS_KEPT:]
        return entry

    def answered(self, command: Command, entry: dict[str, Any], result: ActionResult, at: datetime) -> None:
        """Note the upstream's answer."""
        entry["answered_at"] = at.isoformat()
        entry["status"] = result.status.value
        for name in ("http_status", "code", "message", "requested", "closed", "failed", "request_id", "retry_after"):
            if (value := getattr(result, name)) not in (None, ""):
                entry[name] = value
        self.last[command.kind, command.position] = (result, at)
        record = self.record
        good, unlock = result.status in {ActionStatus.DONE, ActionStatus.NO_CHANGE}, command.kind is CommandKind.UNLOCK
        if good and command.kind in CLOSES:
            record.accepted_at = record.accepted_at or at
        if good and not unlock and not self.overdue and record.state in {"sent", "partial", "unknown", "rejected"}:
            record.state = "accepted"
        if not good:
            words = (
                result.message or result.code or f"HTTP {result.http_status}" * bool(result.http_status) or "no answer"
            )
            record.last_error = f"{command.kind.value}: {result.status.value}: {words}"[:500]
            if not unlock and not self.overdue and result.status in OUTCOMES and record.flat_at is None:
                record.state = OUTCOMES[result.status]

    def saw(self, truth: Resync, at: datetime) -> bool:
        """Take the upstream's word on the account; whether it is flat and locked."""
        record = self.record
        if len(truth.positions) < self.open:
            self.moved_at = at
        self.open = len(truth.positions)
        flat = not truth.positions and not truth.data.open_positions
        if flat and record.flat_at is None:
            record.flat_at = at
            record.equity_after = self._risk_equity(truth)
            if not self.overdue:
                record.state = "flat_confirmed"
        elif not flat and record.flat_at is not None:
            record.flat_at = None  # it traded again: the proof is void
            record.state = "sent"
        if truth.locked and record.locked_at is None:
            record.locked_at = at
        elif not truth.locked:
            record.locked_at = None
        record.lowest_equity = self.account.lowest_equity
        return flat and truth.locked

    def _risk_equity(self, truth: Resync) -> int:
        """The reading's risk equity; a credit that it does not state is the one known before."""
        equity = minor_units(truth.data.equity, self.record.digits)
        if self.account.rule_set.count_credit:
            return equity
        known = truth.data.credit_given
        return equity - (minor_units(truth.data.credit, self.record.digits) if known else self.account.credit)

    def close(self, at: datetime) -> None:
        """The proof is complete."""
        self.record.state, self.overdue = "locked", False
        self.record.locked_at = self.record.locked_at or at
        self.record.last_error = ""

    def let_go(self) -> None:
        """Nothing is asked of the account any more; what was not done before is said."""
        self.overdue = False
        self.record.last_error = "" if self.done else "the pause ended before this was done"

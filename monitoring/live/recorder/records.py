"""What the recorder writes and the journal keeps: one struct a kind of record. Money in minor units."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from msgspec import Struct, field

EVENT, ENFORCEMENT, CHALLENGE = "event", "enforcement", "challenge"


class EventRecord(Struct, kw_only=True):
    """One engine event with the rows that it belongs to; `challenge_state` is what the event makes of the challenge."""

    key: str
    shard: str
    epoch: int
    account: int | None
    challenge: int | None
    event: str
    rule: str
    severity: int
    at: datetime
    digits: int = 2
    floor: int | None = None
    measured: int | None = None
    room: int | None = None
    used: str | None = None
    operator: str = ""
    reason: str = ""
    consequence: str = ""
    also: list[str] = field(default_factory=list)
    step: int = 0
    rule_set_version: int | None = None
    mode: str = "live"
    day: date | None = None
    day_start_balance: int | None = None
    day_start_equity: int | None = None
    positions: list[str] = field(default_factory=list)  # that a violation is about
    calendar_revision: str = ""  # of news and holidays, where the event rests on them
    challenge_state: str = ""  # failed | paused | active | "": as it is


class EnforcementRecord(Struct, kw_only=True):
    """How far one enforcement has come, whole: the newest record of an `event_key` replaces the older ones."""

    event_key: str
    account: int
    state: str
    requested_at: datetime
    digits: int = 2
    sent_at: datetime | None = None
    accepted_at: datetime | None = None
    flat_at: datetime | None = None
    locked_at: datetime | None = None
    attempts: int = 0
    equity_at_detection: int | None = None
    lowest_equity: int | None = None
    equity_after: int | None = None
    commands: list[dict[str, Any]] = field(default_factory=list)
    last_error: str = ""


class ChallengeRecord(Struct, kw_only=True):
    """A challenge that the monitor itself sends to review."""

    challenge: int
    state: str
    reason: str


AnyRecord = EventRecord | EnforcementRecord | ChallengeRecord
TYPES: dict[str, type[AnyRecord]] = {EVENT: EventRecord, ENFORCEMENT: EnforcementRecord, CHALLENGE: ChallengeRecord}

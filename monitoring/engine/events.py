"""What the engine concludes: readings (a rule's answer now) and events (a reading whose state changed)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum


class EventKind(StrEnum):
    """The words of `replay`, the risk event table and the alerts; `rules.md`, section 7."""

    WARNED = "warned"
    STEPPED_UP = "stepped_up"
    CLEARED = "cleared"
    BREACHED = "breached"
    RESUMED = "resumed"
    TARGET_REACHED = "target_reached"
    VIOLATED = "violated"
    DAY_STARTED = "day_started"
    STALE = "stale"
    FRESH = "fresh"
    REFUSED = "refused"


class ReadingState(StrEnum):
    """What a rule says of an account now; `unknown` is never shown as safe."""

    OK = "ok"
    WARNED = "warned"
    BREACHED = "breached"
    PAUSED = "paused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reading:
    """One rule's answer now. Money in minor units of the account; `used` is exact, rounded only for display."""

    rule: str
    index: int  # position of the rule in its document: two rules of one name are two rules
    state: ReadingState
    floor: int
    measured: int
    anchor: int
    room: int
    used: Decimal
    operator: str  # "<" or "<="
    consequence: str
    step: int  # how many steps of `warn_at` the open episode has reached
    reason: str
    rule_set_version: int
    inputs: Mapping[str, int]  # what it was computed from, by name, in minor units


@dataclass(frozen=True, slots=True)
class Event:
    """A change that somebody is told of. `key` is the same however often the change is derived again.

    Money in minor units; `digits` says how many decimals they have.
    """

    key: str  # e.g. "acc_1:c17:0:warned:3": account, challenge, rule index, kind, episode / day
    at: datetime
    account: str
    event: EventKind
    rule: str | None
    rule_set_version: int
    digits: int = 2
    floor: int | None = None
    measured: int | None = None
    room: int | None = None
    used: Decimal | None = None
    operator: str | None = None
    reason: str = ""
    consequence: str | None = None
    also: tuple[str, ...] = ()
    step: int = 0
    day: date | None = None
    day_start_balance: int | None = None
    day_start_equity: int | None = None
    positions: tuple[str, ...] = ()  # ids of the positions that a violation is about; with `close`, those to be closed
    revision: str = ""  # of the news calendar and the holidays, where the event rests on them


class StandingState(StrEnum):
    """What a rule of section 6 says of an account now."""

    OK = "ok"  # kept
    VIOLATED = "violated"  # not kept now (or, for a position that is still open, when it was opened)
    MET = "met"  # an objective that is reached
    PENDING = "pending"  # an objective on the way, or a limit that is not evaluated yet
    UNKNOWN = "unknown"  # the data cannot be trusted


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one rule of section 6 stands now, in words and as a share.

    `value` and `limit` are formatted for people ("3 days", "12.50 lots", "1,200.00"); `share` is value / limit where
    that makes sense (1 is at the limit), exact, None otherwise; `due` is the next instant at which time alone acts.
    """

    rule: str
    index: int
    state: StandingState
    value: str
    limit: str
    reason: str
    consequence: str = ""
    share: Decimal | None = None
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class ResetForecast:
    """One loss rule as it would stand if the day reset now: minor units."""

    rule: str
    index: int
    floor: int
    measured: int
    room: int
    crossed: bool
    consequence: str
    operator: str

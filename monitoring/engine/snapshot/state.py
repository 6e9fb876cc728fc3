"""Everything of an account that must survive a crash, as one struct that msgspec encodes and decodes."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from msgspec import Struct, field

from monitoring.engine.messages import AccountFigures, Position


class Breach(Struct, frozen=True, kw_only=True):
    """The facts of a breach as they were judged; named like the fields of `events.Event`. Money in minor units."""

    key: str
    at: datetime
    account: str
    rule: str
    index: int
    consequence: str
    operator: str
    floor: int
    measured: int
    room: int
    used: Decimal
    balance: int
    equity: int  # risk equity at detection
    also: tuple[str, ...]
    reason: str
    rule_set_version: int
    digits: int


class RuleState(Struct, kw_only=True):
    """What one loss rule of one account remembers. Money in minor units."""

    high: int  # H, the high-water mark
    high_before: int  # H as it was before the last reset, for an update that comes after the reset it precedes
    locked: bool = False  # lock_at_initial took effect: the floor is S from now on
    step: int = 0  # steps of `warn_at` that the open episode has reached; 0: no episode
    episode: int = 0


class AccountState(Struct, kw_only=True):
    """An account's figures and rule state. Money in minor units, times aware UTC."""

    challenge: str
    initial_balance: int  # S
    rule_set_version: int
    figures: AccountFigures | None = None  # of the last update, as sent
    balance: int = 0
    equity: int = 0  # platform equity
    credit: int = 0
    updated_at: datetime | None = None  # ts of the last applied account update
    last_ts: datetime | None = None  # ts of the newest applied frame of any kind
    last_seq: int | None = None
    structure_seq: int | None = None  # seq of the newest applied frame that was no account update
    event_ids: list[str] = field(default_factory=list)  # the last ones; of updates only where frames carry no seq
    renumbered: bool = False  # the link was made anew: the next resync says where seq goes on
    positions: tuple[Position, ...] = ()
    open_positions: int = 0
    status: str = "connected"
    status_reason: str = ""
    locked: bool = False
    lock_reason: str = ""
    locked_until: datetime | None = None
    stale: bool = False
    stale_count: int = 0
    refused_count: int = 0
    doubt: str = ""  # why the last frame was refused: readings are unknown until the next good one
    review: str = ""
    verdict_held: str = ""
    day: date | None = None
    day_started_at: datetime | None = None  # r(day)
    next_reset: datetime | None = None
    day_open: bool = False  # an update at or after r(day) has been applied
    day_start_balance: int = 0
    day_start_equity: int = 0
    day_start_ts: datetime | None = None  # ts of the update that they come from; None on the first day
    day_moves: int = 0  # balance operations that move REF today
    peak: int = 0  # highest risk equity since r(day), its start value included
    moved: int = 0  # A
    breach: Breach | None = None  # consequence fail: latched for good
    pause: Breach | None = None  # the newest pause
    paused_until: datetime | None = None
    lowest_equity: int | None = None  # lowest risk equity since the breach, or since the running pause began
    rules: list[RuleState] = field(default_factory=list)
    link_seen: datetime | None = None
    now: datetime | None = None

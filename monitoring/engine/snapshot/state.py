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
    index: int  # place in the document that judges now, -1 once the rule is gone
    consequence: str
    operator: str  # empty for a rule without a floor (section 6)
    floor: int | None
    measured: int | None
    room: int | None
    used: Decimal | None
    balance: int
    equity: int  # risk equity at detection
    also: tuple[str, ...]
    reason: str
    rule_set_version: int
    digits: int
    of: str = ""  # whose breach it is, whatever the rule's place in the document: RuleSet.identities


class RuleState(Struct, kw_only=True):
    """What one loss rule of one account remembers. Money in minor units."""

    high: int  # H, the high-water mark
    high_before: int  # H as it was before the last reset, for an update that comes after the reset it precedes
    locked: bool = False  # lock_at_initial took effect: the floor is S from now on
    step: int = 0  # steps of `warn_at` that the open episode has reached; 0: no episode
    episode: int = 0
    of: str = ""  # which rule it belongs to, whatever its place in the document: RuleSet.identities


class OtherMemory(Struct, kw_only=True):
    """What one rule of section 6 remembers of one account."""

    of: str = ""  # as in RuleState
    count: int = 0  # trading days counted (min_trading_days), of days before `last_day`
    episode: int = 0
    open: bool = False  # a violation that lasts is under way
    key: str = ""  # of the newest event of the rule
    told: list[str] = field(default_factory=list)  # what was told already (position ids, deals, days), newest last
    awaiting: list[str] = field(default_factory=list)  # open positions whose stop is still to be looked for
    warned: str = ""  # the deadline that was warned of (flat_by)
    deadline: str = ""  # the deadline that `told` belongs to (flat_by)


class Deal(Struct, frozen=True, kw_only=True):
    """An opening or a closing at its own time, as the rules on trading see it."""

    position: str
    symbol: str
    at: datetime
    opened_at: datetime | None = None  # of its position, where that is known
    closing: bool = False
    first_seen: bool = False  # what is open was not known before
    traded: bool = True  # by the trader, after the challenge began: rules on trading judge it
    number: int = 0  # tells the closings of one position apart


class DayFacts(Struct, kw_only=True):
    """What happened on one trading day; `profit` is closed profit in minor units, balance operations left out."""

    day: date
    opened: bool = False
    opened_and_closed: bool = False
    profit: int = 0


class Totals(Struct, kw_only=True):
    """The days before `last_day`, summed for consistency; minor units."""

    best: int = 0
    net: int = 0
    positive: int = 0
    absolute: int = 0


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
    others: list[OtherMemory] = field(default_factory=list)
    rule_set_digest: str = ""
    generation: int = 0  # how often the rules were changed during the challenge; part of every event's key
    created_at: datetime | None = None  # when the challenge began; None: with its first frame
    first_open_at: datetime | None = None
    last_open_at: datetime | None = None
    idle_from: datetime | None = None  # where the count of inactivity begins; moved on by the time spent in review
    held_at: datetime | None = None  # since when verdicts wait (review)
    released_at: datetime | None = None  # when the wait ended; None once it was asked what is due from then on
    today: DayFacts | None = None  # `profit` is computed when it is needed, kept here only once the day has ended
    last_day: DayFacts | None = None  # the day before; a late frame may still amend it
    totals: Totals = field(default_factory=Totals)
    target_reached_at: datetime | None = None
    soft_breaches: list[date] = field(default_factory=list)  # trading days of the soft breaches that count
    closing: dict[str, str] = field(default_factory=dict)  # open positions that `close` wants closed: id -> event's key
    closing_for: dict[str, tuple[str, ...]] = field(default_factory=dict)  # which rules want that, as OtherMemory.of
    unknown_symbols: list[str] = field(default_factory=list)  # names told as unknown
    due: datetime | None = None  # when time alone acts next, resets apart
    pending: bool = False  # section 6 could not be judged when it should have been: the next good message does it
    waiting: list[Deal] = field(default_factory=list)  # deals that came meanwhile
    gone: list[str] = field(default_factory=list)  # ids of the newest positions that were closed
    closings: int = 0  # how many closings were seen
    link_seen: datetime | None = None
    now: datetime | None = None

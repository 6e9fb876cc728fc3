"""The live book on its way to the web: what a Redis Stream entry and the hash of rows hold.

Keys (`{shard}` is the shard's name):
- `riskdesk:{shard}:live`  a Stream, MAXLEN ~ 600; entry {"b": msgpack(Batch)}; one each 100 ms when something changed,
  and at least one a second (it carries the clock, so that a web process sees a dead monitor).
- `riskdesk:{shard}:rows`  a Hash public_id -> msgpack(AccountRow), written in the same MULTI as the entry.
- `riskdesk:{shard}:state` a Hash public_id -> msgpack([epoch, mark, AccountState as bytes]), the rule state, in the
  same MULTI; only the monitor reads it (checkpoint.py).
- `riskdesk:{shard}:history:{public_id}` a List of msgpack([ts_ms, equity, balance, daily_floor, max_floor]) (a floor
  may be nil), oldest first, money in minor units: one point each 5 s at most, of changed accounts only; 2,000 points
  (fewer when there are more than 2,000 accounts); gone a day after the last point. For the account page's chart.
- `riskdesk:{shard}:meta`  a Hash: "head" -> msgpack(Batch without rows), "generation" (changes when Redis lost its data
  or another leader wrote: a reader that sees another generation takes a full copy), "health" -> JSON of the monitor's
  own /healthz (ready, leader, epoch, accounts, feeds, at_ms), "epoch" -> the writing leader's epoch.
- `riskdesk:shards` a Set of shard names.
A reader takes a full copy (last stream id, then HGETALL rows), then tails from that id; rows are whole, so applying one
twice is harmless, and `rev` says which of two is newer. A full copy may meet a Redis that is being filled again after
an outage: the rows that it lacks come with the entries that follow.
"""

from __future__ import annotations

from msgspec import Struct


class ReadingRow(Struct, frozen=True, array_like=True):
    """A loss rule's answer, money in minor units, `used` in ten-thousandths rounded half up."""

    rule: str  # daily_loss | max_loss
    index: int
    mode: str  # static | trailing | "" for a daily loss
    state: str  # ok | warned | breached | paused | unknown
    floor: int
    measured: int
    anchor: int
    room: int
    used: int
    operator: str
    consequence: str
    sentence: str  # the rule in plain words, from engine.ruleset.sentence()


class PositionRow(Struct, frozen=True, array_like=True):
    """An open position as last reported."""

    id: str
    symbol: str
    side: str  # BUY | SELL
    volume: float
    open_price: float | None
    current_price: float | None
    sl: float | None
    tp: float | None
    profit: float
    swap: float
    open_time_ms: int | None


class StandingRow(Struct, frozen=True, array_like=True):
    """Where a rule of section 6 stands, for people; `engine.events.Standing`."""

    rule: str
    index: int  # its place in the rule set's document
    state: str  # ok | violated | met | pending | unknown
    value: str  # "3 days", "12.50 lots", "1,200.00"
    limit: str
    share_points: int | None  # value / limit in ten-thousandths, where that makes sense
    reason: str
    consequence: str  # fail | pause | close | flag | delay | ""
    due_ms: int | None  # when time alone acts next


class AccountRow(Struct, frozen=True, array_like=True):
    """One account as every page shows it; money in minor units, times in epoch milliseconds (UTC)."""

    public_id: str
    rev: int  # rises with each published change of this account within an epoch
    login: str
    server: str
    trader: str
    trader_id: int | None  # accounts.User primary key of the owner, for the gate of his socket
    plan: str
    phase: str
    currency: str
    digits: int
    size: int  # S
    balance: int
    equity: int  # risk equity E
    credit: int
    day_pl: int  # E - day-start balance, balance operations of the day left out
    open_pl: int  # floating
    daily_used: int | None  # ten-thousandths; None when no such rule
    daily_floor: int | None
    max_used: int | None
    max_floor: int | None
    headroom: int | None  # smallest room over the loss rules
    severity: int  # 0 normal, 1 watch >= 50 %, 2 warning >= first warn_at, 3 critical >= 90 %, 4 breached
    state: str  # ok | warned | breached | paused | unknown | review
    stale: bool
    status: str  # connected | disconnected | auth_failed | maintenance (of the account's own connection)
    open_positions: int
    updated_ms: int | None  # ts of the newest applied update
    received_ms: int | None
    locked: bool
    enforcement: str  # "" or a value of monitoring.models.EnforcementState
    enforcement_mode: str  # live | dry_run
    rule_set_version: int
    next_reset_ms: int | None
    reset_zone: str
    reason: str  # the breach's or the worst reading's sentence with its numbers
    readings: list[ReadingRow]
    positions: list[PositionRow]
    day_start_balance: int | None
    day_start_equity: int | None
    high_water: int | None
    breached_today: bool = False  # the breach that it stands under is of the account's present trading day
    overridden: bool = False  # a rule of it is set apart from its plan now
    standings: list[StandingRow] = []  # the rules of section 6, in the document's order
    # If the day reset now: the smallest room over the loss rules, its floor, and whether any floor would be crossed
    # (never of an account that has breached already).
    reset_room: int | None = None
    reset_floor: int | None = None
    reset_breach: bool = False
    rules_digest: str = ""  # the beginning of the compiled rule set's digest: another one means other rules


class EventRow(Struct, frozen=True, array_like=True):
    """An event, for rails and timelines at once (the durable copy is `monitoring.RiskEvent`)."""

    key: str
    public_id: str
    event: str
    rule: str | None
    at_ms: int
    severity: int
    reason: str
    used: int | None


class ServerRow(Struct, frozen=True, array_like=True):
    """One upstream's feed health; lag and ages in milliseconds."""

    server: str
    kind: str
    state: str
    since_ms: int | None
    reason: str
    lag_ms: int | None
    last_frame_ms: int | None
    frames: int
    refused: int
    refusals: dict[str, int]
    last_refusal: str
    late: int
    repeated: int
    gaps: int
    resyncs: int
    connects: int
    accounts: int
    stale_accounts: int
    dropped: int
    enforcement_mode: str
    # Where the upstream can refuse orders itself: accounts whose rules there are ours, wait to be, or were refused.
    rules_in_step: int = 0
    rules_pending: int = 0
    rules_refused: int = 0
    rules_refusal: str = ""  # the newest refusal
    rule_events: int = 0  # what the upstream's own rules said since the monitor's start; never a verdict of ours
    orders_refused: int = 0


class Batch(Struct, frozen=True, array_like=True):
    """One stream entry. `version` rises by one within an epoch; a jump or a new epoch asks for a full copy."""

    epoch: int
    version: int
    ts_ms: int
    rows: list[AccountRow]
    removed: list[str]
    events: list[EventRow]
    servers: list[ServerRow]
    warnings: list[str]  # what the monitor itself suffers from: "PostgreSQL unreachable since 06:41:00 UTC", ...

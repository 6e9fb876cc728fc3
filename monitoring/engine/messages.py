"""What an upstream tells the engine: frozen messages, one struct a kind.

The shapes are the bearer dialect's own envelopes (`type, event_id, seq, ts, account_id, data`), so that the hot
frame is decoded straight into the object that the snapshot applies. Other connectors build the same structs.
Figures are the numbers as sent (floats of decimal text); `money` turns them into minor units. Times are aware UTC.
"""

from __future__ import annotations

from datetime import date, datetime
from math import copysign
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

Instant = Annotated[datetime, Meta(tz=True)]
Identifier = Annotated[str, Meta(min_length=1, max_length=128)]
Sequence = Annotated[int, Meta(ge=0, lt=1 << 53)]
Count = Annotated[int, Meta(ge=0, lt=1 << 31)]
Leverage = Annotated[int, Meta(gt=-(1 << 31), lt=1 << 31)]
Lots = Annotated[float, Meta(ge=0)]
# Below a trillion a double holds every cent, and the sum of four such figures is right to a tenth of one.
Amount = Annotated[float, Meta(gt=-1e12, lt=1e12)]
OperationKind = str  # deposit | withdrawal | payout | credit | bonus | correction; anything else holds verdicts


CREDIT_NOT_GIVEN = -0.0  # counts as zero in every sum, yet can be told from a stated 0.0


class AccountFigures(Struct, frozen=True, gc=False):
    """An account's figures in account currency, as the upstream states them."""

    balance: Amount
    equity: Amount
    credit: Amount = CREDIT_NOT_GIVEN
    profit: Amount | None = None
    margin: Amount | None = None
    free_margin: Amount | None = None
    margin_level: float | None = None
    currency: str | None = None
    leverage: Leverage | None = None
    status: str = "connected"
    open_positions: Count | None = None

    @property
    def credit_given(self) -> bool:
        """Whether the upstream stated a credit; where it did not, the one known before still holds."""
        return self.credit != 0 or copysign(1, self.credit) > 0


class Position(Struct, frozen=True, gc=False):
    """One open position; volume in lots, prices in quote currency, money in account currency."""

    id: str
    symbol: str
    type: str
    volume: Lots
    ticket: int | None = None
    open_price: float | None = None
    current_price: float | None = None
    sl: float | None = None
    tp: float | None = None
    profit: float = 0.0
    swap: float = 0.0
    commission: float = 0.0
    magic: int | None = None
    comment: str = ""
    open_time: Instant | None = None
    source: str | None = None


class ClosedPosition(Position, frozen=True, gc=False, kw_only=True):
    """A position's closing deal, whole or in part."""

    close_price: float | None = None
    close_time: Instant | None = None
    closed_volume: Lots | None = None
    remaining_volume: Lots = 0.0
    net_profit: float | None = None
    reason: str | None = None


class BalanceFigures(Struct, frozen=True, gc=False):
    """A non-trading balance operation; `amount` is signed, `balance` is the balance after it."""

    kind: OperationKind
    amount: float
    balance: float | None = None
    id: str | None = None
    comment: str = ""


class ConnectionFigures(Struct, frozen=True, gc=False):
    """Why an account's own connection to its trading server changed."""

    reason: str | None = None
    code: str | None = None
    message: str | None = None
    downtime_s: float | None = None
    resync_required: bool = False


class LockFigures(Struct, frozen=True, gc=False):
    """Whether an account may trade; `reason` carries the id of the event that locked it."""

    reason: str | None = None
    until: Instant | None = None


class LifecycleFigures(Struct, frozen=True, gc=False):
    """An account that appeared, changed or went away at the upstream."""

    action: str | None = None
    status: str | None = None
    login: str | int | None = None
    group: str | None = None


class Envelope(Struct, frozen=True, kw_only=True, tag_field="type", gc=False):
    """What every event of an account carries; `seq` rises by one for each account."""

    account_id: Identifier
    ts: Instant
    event_id: str | None = None
    seq: Sequence | None = None


class AccountUpdate(Envelope, frozen=True, kw_only=True, tag="account_update", gc=False):
    """Balance, equity and margin of one account at `ts`."""

    data: AccountFigures


class PositionOpened(Envelope, frozen=True, kw_only=True, tag="position_open", gc=False):
    """A position was opened."""

    data: Position


class PositionModified(Envelope, frozen=True, kw_only=True, tag="position_modified", gc=False):
    """A position's stop, target or volume changed."""

    data: Position


class PositionClosed(Envelope, frozen=True, kw_only=True, tag="position_close", gc=False):
    """A position was closed, whole or in part (`data.remaining_volume`)."""

    data: ClosedPosition


class BalanceOperation(Envelope, frozen=True, kw_only=True, tag="balance_operation", gc=False):
    """Money was put in or taken out; sent before the update that shows it."""

    data: BalanceFigures


class ConnectionLost(Envelope, frozen=True, kw_only=True, tag="connection_lost", gc=False):
    """The account's trading server no longer reports it."""

    data: ConnectionFigures


class ConnectionRestored(Envelope, frozen=True, kw_only=True, tag="connection_restored", gc=False):
    """The account reports again; `data.resync_required` asks for a REST read."""

    data: ConnectionFigures


class AuthFailed(Envelope, frozen=True, kw_only=True, tag="auth_failed", gc=False):
    """The upstream can no longer sign in to the account."""

    data: ConnectionFigures


class AccountLocked(Envelope, frozen=True, kw_only=True, tag="account_locked", gc=False):
    """The upstream refuses new orders of the account."""

    data: LockFigures


class AccountUnlocked(Envelope, frozen=True, kw_only=True, tag="account_unlocked", gc=False):
    """The upstream takes orders of the account again."""

    data: LockFigures


class AccountLifecycle(Envelope, frozen=True, kw_only=True, tag="account_lifecycle", gc=False):
    """An account was created, changed or deleted at the upstream."""

    data: LifecycleFigures


class AccountNotice(Envelope, frozen=True, kw_only=True, tag="account_notice", gc=False):
    """An event of an account that no rule reads (`kind`, e.g. order_update): it moves time and `seq`, nothing else."""

    kind: str


class Clock(Struct, frozen=True, tag_field="type", tag="clock", gc=False):
    """Time itself: one tick a second in the live path, so that a recorded day replays to the same events."""

    ts: Instant


class Resync(Struct, frozen=True, tag_field="type", tag="resync"):
    """An account's whole truth, read by REST after a connect or a gap (`origin=resync`).

    `seq` is the newest sequence number that the reading includes: older frames are late, the next is `seq + 1`.
    `positions` replace what the snapshot holds. `lock_reason` is what our own lock said when it was set.
    """

    account_id: Identifier
    ts: Instant
    data: AccountFigures
    positions: tuple[Position, ...]
    seq: int | None = None
    locked: bool = False
    lock_reason: str | None = None
    locked_until: Instant | None = None
    login: str = ""
    group: str = ""
    name: str = ""


class Link(Struct, frozen=True, tag_field="type", tag="link", gc=False):
    """The state of our own connection to one server: what freshness rests on.

    `alive` is sent at least each 5 s while anything (frame, pong, heartbeat) arrives; it moves no account's time.
    """

    ts: Instant
    state: Literal["connecting", "connected", "alive", "disconnected", "auth_failed", "maintenance"]
    reason: str = ""


class NewsEvent(Struct, frozen=True, gc=False):
    """One announcement of the news calendar; `impact` is high, medium or low, `currency` whose it is."""

    id: str
    at: Instant
    currency: str
    impact: str
    title: str = ""
    symbols: tuple[str, ...] = ()  # base names that the firm lists for it, beside the currency's


class Holiday(Struct, frozen=True, gc=False):
    """A day on which the server's market is closed, or closes early (`closes`: local "HH:MM" in `zone`)."""

    day: date
    name: str = ""
    closes: str | None = None
    zone: str = "UTC"


class Market(Struct, frozen=True, tag_field="type", tag="market"):
    """What the firm says of the markets of one server: news, holidays, names of symbols. It replaces the one before.

    `revision` names this state of the calendar; events that rest on it carry it. `symbols`: raw name -> base name.
    """

    ts: Instant
    revision: str
    news: tuple[NewsEvent, ...] = ()
    holidays: tuple[Holiday, ...] = ()
    symbols: dict[str, str] = {}


AccountMessage = (
    AccountUpdate
    | PositionOpened
    | PositionModified
    | PositionClosed
    | BalanceOperation
    | ConnectionLost
    | ConnectionRestored
    | AuthFailed
    | AccountLocked
    | AccountUnlocked
    | AccountLifecycle
    | AccountNotice
    | Resync
)
Message = AccountMessage | Clock | Link | Market


def with_volume(position: Position, volume: float) -> Position:
    """Return the same position with another volume, in lots."""
    return replace(position, volume=volume)

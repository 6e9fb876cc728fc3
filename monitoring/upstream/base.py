"""What every connector gives: one feed in, one execution out, one pure decode between (`upstream.md`, section 5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from monitoring.engine.messages import AccountMessage, Message, Resync
from monitoring.engine.ruleset import RuleSet


class ActionStatus(StrEnum):
    """How a command ended; `unknown` (a timeout) means: re-read, never resend blindly."""

    DONE = "done"
    PARTIAL = "partial"
    REJECTED = "rejected"
    NO_CHANGE = "no_change"
    UNKNOWN = "unknown"
    RETRY = "retry"  # surely not executed (429, 503, connection refused): may be sent again after `retry_after`


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What the upstream answered to one command; `retry_after` in seconds; never contains a secret."""

    status: ActionStatus
    http_status: int | None = None
    code: str = ""
    message: str = ""
    retry_after: float | None = None
    requested: int | None = None
    closed: int | None = None
    failed: int | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A frame that decode refused: `reason` is a short countable kind, `detail` names what was wrong."""

    reason: str  # bad_json | missing_field | wrong_type | not_finite | inconsistent | unknown_type | too_large | ...
    detail: str
    account_id: str | None = None


@dataclass(slots=True)
class FeedHealth:
    """What `/feeds/` shows of one upstream; times aware UTC, lag in seconds."""

    state: str = "connecting"  # connecting | connected | disconnected | auth_failed | maintenance
    since: datetime | None = None
    reason: str = ""
    connects: int = 0
    frames: int = 0
    bytes: int = 0
    last_frame_at: datetime | None = None
    lag_s: float | None = None  # newest frame: received_at - ts
    resyncs: int = 0
    gaps: int = 0  # holes in the numbers that were filled before anything was judged
    next_attempt_at: datetime | None = None
    refusals: dict[str, int] = field(default_factory=dict)  # reason -> count
    last_refusal: str = ""
    last_refusal_at: datetime | None = None
    dropped: int = 0  # frames that the upstream says it dropped for a slow reader


@dataclass(frozen=True, slots=True)
class UpstreamConfig:
    """How to reach one upstream. `key` is a secret: never logged, never shown."""

    kind: str
    rest_url: str  # up to /v1
    ws_url: str  # the whole stream URL; only a query is added
    key: str = field(repr=False)
    server: str = "main"


class Reached(NamedTuple):
    """How far an account has been followed: its newest `seq`, and the balance then, as sent."""

    seq: int
    balance: float | None


OnRefusal = Callable[[Refusal, datetime], None]  # (refusal, received_at); as `Deliver`
Deliver = Callable[[Message, datetime], None]  # (message, received_at); called in the monitor's loop, must not block


class Feed(Protocol):
    """Messages in. `run` connects, reconnects and resyncs for ever, until cancelled."""

    health: FeedHealth
    on_refusal: OnRefusal | None  # told of every refused frame, beside the count: the account's reading is unknown
    reached: Callable[[], dict[str, Reached]] | None  # by account: where a replay of what was missed begins
    follows: Callable[[str], int | None] | None  # the newest `seq` of one account that was applied

    async def run(self, deliver: Deliver) -> None: ...

    def request_resync(self, account_id: str) -> None:
        """Ask for a REST read of one account soon (a gap, an unknown outcome); many requests become one.

        While disconnected nothing is noted: every connect reads all accounts anyway.
        """

    def hold(self, account_id: str, seq: int, message: AccountMessage) -> bool:
        """Keep a message that comes after a hole (`seq` is the newest number before it) and deliver it once the hole
        is filled or cannot be; False: it is to be judged as it stands."""


class Execution(Protocol):
    """Commands out and truth back, by REST on kept-alive connections."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def list_accounts(self) -> list[Resync]:
        """Every account that the key sees, positions left empty; raises UpstreamError."""

    async def read_account(self, account_id: str) -> Resync:
        """One account with its positions, lock and newest seq; raises UpstreamError."""

    # Commands may leave before these calls return; the answer is awaited.

    def close_all(self, account_id: str, *, idempotency_key: str) -> Awaitable[ActionResult]: ...

    def close_position(
        self, account_id: str, position_id: str, volume: float | None = None, *, idempotency_key: str
    ) -> Awaitable[ActionResult]: ...

    def lock(self, account_id: str, *, reason: str, until: datetime | None) -> Awaitable[ActionResult]: ...

    def unlock(self, account_id: str, *, reason: str) -> Awaitable[ActionResult]: ...

    # The upstream's own rules, a second line: only where the connector has `express`.

    async def read_risk_rules(self, account_id: str) -> dict[str, Any]:
        """What the upstream enforces by itself on the account; raises UpstreamError."""

    def put_risk_rules(self, account_id: str, rules: Mapping[str, Any]) -> Awaitable[ActionResult]:
        """Put `rules` in the place of what the upstream enforces by itself; safe to repeat."""

    async def list_symbols(self) -> list[str]:
        """The raw name of every symbol of the server; raises UpstreamError."""


class UpstreamError(Exception):
    """A REST read failed; `permanent` decides the retry, `retry_after` (seconds) when; `status` is HTTP's, if any."""

    def __init__(
        self, message: str, *, permanent: bool = False, retry_after: float | None = None, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after
        self.status = status


class RuleWords(Protocol):
    """How an upstream that can refuse orders itself is told a rule set; pure."""

    def express(self, rule_set: RuleSet, table: Mapping[str, str], names: Iterable[str]) -> dict[str, Any]:
        """What of a rule set it can be told, never stricter than the rule set; `names`: the server's raw symbols."""

    def merged(self, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
        """What to put there: the rules that somebody made there, ours in the place of theirs."""

    def agrees(self, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
        """Whether it has them already."""


@dataclass(frozen=True, slots=True)
class Connector:
    """One upstream: its feed and its execution, made by `registry.connect(config)`."""

    config: UpstreamConfig
    feed: Feed
    execution: Execution
    rule_words: RuleWords | None = None  # None: it has no rules of its own

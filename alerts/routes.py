"""What an event means for people: which alert it opens, moves or ends, how bad it is, and in which words. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from monitoring.engine.events import EventKind

CRITICAL_FROM = Decimal("0.90")
CLEAR_DWELL = timedelta(seconds=60)  # the engine has cleared it; the alert waits, so that a flutter is one episode
RESEND_AFTER_UNKNOWN = timedelta(seconds=30)
DEADLINES = {"critical": timedelta(minutes=30), "warning": timedelta(hours=2), "info": timedelta(minutes=15)}
PRIORITIES = {"critical": 0, "warning": 5, "info": 9}
RANKS = {"info": 0, "warning": 1, "critical": 2}
NOTICE_LASTS = timedelta(days=1)  # of a warning that is no share of a limit (flat_by): nothing of the engine ends it
RULE_WORDS = {
    "daily_loss": "daily loss",
    "max_loss": "maximum loss",
    "max_lots_per_position": "limit on lots per position",
    "max_lots_total": "limit on lots in total",
    "max_positions": "limit on open positions",
    "symbols": "list of symbols",
    "flat_by": "deadline to be flat",
    "stop_loss_required": "stop loss requirement",
    "consistency": "consistency rule",
    "inactivity": "inactivity limit",
    "soft_breaches": "limit on soft breaches",
}


class AlertKind(StrEnum):
    """What an alert is about."""

    WARNING = "drawdown_warning"
    BREACH = "breach"


class AlertEvent(StrEnum):
    """What may happen to an alert; `transition` takes these and nothing else."""

    FIRE = "fire"
    REFIRE = "refire"
    STEP_UP = "step_up"
    CLEAR = "clear"  # the engine cleared it; the dwell begins
    NOT_TOLD = "not_told"
    ACKNOWLEDGE = "acknowledge"
    ACK_TIMEOUT = "ack_timeout"
    RESOLVE = "resolve"


class Effect(StrEnum):
    """What one event of the engine asks of alerting."""

    NOTHING = "nothing"
    FIRE = "fire"
    STEP_UP = "step_up"
    CLEAR = "clear"
    BREACH = "breach"  # fires a latched alert of its own and ends the challenge's warnings
    RESUME = "resume"  # a new trading day after a pause: ends the challenge's paused breaches and its warnings


EFFECTS = {
    EventKind.WARNED: Effect.FIRE,
    EventKind.STEPPED_UP: Effect.STEP_UP,
    EventKind.CLEARED: Effect.CLEAR,
    EventKind.BREACHED: Effect.BREACH,
    EventKind.RESUMED: Effect.RESUME,
}
# Events of one instant in the engine's own order (rules.md, section 5), for rows that carry the same time.
ORDER = {
    kind: place
    for place, kind in enumerate(
        [EventKind.DAY_STARTED, EventKind.RESUMED, EventKind.CLEARED, EventKind.WARNED, EventKind.STEPPED_UP,
         EventKind.BREACHED]
    )
}  # fmt: skip

_KEEPS = {AlertEvent.REFIRE, AlertEvent.STEP_UP, AlertEvent.CLEAR, AlertEvent.NOT_TOLD}
TRANSITIONS: dict[tuple[str, AlertEvent], str] = {
    ("", AlertEvent.FIRE): "firing",
    ("pending", AlertEvent.FIRE): "firing",
    ("pending", AlertEvent.RESOLVE): "resolved",
    **{("firing", event): "firing" for event in _KEEPS},
    ("firing", AlertEvent.ACKNOWLEDGE): "acknowledged",
    ("firing", AlertEvent.RESOLVE): "resolved",
    **{("acknowledged", event): "acknowledged" for event in _KEEPS},
    ("acknowledged", AlertEvent.ACK_TIMEOUT): "firing",
    ("acknowledged", AlertEvent.RESOLVE): "resolved",
}


def next_state(state: str, event: AlertEvent, *, rises: bool = False) -> str | None:
    """The state after `event`, None where it may not happen; a rising severity takes an acknowledgement back."""
    found = TRANSITIONS.get((state, event))
    return "firing" if found == "acknowledged" and rises else found


@dataclass(frozen=True, slots=True)
class Fact:
    """A risk event as routing reads it; `scope` is the account and its challenge."""

    event: str
    scope: str
    login: str
    rule: str
    rule_index: str
    at: datetime
    used: Decimal | None = None
    severity: int = 0
    reason: str = ""
    consequence: str = ""
    also: tuple[str, ...] = ()
    mode: str = "live"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about a fact; `dedup_*` name the episode that it opens or moves."""

    effect: Effect
    kind: AlertKind
    severity: str
    dedup_key: str
    dedup_text: str
    title: str
    text: str


def decide(fact: Fact) -> Decision | None:
    """What the event asks of alerting; None for the many that nobody is told of."""
    try:
        effect = EFFECTS.get(EventKind(fact.event), Effect.NOTHING)
    except ValueError:
        effect = Effect.NOTHING  # a newer monitor's word: recorded, shown on the timeline, no alert yet
    if effect is Effect.NOTHING:
        return None
    kind = AlertKind.BREACH if effect in (Effect.BREACH, Effect.RESUME) else AlertKind.WARNING
    text = dedup_text(kind, fact.scope, f"{fact.rule}#{fact.rule_index}")
    return Decision(
        effect, kind, severity_of(fact, kind), dedup_key(text), text[:255], title_of(fact, kind), body_of(fact)
    )


def dedup_text(kind: str, scope: str, rule: str) -> str:
    """The dedup key for people. Severity is no part of it, so that a step up moves the same episode."""
    return f"{kind}|{scope}|{rule}"


def dedup_key(text: str) -> str:
    """The dedup key of the text, of fixed length."""
    return hashlib.sha256(text.encode()).hexdigest()


def severity_of(fact: Fact, kind: AlertKind) -> str:
    """80 % is a warning, 90 % and above critical, a breach always critical."""
    high = fact.severity >= 3 if fact.used is None else fact.used >= CRITICAL_FROM
    return "critical" if high or kind is AlertKind.BREACH else "warning"


def rule_words(rule: str) -> str:
    """The rule's name in words."""
    return RULE_WORDS.get(rule, rule.replace("_", " "))


def percent(used: Decimal | None) -> str:
    """`used` as a percentage with one decimal, cut and never rounded up: 89.99 % is not yet 90."""
    if used is None:
        return "—"
    tenths = int(used * 1000)
    return f"{tenths // 10}.{tenths % 10}%"


def title_of(fact: Fact, kind: AlertKind) -> str:
    """One line: what, how much, whom."""
    if kind is AlertKind.BREACH:
        return f"Breach of the {rule_words(fact.rule)}, account {fact.login}"[:200]
    word = severity_of(fact, kind).capitalize()
    if fact.used is None:
        return f"{word}: {rule_words(fact.rule)}, account {fact.login}"[:200]
    return f"{word}: {percent(fact.used)} of the {rule_words(fact.rule)} used, account {fact.login}"[:200]


def body_of(fact: Fact) -> str:
    """The engine's sentence with its numbers, what follows, and which other rules were crossed."""
    parts = [fact.reason[:1].upper() + fact.reason[1:].rstrip(".") + "."] if fact.reason else []
    if fact.also:
        parts.append(f"Also crossed: {', '.join(rule_words(rule) for rule in fact.also)}.")
    if fact.event == EventKind.BREACHED and fact.mode == "dry_run":
        parts.append("Dry run: nothing was closed or locked.")
    elif fact.event == EventKind.BREACHED:
        end = "until the next trading day" if fact.consequence == "pause" else "for good"
        parts.append(f"RiskDesk closes all positions and locks the account {end}.")
    return " ".join(parts)


def order_of(event: str) -> int:
    """The place of an event among those of the same instant."""
    return next((place for kind, place in ORDER.items() if kind == event), len(ORDER))


def resend_unknown_at(kind: str, resends: int, now: datetime) -> datetime | None:
    """When to send again after an attempt whose outcome nobody knows and no provider can be asked for.

    A breach that nobody heard of is worse than one told twice: its message goes out once more, marked as a possible
    repeat. A warning is never repeated, however high it stands: the desk shows it, and the row says that nobody knows.
    """
    return now + RESEND_AFTER_UNKNOWN if kind == AlertKind.BREACH and resends == 0 else None

"""Objective cards: each rule's sentence with its figures now, as cells that the socket patches (pure).

Cells of rule n: `r<n>_state` (a word), `_used` (a share), `_line` (where the account stands, in a sentence), `_w` gauge
width 0 to 100 and `_s` its severity 0 to 4; of a loss rule also `_floor`, `_measured`, `_room` and `_must` (what a
trader may still do), of any other `_value`, `_limit` and `_due` (when time alone acts next).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from accounts.templatetags import formats
from monitoring.live.publish import AccountRow, ReadingRow, StandingRow
from monitoring.objectives.rulebook import OBJECTIVES, Rule, Rulebook
from monitoring.objectives.words import STANDING_WORDS, STATE_WORDS, full_sentence, legible
from monitoring.replica import SEVERITY_WORDS, Cells, money, percent
from monitoring.replica.cells import (
    BREACHED,
    CONNECTION_WORDS,
    CRITICAL,
    ENFORCEMENT_WORDS,
    FULL,
    WARNING,
    WATCH,
    gauge_width,
)

CELLS = ("floor", "measured", "room", "used", "state", "line", "must", "value", "limit", "due", "w", "s")
CLOSE = 9000  # ten-thousandths of a limit from which on it deserves a look
MEASURED_WORDS = {"equity": "Equity", "balance": "Balance", "lower": "The lower of balance and equity"}


@dataclass(frozen=True, slots=True)
class Card:
    """One rule with what it says now; `key` names its cells."""

    key: str
    rule: Rule
    cells: Cells

    @property
    def daily(self) -> bool:
        """Whether the rule begins anew with each trading day."""
        return self.rule.name == "daily_loss"

    def __getattr__(self, name: str) -> object:
        """A cell by its short name, for the templates."""
        if name in CELLS:
            return self.cells.get(f"{self.key}_{name}", 0 if name in {"w", "s"} else formats.NOTHING)
        raise AttributeError(name)


def cards(book: Rulebook, row: AccountRow | None) -> list[Card]:
    """Every rule of the rulebook, in its order."""
    found = _rule_cells(row, book) if row else {}
    return [Card(f"r{rule.index}", rule, found) for rule in book.rules]


def live_cells(row: AccountRow, book: Rulebook | None, zone: str) -> Cells:
    """What the pages of one account show besides the desk's cells; `zone` is the reader's.

    `until` is the next reset in epoch ms, `state_key` the state's own name, `version` and `programme` say what judges.
    """
    reset = formats.moment(row.next_reset_ms) if row.next_reset_ms else None
    asof = formats.utc_ms(row.updated_ms)
    found: Cells = {
        "state": STATE_WORDS.get(row.state, row.state),
        "state_key": row.state,
        "word": SEVERITY_WORDS[row.severity] or "Normal",
        "locked": "Locked" if row.locked else "",
        "enforced": ENFORCEMENT_WORDS.get(row.enforcement, row.enforcement),
        "mode": "Dry run" if row.enforcement_mode == "dry_run" else "",
        "link": CONNECTION_WORDS.get(row.status, ""),
        "asof": f"Data as of {asof}: no verdict until fresh data come." if row.stale else "",
        "reason": row.reason,
        "version": version_words(row.rule_set_version, row.overridden),
        "programme": ", ".join(part for part in (row.plan, row.phase) if part) or formats.NOTHING,
        "open_pl": formats.signed(row.open_pl, row.digits),
        "day_start": money(row.day_start_balance, row.digits),
        "until": row.next_reset_ms or 0,
        "reset_rule": formats.zoned(reset, row.reset_zone),
        "reset_utc": formats.utc(reset, seconds=False),
        "reset_own": formats.zoned(reset, zone),
    }
    return {**found, **(_rule_cells(row, book) if book else {})}


def rules_of(row: AccountRow | None) -> str:
    """A mark that changes when an account is judged by other rules than before: then its rulebook is read again."""
    if row is None:
        return ""
    losses = [(reading.index, reading.sentence) for reading in row.readings]
    others = [(standing.index, standing.rule, standing.consequence) for standing in row.standings]
    known = (row.rule_set_version, row.phase, row.plan, row.size, row.overridden, row.rules_digest, losses, others)
    return sha256(repr(known).encode()).hexdigest()[:16]


def version_words(version: int, overridden: bool) -> str:
    """Which version judges, and whether anything is set apart from it."""
    return f"version {version}{', set apart' if overridden else ''}"


def severity(reading: ReadingRow) -> int:
    """A reading's own severity, 0 normal to 4 breached, as the desk's gauges have it."""
    if reading.state in {"breached", "paused"} or reading.used >= FULL:
        return BREACHED
    if reading.used >= 9000:
        return CRITICAL
    if reading.state == "warned" or (reading.state == "unknown" and reading.used >= 8000):
        return WARNING
    return WATCH if reading.used >= 5000 else 0


def _rule_cells(row: AccountRow, book: Rulebook) -> Cells:
    """Cells of the rules that row and rulebook agree on: while rules change, one of them is a moment behind."""
    names = {rule.index: rule.name for rule in book.rules}
    found: Cells = {}
    for reading in row.readings:
        if names.get(reading.index) in {reading.rule, None}:
            found |= {f"r{reading.index}_{name}": value for name, value in _reading_cells(row, reading).items()}
    for standing in row.standings:
        if names.get(standing.index) == standing.rule:
            found |= {f"r{standing.index}_{name}": value for name, value in _standing_cells(standing).items()}
    return found


def _reading_cells(row: AccountRow, reading: ReadingRow) -> Cells:
    return {
        "floor": money(reading.floor, row.digits),
        "measured": money(reading.measured, row.digits),
        "room": money(reading.room, row.digits),
        "used": percent(reading.used),
        "state": STATE_WORDS.get(reading.state, reading.state),
        "line": _line(row, reading),
        "must": _must(row, reading),
        "w": gauge_width(reading.used),
        "s": severity(reading),
    }


def _line(row: AccountRow, reading: ReadingRow) -> str:
    """What is left of the limit, as a sentence to its trader."""
    room = f"{money(max(reading.room, 0), row.digits)} {row.currency}"
    daily = reading.rule == "daily_loss"
    if reading.state in {"breached", "paused"}:
        return "This limit was crossed."
    if row.state == "breached":
        return "The challenge has ended; this limit was not the reason."
    if row.stale or reading.state == "unknown":
        return f"At the last known figures {room} were left. This is no verdict: the data are old."
    if row.state == "review":
        return f"{room} are left by the figures; a risk officer looks at the account first."
    span = "today" if daily else "in all"
    return f"You may lose less than {room} {span}" if reading.operator == "<=" else f"You may still lose {room} {span}"


def _must(row: AccountRow, reading: ReadingRow) -> str:
    """The limit itself, its operator in words."""
    words = _measured_words(reading)
    verb = "must stay above" if reading.operator == "<=" else "must not fall below"
    return f"{words} {verb} {money(reading.floor, row.digits)}."


def _measured_words(reading: ReadingRow) -> str:
    """What the rule looks at, from its own sentence: the row has no other word of it."""
    said = reading.sentence.partition(" when ")[2]
    for words in ("the lower of balance and equity", "balance", "equity"):
        if said.startswith(words):
            return words[0].upper() + words[1:]
    return MEASURED_WORDS["equity"]


def _standing_cells(standing: StandingRow) -> Cells:
    points = standing.share_points
    return {
        "value": legible(standing.value),
        "limit": legible(standing.limit),
        "used": percent(points),
        "state": STANDING_WORDS.get(standing.state, standing.state),
        "line": full_sentence(legible(standing.reason)),
        "due": formats.utc_ms(standing.due_ms),
        "w": gauge_width(points or 0),
        "s": standing_severity(standing),
    }


def standing_severity(standing: StandingRow) -> int:
    """The severity of a rule of section 6, 0 normal to 4 breached; what is only on the way is no danger."""
    if standing.state == "violated":
        return BREACHED if standing.consequence in {"fail", "pause"} else CRITICAL
    near = standing.share_points is not None and standing.share_points >= CLOSE
    return WATCH if standing.state == "ok" and near and standing.rule not in OBJECTIVES else 0

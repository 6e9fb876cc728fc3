"""Plays the same frames under two rule sets, side by side; pure, streaming, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from monitoring.engine.events import Event, EventKind
from monitoring.engine.messages import AccountUpdate, Envelope, Market, Resync
from monitoring.engine.ruleset import RuleSet
from monitoring.engine.tape import Line, Player, RecordingError, UnderRules, Watch
from monitoring.lab.frames import BadLine, Frames
from monitoring.lab.outcome import Outcome

PORTION = 500  # lines between two looks at the progress and the wish to cancel
BAD_KEPT = 20
POINTS = 2_000  # of a curve
MOST_ACCOUNTS = 50_000  # each is held twice in memory, on the machine that may watch the market as well


class Cancelled(Exception):
    """Somebody does not want the result any more."""


class Unfinished(Exception):
    """The turn is over before the frames are; what was found so far is `comparison`."""

    def __init__(self, comparison: Comparison) -> None:
        super().__init__()
        self.comparison = comparison


@dataclass(slots=True)
class Side:
    """One rule set's player and what it found."""

    player: Player
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    breaches: list[tuple[datetime, str]] = field(default_factory=list)

    def take(self, line: Line) -> None:
        """Play one line."""
        for event in self.player.play(line):
            self._note(event)
        if line.__class__ is AccountUpdate:
            assert isinstance(line, AccountUpdate)
            account = self.player.snapshot.accounts.get(line.account_id)
            if account is not None and account.last is line:  # applied: neither late nor repeated
                self.of(line.account_id).measure(account, line)
        elif isinstance(line, Envelope | Resync | UnderRules):
            self.of(line.account_id).forget()

    def _note(self, event: Event) -> None:
        if event.event is EventKind.BREACHED:
            self.breaches.append((event.at, event.account))
        self.of(event.account).note(event)

    def of(self, account_id: str) -> Outcome:
        """The account's outcome."""
        found = self.outcomes.get(account_id)
        if found is None:
            found = self.outcomes[account_id] = Outcome()
        return found


class Comparison:
    """Two sides over the same lines; without rules a side judges by what the recording says."""

    def __init__(self, rules_a: RuleSet | None, rules_b: RuleSet | None, market: Market | None = None) -> None:
        self.a, self.b = (Side(Player(rules, market, given=())) for rules in (rules_a, rules_b))
        self.names: dict[str, str] = {}  # upstream id -> public id
        self.lines = 0
        self.bad: list[tuple[str, str]] = []
        self.first: datetime | None = None
        self.last: datetime | None = None

    def feed(self, line: Line | BadLine) -> None:
        """Play one line on both sides."""
        if isinstance(line, BadLine):
            if len(self.bad) < BAD_KEPT:
                self.bad.append((line.place, f"{line.refusal.reason}: {line.refusal.detail}"))
            for side in (self.a, self.b):
                line.doubt(side.player.snapshot)
            return
        self.lines += 1
        if isinstance(line, Envelope | Resync | Watch):
            self.first = line.ts if self.first is None else min(self.first, line.ts)
            self.last = line.ts if self.last is None else max(self.last, line.ts)
            name = getattr(line, "public_id", "")
            if name or line.account_id not in self.names:
                self.names[line.account_id] = name or line.account_id
                if len(self.names) > MOST_ACCOUNTS:
                    raise RecordingError(f"more than {MOST_ACCOUNTS:,} accounts are in these frames")
        self.a.take(line)
        self.b.take(line)

    def result(self, frames: Frames) -> dict[str, Any]:
        """Everything that a run keeps."""
        for side in (self.a, self.b):
            for account_id, outcome in side.outcomes.items():
                outcome.finish(side.player.state_of(account_id))
        rows = [self._row(account_id) for account_id in sorted(self.names)]
        return {
            "accounts": rows,
            "totals": {name: totals(rows, name) for name in ("a", "b")},
            "differing": sum(row["differs"] for row in rows),
            "curves": {"a": curve(self.a.breaches), "b": curve(self.b.breaches)},
            "lines": self.lines,
            "bad": frames.bad,
            "bad_lines": self.bad,
            "torn": frames.torn,
            "lost": self.a.player.lost,
            "gaps": [
                f"{gap.ts:%Y-%m-%d %H:%M:%S} to {gap.until:%H:%M:%S} UTC: {gap.lost} entries, {gap.reason}"
                for gap in self.a.player.gaps
            ],
            "first": self.first and self.first.astimezone(UTC).isoformat(),
            "last": self.last and self.last.astimezone(UTC).isoformat(),
        }

    def _row(self, account_id: str) -> dict[str, Any]:
        a, b = self.a.of(account_id).row(), self.b.of(account_id).row()
        same = ("warned", "breached", "violated", "rules", "first_warned", "target", "state")
        differs = any(a[name] != b[name] for name in same) or when(a) != when(b)
        return {"account": self.names[account_id], "upstream_id": account_id, "a": a, "b": b, "differs": differs}


def when(row: dict[str, Any]) -> tuple[str, str] | None:
    """Time and rule of the first breach."""
    breach = row["breach"]
    return None if breach is None else (breach["at"], breach["rule"])


def totals(rows: Sequence[dict[str, Any]], side: str) -> dict[str, int]:
    """How many accounts had each at least once."""
    kinds = ("warned", "breached", "violated")
    return {
        **{kind: sum(bool(row[side][kind]) for row in rows) for kind in kinds},
        "failed": sum(row[side]["state"] == "breached" for row in rows),
        "target": sum(row[side]["target"] is not None for row in rows),
    }


def curve(breaches: Sequence[tuple[datetime, str]]) -> list[tuple[int, int]]:
    """(epoch ms, accounts that had breached by then), thinned to a chart's size; the last point stays."""
    first: dict[str, datetime] = {}
    for at, account_id in breaches:
        if account_id not in first or at < first[account_id]:
            first[account_id] = at
    points = [(int(at.timestamp() * 1000), number) for number, at in enumerate(sorted(first.values()), 1)]
    if len(points) <= POINTS:
        return points
    step = len(points) / POINTS
    return [points[int(index * step)] for index in range(POINTS)] + [points[-1]]


def compare(
    frames: Frames,
    rules_a: RuleSet | None,
    rules_b: RuleSet | None,
    *,
    market: Market | None = None,
    progress: Callable[[int], None] = lambda _percent: None,
    cancelled: Callable[[], bool] = lambda: False,
    begun: Comparison | None = None,
    enough: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Play all frames under both; Cancelled when `cancelled` says so, RecordingError for what cannot be judged.

    Unfinished when `enough` says so: what it carries is `begun` of the next turn, with the frames from their place on.
    """
    comparison = begun or Comparison(rules_a, rules_b, market)

    def look() -> None:
        if cancelled():
            raise Cancelled
        progress(min(99, 100 * frames.position // max(1, frames.size)))

    frames.look_with(look)
    for number, line in enumerate(frames):
        comparison.feed(line)
        if not number % PORTION:
            look()
            if enough():
                raise Unfinished(comparison)
    if not comparison.names:
        raise RecordingError(_nothing(frames, comparison))
    return comparison.result(frames)


def _nothing(frames: Frames, comparison: Comparison) -> str:
    if comparison.bad:
        place, why = comparison.bad[0]
        return f"no account is in these frames; {frames.bad} line(s) could not be read, the first: {place}: {why}"
    return "no account is in these frames"

"""Reads recorded frames: the upstream's own, one a line, and the monitor's recordings; plain or gzip, in several files.

The upstream's own frames go through the same decode as live; what the monitor recorded was decoded then.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from monitoring.engine import tape
from monitoring.engine.messages import AccountNotice, AccountUpdate, Clock, Envelope, Instant, Link, Market, Resync
from monitoring.engine.rules import refuse
from monitoring.engine.ruleset import zones
from monitoring.engine.snapshot import Snapshot
from monitoring.engine.tape import Header, Line
from monitoring.live.recording.blocks import Lines
from monitoring.upstream.base import Refusal
from monitoring.upstream.fxsocket.decode import EARLIEST, LATEST, WIRE_ERRORS, decode, details_problem

# Kinds that a file of the upstream's frames may have beside them.
_OURS = (b'"clock"', b'"link"', b'"resync"', b'"market"', b'"recording"')
_CLOSES = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_ours = msgspec.json.Decoder(Clock | Link | Resync | Market | Header)
_STAMP = re.compile(rb'"(?:ts|timestamp)"\s*:\s*"([^"\\]{1,64})"')  # found in a line that is no JSON as well


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was refused; `at` is the time that it states, or the newest known before it."""

    place: str
    refusal: Refusal
    at: datetime | None
    recorded: bool  # a damaged line of a recording: no frame that the monitor has seen

    def doubt(self, snapshot: Snapshot) -> None:
        """Leave its account in doubt, as a refused frame does live."""
        account = snapshot.accounts.get(self.refusal.account_id or "")
        if self.at is not None and not self.recorded:
            refuse(snapshot, account, self.refusal.reason, self.refusal.detail, self.at)


@dataclass(frozen=True, slots=True)
class Place:
    """Behind which line of which source the reading stands, and what was known there."""

    source: int = 0
    line: int = 0
    begin: int = 0  # bytes of the source behind which reading goes on,
    before: int = 0  # and lines
    recorded: bool = False
    newest: datetime | None = None
    bad: int = 0
    torn: int = 0


class Frames:
    """The decoded lines of several sources in order, from a place on; of files, `position` of `size` bytes are read."""

    def __init__(self, sources: Sequence[Iterable[bytes]], after: Place | None = None) -> None:
        self._sources, self._after = sources, after or Place()
        self._files = [source for source in sources if isinstance(source, Lines)]
        self.size = sum(file.size for file in self._files)
        self._source, self._line, self._recorded = self._after.source, self._after.line, self._after.recorded
        self._begin, self._before = self._after.begin, self._after.before
        self.newest, self.bad = self._after.newest, self._after.bad

    @classmethod
    def of(cls, paths: Sequence[Path], after: Place | None = None) -> Frames:
        """The frames of files; OSError where one cannot be read."""
        source, begin = (after.source, after.begin) if after else (0, 0)
        return cls([Lines(path, begin if number == source else 0) for number, path in enumerate(paths)], after)

    @property
    def place(self) -> Place:
        """Behind the line that was given last."""
        return Place(
            self._source, self._line, self._begin, self._before, self._recorded, self.newest, self.bad, self.torn
        )

    def look_with(self, look: Callable[[], None]) -> None:
        """Have `look` called now and then while files are read, also where they give no line; it may raise."""
        for file in self._files:
            file.look = look

    @property
    def position(self) -> int:
        """Bytes read."""
        return sum(file.position for file in self._files)

    @property
    def torn(self) -> int:
        """Places where a file was cut off or damaged."""
        return self._after.torn + sum(file.torn for file in self._files)

    def __iter__(self) -> Iterator[Line | BadLine]:
        for index, source in enumerate(self._sources):
            file = source if isinstance(source, Lines) else None
            if index < self._after.source:
                if file is not None:
                    file.position = file.size
                continue
            if index > self._source:
                self._source, self._line, self._begin, self._before, self._recorded = index, 0, 0, 0, False
            name = f"{file.path.name} line" if file is not None and len(self._files) > 1 else "line"
            behind = self._line
            for number, raw in enumerate(source, self._before + 1):
                if file is not None and file.recorded:
                    self._recorded = True  # its first line says so as well, unless that is damaged
                    if file.position != self._begin:
                        self._begin, self._before = file.position, number - 1
                line = raw.removeprefix(codecs.BOM_UTF8).strip() if number == 1 else raw.strip()
                if number <= behind or not line:
                    continue
                self._line = number
                found = self._take(line, f"{name} {number}")
                if found is not None:
                    yield found

    def _take(self, line: bytes, place: str) -> Line | BadLine | None:
        found = _recorded(line) if self._recorded else _frame(line, self.newest)
        if isinstance(found, Refusal):
            self.bad += 1
            return BadLine(place, found, _stamp_of(line) or self.newest, self._recorded)
        if isinstance(found, Header):
            self._recorded = True
        elif not (found is None or isinstance(found, Link)) and (self.newest is None or found.ts > self.newest):
            self.newest = found.ts
        return found


def _recorded(line: bytes) -> Line | Refusal:
    """A line of a recording: what live let in is let in, as long as the engine can bear it."""
    try:
        found = tape.decode(line)
    except WIRE_ERRORS as error:
        return Refusal("bad_json", str(error))
    if isinstance(found, Market) and (wrong := _market_problem(found)):
        return Refusal("wrong_value", wrong)
    if isinstance(found, Envelope) and not isinstance(found, AccountUpdate | AccountNotice):
        problem = details_problem(found.data)
        if problem is not None:
            return Refusal(*problem)
    return found if EARLIEST < found.ts < LATEST else _bad_time(found.ts)


def _frame(line: bytes, newest: datetime | None) -> Line | Refusal | None:
    """Decode one line; a frame about no account is a sign of life of the link, at its own time or the newest known."""
    if any(kind in line for kind in _OURS):
        try:
            message: Clock | Link | Resync | Market | Header = _ours.decode(line)
        except msgspec.ValidationError as error:
            if "Invalid value" not in str(error):  # one of these kinds, but not a sound one
                return Refusal("wrong_type", str(error))
        except WIRE_ERRORS as error:
            return Refusal("bad_json", str(error))
        else:
            if isinstance(message, Market) and (wrong := _market_problem(message)):
                return Refusal("wrong_value", wrong)
            return message if 1999 < message.ts.year < 2100 else _bad_time(message.ts)
    found = decode(line)
    if isinstance(found, Envelope | Resync | Refusal):
        return found
    stamp = _stamp_of(line) or newest
    return None if stamp is None else Link(ts=stamp, state="alive")


def _market_problem(market: Market) -> str:
    """What of a calendar the engine could not work with; empty: nothing."""
    for number, holiday in enumerate(market.holidays):
        place = f"at `$.holidays[{number}]"
        if not zones.exists(holiday.zone):
            return f"unknown time zone {holiday.zone!r} - {place}.zone`"
        if holiday.closes is not None and not _CLOSES.fullmatch(holiday.closes):
            return f"a closing time is HH:MM, not {holiday.closes!r} - {place}.closes`"
        if not EARLIEST.date() < holiday.day < LATEST.date():
            return f"{holiday.day} is no day of this century - {place}.day`"
    for number, event in enumerate(market.news):
        if not EARLIEST < event.at < LATEST:
            return f"{event.at.isoformat()} is no time of this century - at `$.news[{number}].at`"
    return ""


def _bad_time(ts: datetime) -> Refusal:
    return Refusal("bad_time", f"{ts.isoformat()} is no time of this century - at `$.ts`")


def _stamp_of(line: bytes) -> datetime | None:
    """Return the time that a line states about itself, None where it states none that can be read."""
    found = _STAMP.search(line)
    if found is None:
        return None
    try:
        stamp = msgspec.convert(found.group(1).decode("utf-8", "replace"), Instant)
    except msgspec.ValidationError:
        return None
    return stamp if EARLIEST < stamp < LATEST else None

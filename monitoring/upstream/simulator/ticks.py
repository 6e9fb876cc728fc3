"""Real tick files: reading them, and a market that replays them at a multiple of their own pace."""

from __future__ import annotations

import io
import re
import zipfile
from array import array
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from heapq import merge
from pathlib import Path

from monitoring.upstream.simulator.market import Conversions, OnTick, Quote, SyntheticMarket
from monitoring.upstream.simulator.symbols import SYMBOLS, Symbol

DAY_MS = 86_400_000
CLOSED_AFTER_MS = 30 * 60_000  # a hole this long in the ticks is a closed market
UNDATED = datetime(2024, 1, 2, tzinfo=UTC)
_DATE = re.compile(r"(?<!\d)(\d{8})(?!\d)")


class TickFileError(ValueError):
    """A tick file that cannot be used; the text names the file, the line and what was wrong."""


class Ticks:
    """One symbol's ticks, in order: milliseconds since 1970 and prices in points."""

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol
        self.times, self.bids, self.asks = array("q"), array("q"), array("q")

    def __len__(self) -> int:
        return len(self.times)


def read_ticks(paths: Iterable[Path]) -> dict[str, Ticks]:
    """Read zip or CSV files (ms since midnight UTC, bid, ask); several days of a symbol are joined by date."""
    dated = sorted(((_symbol_of(path), _day_of(path), path) for path in paths), key=lambda item: (item[1], item[2]))
    found: dict[str, Ticks] = {}
    for symbol, day, path in dated:
        ticks = found.setdefault(symbol.name, Ticks(symbol))
        start = int(day.timestamp() * 1000)
        if ticks.times and ticks.times[-1] > start + DAY_MS:
            raise TickFileError(f"{path}: this day of {symbol.name} was already read")
        for number, line in enumerate(_lines(path), 1):
            _add(ticks, start, line, path, number)
        if not ticks.times:
            raise TickFileError(f"{path}: holds no tick")
    return found


def _add(ticks: Ticks, start: int, line: str, path: Path, number: int) -> None:
    parts = line.strip().split(",")
    if parts == [""]:
        return
    symbol = ticks.symbol
    try:
        since, bid, ask = int(float(parts[0])), _points(symbol, parts[1]), _points(symbol, parts[2])
    except (ValueError, OverflowError, IndexError, InvalidOperation) as error:
        if number == 1 and not parts[0][:1].isdigit():
            return  # a header
        raise TickFileError(f"{path}, line {number}: not 'milliseconds,bid,ask': {line.strip()[:80]!r}") from error
    if not 0 <= since < DAY_MS:
        raise TickFileError(f"{path}, line {number}: {parts[0]} is no time of a day in milliseconds")
    at = start + since
    if not 0 < bid <= ask:
        raise TickFileError(f"{path}, line {number}: bid {parts[1]} and ask {parts[2]} are no quote")
    if ticks.times and at < ticks.times[-1]:
        raise TickFileError(f"{path}, line {number}: time {parts[0]} runs backwards")
    ticks.times.append(at)
    ticks.bids.append(bid)
    ticks.asks.append(ask)


def _points(symbol: Symbol, text: str) -> int:
    value = Decimal(text)
    if not value.is_finite():
        raise InvalidOperation(text)
    return symbol.points(value)


def _symbol_of(path: Path) -> Symbol:
    for text in (path.parent.name, *re.split(r"[_\-.]", path.name)):
        if text.upper() in SYMBOLS:
            return SYMBOLS[text.upper()]
    raise TickFileError(f"{path}: neither its folder nor its name is a known symbol ({', '.join(SYMBOLS)})")


def _day_of(path: Path) -> datetime:
    match = _DATE.search(path.name)
    if match is None:
        return UNDATED
    try:
        return datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise TickFileError(f"{path}: {match[1]} is no date") from error


def _lines(path: Path) -> Iterator[str]:
    try:
        if path.suffix.lower() != ".zip":
            with path.open(encoding="ascii") as file:
                yield from file
            return
        with zipfile.ZipFile(path) as archive:
            for name in sorted(name for name in archive.namelist() if name.lower().endswith(".csv")):
                with archive.open(name) as raw:
                    yield from io.TextIOWrapper(raw, encoding="ascii")
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise TickFileError(f"{path}: cannot be read: {error}") from error


class ReplayMarket:
    """Replays ticks at `speed` times their pace; at the end it starts again on the first day. Gaps stay."""

    def __init__(
        self,
        ticks: dict[str, Ticks],
        *,
        speed: float = 60.0,
        start: datetime | None = None,
        beside: SyntheticMarket | None = None,
    ) -> None:
        if not ticks:
            raise TickFileError("no tick file was given")
        self._series = list(ticks.values())
        self._speed = speed
        self._beside = beside
        first = min(series.times[0] for series in self._series)
        self._begin = first - first % DAY_MS
        self._end = (max(series.times[-1] for series in self._series) // DAY_MS + 1) * DAY_MS
        self.quotes = {s.symbol.name: Quote(s.symbol, s.bids[0], s.asks[0]) for s in self._series}
        self._own = [self.quotes[s.symbol.name] for s in self._series]
        if beside is not None:
            self.quotes = {**beside.quotes, **self.quotes}
        self.drift = beside.drift if beside is not None else {}
        self._conversions = Conversions(self.quotes)
        self._clock = float(self._begin if start is None else int(start.timestamp() * 1000))
        if not self._begin <= self._clock < self._end:
            raise TickFileError(f"--market-start {start} lies outside the tick files' days")
        self._next = [0] * len(self._series)
        self._seek()

    @property
    def now(self) -> datetime:
        """Market time, UTC."""
        return datetime.fromtimestamp(self._clock / 1000, UTC)

    def advance(self, seconds: float, on_tick: OnTick) -> None:
        """Replay what `seconds` of wall time cover, every tick in the order of its time."""
        if self._beside is not None:
            self._beside.advance(seconds, on_tick)
        self._clock += seconds * 1000 * self._speed
        self._play(on_tick)
        while self._clock >= self._end:
            self._clock -= self._end - self._begin
            self._next = [0] * len(self._series)
            self._play(on_tick)
        self._check_hours()

    def _play(self, on_tick: OnTick) -> None:
        due = [self._due(index) for index in range(len(self._series))]
        for _, index, position in due[0] if len(due) == 1 else merge(*due):
            series, quote = self._series[index], self._own[index]
            if (series.bids[position], series.asks[position]) != (quote.bid, quote.ask):
                quote.bid, quote.ask, quote.open = series.bids[position], series.asks[position], True
                self._conversions.follow(quote)
                on_tick(quote)

    def _due(self, index: int) -> Iterator[tuple[int, int, int]]:
        times = self._series[index].times
        while self._next[index] < len(times) and times[self._next[index]] <= self._clock:
            position = self._next[index]
            self._next[index] += 1
            yield times[position], index, position

    def _seek(self) -> None:
        self._play(lambda quote: None)
        self._check_hours()

    def _check_hours(self) -> None:
        for index, series in enumerate(self._series):
            after = self._next[index]
            last = series.times[after - 1] if after else self._begin
            upcoming = series.times[after] if after < len(series) else self._end + series.times[0] - self._begin
            self._own[index].open = upcoming - last < CLOSED_AFTER_MS

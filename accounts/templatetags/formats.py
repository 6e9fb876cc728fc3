"""Figures and times as text, the same in HTML and in live updates (pure; monitoring uses it too)."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EM DASH}"


def money(minor: int | None, digits: int = 2) -> str:
    """Minor units with thousands commas, fixed decimals and U+2212: -123456 -> "\N{MINUS SIGN}1,234.56"."""
    if minor is None:
        return NOTHING
    return (MINUS if minor < 0 else "") + _unsigned(minor, digits)


def signed(minor: int | None, digits: int = 2) -> str:
    """As `money`, but a gain says + too (profit and loss); zero has no sign."""
    if minor is None:
        return NOTHING
    return ("+" if minor > 0 else MINUS if minor < 0 else "") + _unsigned(minor, digits)


def percent4(used: int | None, decimals: int = 1) -> str:
    """Ten-thousandths as percent, rounded half away from zero: 8765 -> "87.7%"."""
    if used is None:
        return NOTHING
    return f"{(MINUS if used < 0 else '')}{_percent(abs(used), decimals)}%"


def utc(at: datetime | None, seconds: bool = True) -> str:
    """A moment in UTC: "2026-11-20 06:41:00 UTC"."""
    return NOTHING if at is None else at.astimezone(UTC).strftime(f"%Y-%m-%d {_clock(seconds)} UTC")


def utc_ms(epoch_ms: int | None, seconds: bool = True) -> str:
    """As `utc`, from milliseconds since 1970."""
    return NOTHING if epoch_ms is None else utc(moment(epoch_ms), seconds)


def iso(at: datetime | None) -> str:
    """A moment as ISO 8601 in UTC with Z, for titles, `datetime` attributes and exports."""
    return "" if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def zoned(at: datetime | None, zone: str, seconds: bool = False) -> str:
    """A moment on the clock of an IANA zone: "07:41 CET"."""
    return NOTHING if at is None else at.astimezone(_zone(zone)).strftime(f"{_clock(seconds)} %Z")


def moment(epoch_ms: int) -> datetime:
    """Milliseconds since 1970 as an aware UTC time."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


def age(milliseconds: int | None) -> str:
    """A data age for its narrow cell: "0.4 s", "12 s", "3 min", "2 h", "5 d"."""
    if milliseconds is None:
        return NOTHING
    seconds = max(milliseconds, 0) / 1000
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    for unit, size, limit in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < limit:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds // 86_400)} d"


def countdown(milliseconds: int | None) -> str:
    """Time left as hh:mm:ss, never below zero."""
    if milliseconds is None:
        return NOTHING
    left = max(milliseconds, 0) // 1000
    return f"{left // 3600:02d}:{left // 60 % 60:02d}:{left % 60:02d}"


def _unsigned(minor: int, digits: int) -> str:
    whole, part = divmod(abs(minor), 10**digits)
    return f"{whole:,}.{part:0{digits}d}" if digits else f"{whole:,}"


def _percent(used: int, decimals: int) -> str:
    if decimals >= 2:
        return f"{used // 100}.{used % 100:02d}"
    step = 10 ** (2 - decimals)
    tenths = (used + step // 2) // step
    return f"{tenths // 10}.{tenths % 10}" if decimals == 1 else str(tenths)


def _clock(seconds: bool) -> str:
    return "%H:%M:%S" if seconds else "%H:%M"


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)

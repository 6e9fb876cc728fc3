"""Which recordings there are: one file a shard and UTC day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

SUFFIX = ".jsonl.gz"
_NAME = re.compile(r"(?P<shard>[A-Za-z0-9._-]{1,64})-(?P<day>\d{4}-\d\d-\d\d)" + re.escape(SUFFIX))


@dataclass(frozen=True, slots=True)
class RecordedDay:
    """One file; `bytes` as it lies on the disk now."""

    shard: str
    day: date
    path: Path
    bytes: int


def file_of(directory: Path, shard: str, day: date) -> Path:
    """Where the recording of a shard's day is or will be."""
    return directory / f"{shard}-{day.isoformat()}{SUFFIX}"


def day_of(path: Path) -> date | None:
    """The day of a recording, None for another file."""
    named = _NAME.fullmatch(path.name)
    try:
        return None if named is None else date.fromisoformat(named["day"])
    except ValueError:  # no day of the calendar
        return None


def recorded_days(directory: Path) -> list[RecordedDay]:
    """Every recording in the directory, by shard and day."""
    return sorted(_found(directory), key=lambda one: (one.shard, one.day))


def delete_older(directory: Path, days: int, today: date) -> list[str]:
    """Delete the recordings of days more than `days` before `today`; their names."""
    oldest = today - timedelta(days=days)
    doomed = [one.path for one in recorded_days(directory) if one.day < oldest]
    for path in doomed:
        path.unlink(missing_ok=True)
    return [path.name for path in doomed]


def _found(directory: Path) -> Iterator[RecordedDay]:
    for path in directory.iterdir() if directory.is_dir() else ():
        day = day_of(path)
        if day is None:
            continue
        try:
            yield RecordedDay(path.name.removesuffix(f"-{day}{SUFFIX}"), day, path, path.stat().st_size)
        except FileNotFoundError:  # deleted meanwhile
            continue

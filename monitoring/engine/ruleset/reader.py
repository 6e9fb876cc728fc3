"""Reads JSON values of a rule set and gathers what is wrong or odd about them, each with its path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal, InvalidOperation
from reprlib import Repr
from typing import Any

from monitoring.engine.ruleset import zones

MISSING: Any = object()
LARGEST_INTEGER = 1_000_000_000  # seconds or days beyond it are no duration that a calendar holds
_LONGEST_DECIMAL = 100  # characters
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlevel = 3


def shown(value: object) -> str:
    """Return a value as a message shows it: short, however long or deep it is."""
    if isinstance(value, int) and abs(value) >= 10**50:  # beyond 4300 digits it could not even be printed
        return "a far too large number"
    try:
        return _SHORT.repr(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} that is too large to show"


def printable(key: str) -> str:
    """Return a key as part of a path: short, and nothing in it that could not be printed."""
    return key[:60] if key.isprintable() else repr(key)[1:-1][:60]


@dataclass(slots=True)
class Problems:
    """What was found in one document, as (path, message) pairs; `today` is the date that seasons are looked up by."""

    errors: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    today: date = zones.TODAY


class Reader:
    """One JSON object under `path`; every problem goes into `problems`, reading goes on."""

    def __init__(self, value: object, path: str, problems: Problems) -> None:
        self.path = path
        self.problems = problems
        self.values: Mapping[str, Any] = {}
        self.is_object = isinstance(value, Mapping)
        if isinstance(value, Mapping):
            self.values = value
        else:
            self.error("", f"must be an object, is {shown(value)}")

    def at(self, key: str) -> str:
        """Return the full path of a key."""
        return ".".join(part for part in (self.path, key) if part)

    def error(self, key: str, message: str) -> None:
        """Note what is wrong at a key."""
        self.problems.errors.append((self.at(key), message))

    def warn(self, key: str, message: str) -> None:
        """Note what is odd at a key, though it can be judged by."""
        self.problems.warnings.append((self.at(key), message))

    def inner(self, key: str, value: object) -> Reader:
        """Return a reader of an object that lies under a key."""
        return Reader(value, self.at(key), self.problems)

    def only(self, allowed: Iterable[str]) -> None:
        """Refuse every key that is not allowed, by name."""
        known = sorted(allowed)
        for key in self.values:
            if key not in known:
                self.error(printable(str(key)), f"unknown key {shown(key)}; known are {', '.join(known)}")

    def get(self, key: str, default: Any = MISSING) -> Any:
        """Return a value, its default, or MISSING after noting that it must be given."""
        if key in self.values:
            return self.values[key]
        if default is MISSING and self.is_object:
            self.error(key, f"{key} is missing")
        return default

    def choice(self, key: str, allowed: Iterable[str], default: Any = MISSING) -> str:
        """Return one of the allowed words."""
        value = self.get(key, default)
        words = list(allowed)
        if value is MISSING:
            return words[0]
        if not isinstance(value, str) or (value not in words and value != default):
            self.error(key, f"must be one of {', '.join(words)}, is {shown(value)}")
            return words[0]
        return value

    def flag(self, key: str, default: Any = MISSING) -> bool:
        """Return a boolean."""
        value = self.get(key, default)
        if value is not MISSING and not isinstance(value, bool):
            self.error(key, f"must be true or false, is {shown(value)}")
        return value is True

    def integer(self, key: str, default: Any = MISSING, *, least: int = 0, most: int = LARGEST_INTEGER) -> int:
        """Return a whole number from `least` to `most`."""
        value = self.get(key, default)
        if value is MISSING:
            return least
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.error(key, f"must be a whole number of at least {least} and at most {most}, is {shown(value)}")
            return least
        return value

    def decimal(self, key: str, default: Any = MISSING) -> Decimal:
        """Return a decimal that is written as a string."""
        value = self.get(key, default)
        return Decimal(1) if value is MISSING else self.decimal_of(key, value)

    def decimal_of(self, key: str, value: object) -> Decimal:
        """Read one decimal string; 1 after noting what is wrong."""
        if not isinstance(value, str):
            self.error(key, f"must be a decimal written as a string, is {shown(value)}")
            return Decimal(1)
        try:
            number = Decimal(value) if len(value) <= _LONGEST_DECIMAL else Decimal("NaN")
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or abs(number.adjusted()) > 18 or "_" in value or value != value.strip():
            self.error(key, f"must be a decimal number, is {shown(value)}")
            return Decimal(1)
        return number

    def words(self, key: str) -> list[str]:
        """Return a list of words, empty where it is left out."""
        value = self.get(key, [])
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return value
        self.error(key, f"must be a list of words, is {shown(value)}")
        return []

    def wall_time(self, key: str, *, day_end: bool = False) -> time | None:
        """Return a local wall time "HH:MM" or "HH:MM:SS"; None for the end of the day, "24:00", if that may stand."""
        value = self.get(key)
        if value is MISSING:
            return time()
        if day_end and value == "24:00":
            return None
        try:
            if not isinstance(value, str) or not re.fullmatch(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?", value):
                raise ValueError(value)
            parsed = time.fromisoformat(value)
        except ValueError:
            self.error(key, f'must be a wall time like "17:00", is {shown(value)}')
            return time()
        return parsed

    def zone(self, key: str) -> str:
        """Return the name of an IANA zone; warn of one that never changes with the seasons."""
        value = self.get(key)
        if value is MISSING:
            return "UTC"
        if not isinstance(value, str) or not zones.exists(value):
            hint = zones.suggestion(value) if isinstance(value, str) else ""
            self.error(key, f"unknown time zone {shown(value)}; {hint or 'write an IANA name like Europe/Prague'}")
            return "UTC"
        if fixed := zones.fixed_offset(value):
            self.warn(key, fixed)
        return value

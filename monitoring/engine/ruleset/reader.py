"""Reads JSON values of a rule set and gathers what is wrong with them, each with its path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import time
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MISSING: Any = object()
LARGEST_INTEGER = 1_000_000_000  # seconds or days beyond it are no duration that a calendar holds
FIXED_ZONES = frozenset({"EST", "MST", "HST"})  # fixed offsets that look like a city's zone


class Reader:
    """One JSON object under `path`; every problem goes into `errors`, reading goes on."""

    def __init__(self, value: object, path: str, errors: list[tuple[str, str]]) -> None:
        self.path = path
        self.errors = errors
        self.values: Mapping[str, Any] = {}
        if isinstance(value, Mapping):
            self.values = value
        else:
            self.error("", f"must be an object, is {value!r}")

    def at(self, key: str) -> str:
        """Return the full path of a key."""
        return ".".join(part for part in (self.path, key) if part)

    def error(self, key: str, message: str) -> None:
        """Note what is wrong at a key."""
        self.errors.append((self.at(key), message))

    def only(self, allowed: Iterable[str]) -> None:
        """Refuse every key that is not allowed, by name."""
        known = sorted(allowed)
        for key in self.values:
            if key not in known:
                self.error(str(key), f"unknown key {key!r}; known are {', '.join(known)}")

    def get(self, key: str, default: Any = MISSING) -> Any:
        """Return a value, its default, or MISSING after noting that it must be given."""
        if key in self.values:
            return self.values[key]
        if default is MISSING and self.values is not None:
            self.error(key, f"{key} is missing")
        return default

    def choice(self, key: str, allowed: Iterable[str], default: Any = MISSING) -> str:
        """Return one of the allowed words."""
        value = self.get(key, default)
        words = list(allowed)
        if value is MISSING:
            return words[0]
        if value not in words:
            self.error(key, f"must be one of {', '.join(words)}, is {value!r}")
            return words[0]
        return str(value)

    def flag(self, key: str, default: Any = MISSING) -> bool:
        """Return a boolean."""
        value = self.get(key, default)
        if value is not MISSING and not isinstance(value, bool):
            self.error(key, f"must be true or false, is {value!r}")
        return value is True

    def integer(self, key: str, default: Any = MISSING, *, least: int = 0) -> int:
        """Return a whole number of at least `least`."""
        value = self.get(key, default)
        if value is MISSING:
            return least
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LARGEST_INTEGER:
            shown = f"{value!r:.60}" if not isinstance(value, int) or abs(value) < 10**50 else "far too large"
            self.error(key, f"must be a whole number of at least {least} and at most {LARGEST_INTEGER}, is {shown}")
            return least
        return value

    def decimal(self, key: str, default: Any = MISSING) -> Decimal:
        """Return a decimal that is written as a string."""
        value = self.get(key, default)
        return Decimal(1) if value is MISSING else self.decimal_of(key, value)

    def decimal_of(self, key: str, value: object) -> Decimal:
        """Read one decimal string; 1 after noting what is wrong."""
        if not isinstance(value, str):
            self.error(key, f"must be a decimal written as a string, is {value!r}")
            return Decimal(1)
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or abs(number.adjusted()) > 18:
            self.error(key, f"must be a decimal number, is {value!r}")
            return Decimal(1)
        return number

    def wall_time(self, key: str) -> time:
        """Return a local wall time "HH:MM" or "HH:MM:SS"."""
        value = self.get(key)
        if value is MISSING:
            return time()
        try:
            if not isinstance(value, str) or not re.fullmatch(r"\d\d:\d\d(:\d\d)?", value):
                raise ValueError(value)
            parsed = time.fromisoformat(value)
        except ValueError:
            self.error(key, f'must be a wall time like "17:00", is {value!r}')
            return time()
        return parsed

    def zone(self, key: str, warnings: list[str]) -> str:
        """Return the name of an IANA zone; warn of one that never changes with the seasons."""
        value = self.get(key)
        if value is MISSING:
            return "UTC"
        try:
            if not isinstance(value, str):
                raise ValueError(value)
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.error(key, f"unknown time zone {value!r}; write an IANA name like Europe/Prague")
            return "UTC"
        if value in FIXED_ZONES or value.startswith("Etc/GMT"):
            warnings.append(
                f"{self.at(key)}: {value} is a fixed offset and does not follow daylight saving time; "
                "a city's zone (America/New_York) does"
            )
        return value

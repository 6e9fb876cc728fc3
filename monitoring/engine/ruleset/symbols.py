"""Lists of base names in a rule set."""

from __future__ import annotations

from monitoring.engine.market import base_name
from monitoring.engine.ruleset.reader import Reader, shown

_MOST_NAMES = 1000
_LONGEST_NAME = 32


def base_names(reader: Reader, key: str) -> frozenset[str]:
    """Return the base names of a list in capitals; odd ones are told with what they would be read as."""
    names = reader.words(key)
    if len(names) > _MOST_NAMES:
        reader.error(key, f"has {len(names)} names; at most {_MOST_NAMES}")
        return frozenset()
    found: set[str] = set()
    for number, name in enumerate(names):
        at = f"{key}[{number}]"
        if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable() or " " in name:
            reader.error(
                at, f"must be a symbol's name of 1 to {_LONGEST_NAME} characters without blanks, is {shown(name)}"
            )
            continue
        capitals = name.upper()
        base = base_name(name, {}, frozenset({capitals}))
        if base != capitals:
            meant = f"; write {base}" if base else ""
            reader.warn(at, f"{name} is no base name (prefix and suffix are dropped before names are compared){meant}")
        if capitals in found:
            reader.warn(at, f"{capitals} stands in the list already")
        found.add(capitals)
    return frozenset(found)

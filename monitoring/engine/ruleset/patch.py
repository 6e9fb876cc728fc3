"""Overrides: single rules of a document set apart for one challenge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Override:
    """Takes the place of the `ordinal`-th (from 0) rule of that name; None: that rule does not apply."""

    rule: str
    ordinal: int
    replacement: Mapping[str, Any] | None


def apply_overrides(document: Mapping[str, Any], overrides: Iterable[Override]) -> dict[str, Any]:
    """The document with the overrides in the places of its rules; what it has no place for is added at the end.

    Of two for the same place the later one counts. The document itself stays as it is.
    """
    wanted = {(one.rule, one.ordinal): one.replacement for one in overrides}
    seen: dict[str, int] = {}
    rules: list[Any] = []
    for rule in document.get("rules", []):
        name = rule["rule"]
        ordinal = seen[name] = seen.get(name, -1) + 1
        replacement = wanted.pop((name, ordinal), rule)
        if replacement is not None:
            rules.append({**replacement, "rule": name})
    added = sorted((place for place, one in wanted.items() if one is not None), key=lambda place: place[1])
    rules += [{**(wanted[place] or {}), "rule": place[0]} for place in added]
    return {**document, "rules": rules}

"""Sets single rules of a document apart from it: the overrides of one account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from monitoring.engine.ruleset.errors import RuleSetError
from monitoring.engine.ruleset.reader import shown


@dataclass(frozen=True, slots=True)
class Override:
    """Takes the place of the `ordinal`-th (from 0) rule named `rule`; None: that rule does not apply."""

    rule: str
    ordinal: int
    replacement: Mapping[str, Any] | None


def apply_overrides(document: Mapping[str, Any], overrides: Iterable[Override]) -> dict[str, Any]:
    """Return the document with overrides applied; RuleSetError for one that replaces a rule by another kind of rule.

    Ordinals count the rules of the document as it was given. A rule that it does not have is added at the end, in the
    order of the overrides; one that is to be taken away and is not there changes nothing. Of several for one rule the
    last holds. The result is not validated: `parse_rule_set` does that.
    """
    entries = document.get("rules")
    rules: list[Any] = list(entries) if isinstance(entries, list) else []
    places = {key: index for index, key in enumerate(rule_keys(rules))}
    errors: list[tuple[str, str]] = []
    added: dict[tuple[str, int], Any] = {}
    for number, override in enumerate(overrides):
        if (problem := _problem(override)) is not None:
            errors.append((f"overrides[{number}].{problem[0]}", problem[1]))
            continue
        entry = None
        if override.replacement is not None:
            entry = {"rule": override.rule, **deepcopy(dict(override.replacement))}
        key = (override.rule, override.ordinal)
        if key in places:
            rules[places[key]] = entry
        else:
            added[key] = entry
    if errors:
        raise RuleSetError(errors)
    kept = [rule for index, rule in enumerate(rules) if rule is not None or entries[index] is None]  # type: ignore[index]
    return {**document, "rules": [*kept, *(entry for entry in added.values() if entry is not None)]}


def rule_keys(rules: Iterable[Any]) -> list[tuple[str, int]]:
    """Return what the entries of a document are matched by: their names and their places among those of the name."""
    seen: Counter[str] = Counter()
    keys = []
    for entry in rules:
        name = rule_name(entry)
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys


def rule_name(entry: object) -> str:
    """Return the name of a rule's entry; empty for what is none."""
    name = entry.get("rule") if isinstance(entry, Mapping) else None
    return name if isinstance(name, str) else ""


def _problem(override: Override) -> tuple[str, str] | None:
    if override.ordinal < 0:
        return "ordinal", f"must be 0 or more, is {override.ordinal}"
    replacement: object = override.replacement
    if replacement is None:
        return None
    if not isinstance(replacement, Mapping):
        return "replacement", f"must be an object or null, is {shown(replacement)}"
    if "rule" in replacement and replacement["rule"] != override.rule:
        return (
            "replacement.rule",
            f"must be {override.rule} as the rule that it replaces, is {shown(replacement['rule'])}",
        )
    return None

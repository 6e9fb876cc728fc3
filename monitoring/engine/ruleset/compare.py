"""What one version of a rule set changes against another, in sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitoring.engine.ruleset.normal import normal
from monitoring.engine.ruleset.patch import rule_keys
from monitoring.engine.ruleset.phrases import LABELS, entry_words, value_words
from monitoring.engine.ruleset.sentences import title_of

_UNITS = {"amount", "lock", "windows", "reset", "warn_at"}  # told whole, as a reader thinks of them


@dataclass(frozen=True, slots=True)
class Difference:
    """One change; `path` is where it stands in the new document (in the old one, if it is gone from the new)."""

    path: str
    title: str  # "Daily loss"
    before: str  # in words; empty: it was not there
    after: str  # in words; empty: it is gone
    words: str  # the whole change as a sentence


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """Return what changed between two documents, in the new one's order; `version` aside.

    Empty exactly if both mean the same: a default that is written out, or "5.0" for "5", is no change.
    """
    before, after = normal(old), normal(new)
    found: list[Difference] = []
    for key in dict.fromkeys([*after, *before]):
        if key not in {"version", "rules"}:
            found += _field(key, key, "", before, after)
    if isinstance(before.get("rules"), list) and isinstance(after.get("rules"), list):
        return found + _rules(before["rules"], after["rules"])
    return found + _field("rules", "rules", "", before, after)


def _rules(before: list[Any], after: list[Any]) -> list[Difference]:
    old_keys, new_keys = rule_keys(before), rule_keys(after)
    old = dict(zip(old_keys, before, strict=True))
    new = dict(zip(new_keys, after, strict=True))
    names = [key[0] for key in (*old, *new)]
    found: list[Difference] = []
    for index, (key, entry) in enumerate(new.items()):
        path, title = f"rules[{index}]", _title(entry, key, names)
        if key not in old:
            said = entry_words(entry)
            found.append(Difference(path, title, "", said, f"{title}: added. {said}"))
        else:
            found += _entry(path, title, old[key], entry)
    for index, (key, entry) in enumerate(old.items()):
        if key not in new:
            title, said = _title(entry, key, names), entry_words(entry)
            found.append(Difference(f"rules[{index}]", title, said, "", f"{title}: taken out. It said: {said}"))
    return found + _order(old_keys, new_keys, old, new, names)


def _entry(path: str, title: str, before: Any, after: Any) -> list[Difference]:
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return [] if _same(before, after) else [_told(path, title, "rule", _plain(before), _plain(after))]
    found: list[Difference] = []
    for key in dict.fromkeys([*after, *before]):
        found += _field(f"{path}.{key}", key, title, before, after)
    return found


def _field(path: str, key: str, title: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    if key in before and key in after and _same(before[key], after[key]):
        return []
    old, new = before.get(key), after.get(key)
    label = LABELS.get(key, key)
    if key not in _UNITS and isinstance(old, Mapping) and isinstance(new, Mapping):
        found: list[Difference] = []
        for inner in dict.fromkeys([*new, *old]):
            found += _field(f"{path}.{inner}", inner, title or _capital(label), old, new)
        return found
    old_words = value_words(key, old) if key in before else ""
    new_words = value_words(key, new) if key in after else ""
    if old_words == new_words:  # alike to a reader, and not the same
        old_words, new_words = _plain(old), _plain(new)
    return [_told(path, title or _capital(label), label, old_words, new_words)]


def _told(path: str, title: str, label: str, before: str, after: str) -> Difference:
    name = title if title == _capital(label) else f"{title}, {label}"
    if not before:
        words = f"{name}: {after}; it was not given before."
    elif not after:
        words = f"{name}: no longer given; it was {before}."
    else:
        words = f"{name}: {after} instead of {before}."
    return Difference(path, title, before, after, words)


def _order(
    old_keys: list[tuple[str, int]],
    new_keys: list[tuple[str, int]],
    old: Mapping[tuple[str, int], Any],
    new: Mapping[tuple[str, int], Any],
    names: list[str],
) -> list[Difference]:
    """The order decides which of two rules that are crossed at once is named, so a change of it is told."""
    was = [key for key in old_keys if key in new]
    now = [key for key in new_keys if key in old]
    if was == now:
        return []
    before = ", ".join(_title(old[key], key, names) for key in was)
    after = ", ".join(_title(new[key], key, names) for key in now)
    return [Difference("rules", "Order of the rules", before, after, f"The order of the rules is now: {after}.")]


def _title(entry: Any, key: tuple[str, int], names: list[str]) -> str:
    title = title_of(entry) if isinstance(entry, Mapping) else "What is no rule"
    return f"{title} ({key[1] + 1})" if key[1] or names.count(key[0]) > 2 else title


def _same(before: Any, after: Any) -> bool:
    return _plain(before) == _plain(after)


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]

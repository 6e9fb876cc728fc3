"""A rule set's document as the fields of a form, and a sent form as a document again; nothing is lost on the way.

What a field cannot hold (an unknown key, a value of the wrong kind) goes as JSON into the rule's `extra`.
Values are not judged here: the engine says what is wrong with the document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from itertools import count, takewhile
from typing import Any, Protocol

from accounts.plan_forms.specs import GENERAL, RULES, WINDOW, Spec
from monitoring.engine.ruleset import RuleSetError, load_document

Document = dict[str, Any]
MOST_RULES = 100  # that the editor adds; what a document has beyond is kept, and the engine says that it is too much
MOST_WINDOWS = 50
_EMPTY_AS_LEFT_OUT = frozenset({"allow", "deny", "days"})  # lists that mean the same, or are as wrong, if left out
_WHOLE = re.compile(r"-?\d{1,30}")


class Sent(Protocol):
    """A sent form: Django's QueryDict."""

    def get(self, key: str, default: str) -> str | None: ...

    def getlist(self, key: str) -> list[str]: ...

    def __contains__(self, key: object) -> bool: ...


def field_name(path: str) -> str:
    """A path of the engine as a field's name: `rules[0].amount.percent` -> `rules-0-amount-percent`."""
    return re.sub(r"\[(\d+)\]", r"-\1", path).replace(".", "-")


def shown(holder: Mapping[str, Any], spec: Spec) -> str | list[str] | None:
    """A value as its field shows it; None where the field cannot hold it."""
    if spec.path == "amount.kind":
        amount = holder.get("amount", {})
        return ("fixed" if "fixed" in amount else "percent") if isinstance(amount, Mapping) else None
    value: Any = holder
    for part in spec.path.split("."):
        if not isinstance(value, Mapping):
            return None
        if part not in value:
            return [] if spec.kind in {"many", "words", "windows"} else ""
        value = value[part]
    return _text(value, spec.kind)


def extras(holder: Mapping[str, Any], specs: tuple[Spec, ...], known: frozenset[str]) -> Document:
    """What of a rule (or of the document) no field can hold, by its key."""
    found: Document = {key: value for key, value in holder.items() if key not in known | {_head(one) for one in specs}}
    for spec in specs:
        key = _head(spec)
        if key in holder and holder[key] is not None and not _whole_holds(holder[key], spec, specs):
            found[key] = holder[key]
        if holder.get(key) == [] and spec.kind in {"many", "words"} and key not in _EMPTY_AS_LEFT_OUT:
            found[key] = []  # a field without a word means the default
    return found


def json_text(value: object) -> str:
    """The value as JSON that people read."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def in_order(document: Mapping[str, Any]) -> Document:
    """The document with its keys in the form's order: PostgreSQL keeps them by length."""
    rules = document.get("rules")
    listed = [_in_order(rule) for rule in rules] if isinstance(rules, list) else rules
    general = _sorted_keys(document, [_head(spec) for spec in GENERAL])
    return {**general, "rules": listed} if "rules" in document else general


def _in_order(rule: Any) -> Any:
    if not isinstance(rule, Mapping):
        return rule
    specs = RULES.get(str(rule.get("rule")), ("", ()))[1]
    inner: dict[str, list[str]] = {}
    for spec in specs:
        inner.setdefault(_head(spec), []).append(spec.path.partition(".")[2])
    found = _sorted_keys(rule, ["rule", *inner])
    return {
        key: _sorted_keys(one, inner.get(key, [])) if isinstance(one, Mapping) else one for key, one in found.items()
    }


def _sorted_keys(holder: Mapping[str, Any], order: list[str]) -> Document:
    places = {key: place for place, key in reversed(list(enumerate(order)))}
    return {key: holder[key] for key in sorted(holder, key=lambda key: places.get(key, len(order)))}


def document_of(sent: Sent) -> Document:
    """The document that a sent form describes; the fields that it lacks are left out."""
    document = _values(sent, "", GENERAL)
    indexes = takewhile(lambda index: f"rules-{index}-rule" in sent, count())
    return {**document, "rules": [_rule(sent, f"rules-{index}") for index in indexes]}


def _rule(sent: Sent, prefix: str) -> Any:
    name = sent.get(f"{prefix}-rule", "") or ""
    if name not in RULES:  # an entry that no form knows: it is edited as JSON, whole
        return _json(sent, f"{prefix}-extra", {"rule": name})
    values = _values(sent, prefix, RULES[name][1])
    if values.get("mode") == "static":
        values.pop("high_water", None)
    return {"rule": name, **values}


def _values(sent: Sent, prefix: str, specs: tuple[Spec, ...]) -> Document:
    found: Document = {}
    for spec in specs:
        name = f"{prefix}-{spec.name}" if prefix else spec.name
        value = _sent_value(sent, name, spec)
        if value is not None and spec.path not in {"amount.kind", "amount.percent", "amount.of", "amount.fixed"}:
            _put(found, spec.path, value)
    if any(spec.path == "amount.kind" for spec in specs):
        found["amount"] = _amount(sent, prefix)
    if "lock" in found and "at" not in found["lock"]:
        del found["lock"]
    if found.get("counts") in {"opened", "opened_and_closed"}:
        found.pop("threshold", None)
    extra = _json(sent, f"{prefix}-extra" if prefix else "extra", {})
    if not isinstance(extra, dict):
        return {**found, "extra": extra}
    return {**found, **{key: value for key, value in extra.items() if value != [] or key not in found}}


def _amount(sent: Sent, prefix: str) -> Document:
    parts = ("fixed",) if sent.get(f"{prefix}-amount-kind", "") == "fixed" else ("percent", "of")
    read = {part: (sent.get(f"{prefix}-amount-{part}", "") or "").strip() for part in parts}
    return {part: value for part, value in read.items() if value}


def _sent_value(sent: Sent, name: str, spec: Spec) -> Any:
    if spec.kind == "many":
        return sent.getlist(name) or None
    if spec.kind == "windows":
        numbers = takewhile(lambda n: f"{name}-{n}-from" in sent, count())
        return [_values(sent, f"{name}-{n}", WINDOW) for n in numbers]
    text = (sent.get(name, "") or "").replace("\0", "\ufffd").strip()
    if spec.kind == "words":
        words = [word for word in re.split(r"[,;\s]+", text) if word]
        return words or None
    if not text:
        return None
    if spec.kind == "flag":
        return {"true": True, "false": False}.get(text, text)
    if spec.kind == "whole" and _WHOLE.fullmatch(text):
        return int(text)
    return text


def _text(value: Any, kind: str) -> str | list[str] | None:
    """A JSON value as its field has it, None where that would turn it into another value."""
    if value is None:
        return [] if kind in {"many", "words", "windows"} else ""
    if kind == "flag":
        return {True: "true", False: "false"}[value] if isinstance(value, bool) else None
    if kind == "whole" and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**30:
        return str(value)
    if kind in {"many", "words"}:
        plain = isinstance(value, list) and all(
            isinstance(one, str) and re.fullmatch(r"[^,;\s]+", one) for one in value
        )
        return [str(one) for one in value] if plain else None
    if kind == "windows":
        return [] if isinstance(value, list) and all(_window_holds(one) for one in value) else None
    if isinstance(value, str) and value.strip() == value and not (kind == "whole" and _WHOLE.fullmatch(value)):
        return value
    return None


def _window_holds(window: object) -> bool:
    return isinstance(window, Mapping) and not extras(window, WINDOW, frozenset())


def _whole_holds(value: Any, spec: Spec, specs: tuple[Spec, ...]) -> bool:
    """Whether the fields under one key can hold its whole value."""
    key = _head(spec)
    if "." not in spec.path:
        return _text(value, spec.kind) is not None
    parts = {one.path.partition(".")[2]: one for one in specs if _head(one) == key}
    if not isinstance(value, Mapping) or not set(value) <= set(parts):
        return False
    if "fixed" in value and ({"percent", "of"} & set(value)):
        return False
    return all(isinstance(one, str) and _text(one, parts[part].kind) is not None for part, one in value.items())


def _head(spec: Spec) -> str:
    return spec.path.partition(".")[0]


def _put(holder: Document, path: str, value: Any) -> None:
    *heads, last = path.split(".")
    for part in heads:
        holder = holder.setdefault(part, {})
    holder[last] = value


def _json(sent: Sent, name: str, default: Any) -> Any:
    """The JSON of an `extra`; what is none stays as text, so that the engine names it."""
    text = (sent.get(name, "") or "").replace("\0", "\ufffd").strip()
    if not text:
        return deepcopy(default)
    try:
        return load_document(text)
    except RuleSetError:
        pass  # no object, or none without faults: the engine says which
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(found, dict) else found

"""Reads a rule set's JSON text strictly: what a lenient reader would pass over in silence is told."""

from __future__ import annotations

import json
from typing import Any

from monitoring.engine.ruleset.errors import RuleSetError
from monitoring.engine.ruleset.reader import printable, shown

_DEEPEST = 16  # levels; a plan of several phases has ten
_LARGEST = 1_000_000  # characters; the longest plan has some ten thousands


class _Repeated(list[tuple[str, Any]]):
    """An object's pairs as they were written, kept until its path is known."""


def load_document(text: str | bytes, *, largest: int = _LARGEST) -> dict[str, Any]:
    """Return the JSON object of a text; RuleSetError for one that is no JSON, repeats a key or is no object.

    `largest`: how many characters are read at most.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise RuleSetError([("", f"not UTF-8: byte {error.start} is {error.object[error.start]:#04x}")]) from None
    text = text.removeprefix("\ufeff")
    if len(text) > largest:
        raise RuleSetError([("", f"has {len(text):,} characters; at most {largest:,} are read")])
    try:
        read = json.loads(text, object_pairs_hook=_Repeated, parse_constant=_Constant)
    except json.JSONDecodeError as error:
        raise RuleSetError([("", f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})")]) from None
    except RecursionError:
        raise RuleSetError([("", f"is nested too deep; at most {_DEEPEST} levels")]) from None
    except ValueError as error:  # a whole number of thousands of digits
        raise RuleSetError([("", f"not JSON: {error}")]) from None
    errors: list[tuple[str, str]] = []
    document = _plain(read, "", 0, errors)
    if not isinstance(document, dict):
        errors.append(("", f"must be a JSON object, is {shown(document)}"))
    if errors:
        raise RuleSetError(errors)
    return dict(document)


class _Constant(str):
    """NaN or Infinity, which are no JSON."""


def _plain(value: Any, path: str, depth: int, errors: list[tuple[str, str]]) -> Any:
    """Turn pairs into objects, noting what is wrong with its path."""
    if depth > _DEEPEST:
        errors.append((path, f"is nested too deep; at most {_DEEPEST} levels"))
        return None
    if isinstance(value, _Constant):
        errors.append((path, f"{value} is not a number that JSON knows"))
    elif isinstance(value, _Repeated):
        found: dict[str, Any] = {}
        for key, inner in value:
            at = f"{path}.{printable(key)}" if path else printable(key)
            if key in found:
                errors.append((at, f"the key {shown(key)} is given twice; only one can be meant"))
            found[key] = _plain(inner, at, depth + 1, errors)
        return found
    elif isinstance(value, list):
        return [_plain(inner, f"{path}[{number}]", depth + 1, errors) for number, inner in enumerate(value)]
    return value

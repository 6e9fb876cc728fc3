"""Why something was not done: every complaint with the path of what it is about, for forms, imports and the API."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import ClassVar

Complaint = tuple[str, str]  # path, message; an empty path means the whole
DEEPEST = 16  # objects within objects
LONGEST = 1_000_000  # signs and entries of one document
LARGEST_INTEGER = 10**15
SHOWN = 100


class Refusal(ValueError):
    """What was asked cannot be done; `errors` lists (path, message), `conflict` says that the state is against it.

    `warnings` lists in the same way what is only odd about it.
    """

    whole: ClassVar[str] = ""  # what an empty path is called

    def __init__(
        self, errors: Iterable[Complaint] | str, *, conflict: bool = False, warnings: Iterable[Complaint] = ()
    ) -> None:
        self.errors: list[Complaint] = [("", errors)] if isinstance(errors, str) else list(errors)
        self.conflict = conflict
        self.warnings: list[Complaint] = list(warnings)
        super().__init__("; ".join(f"{path}: {message}" if path else message for path, message in self.errors[:SHOWN]))


def text_errors(path: str, value: object, *, longest: int, required: bool = True) -> list[Complaint]:
    """What is wrong with a text that a person or a file gave."""
    if not isinstance(value, str):
        return [(path, f"must be a text, is {value!r:.60}")]
    if required and not value.strip():
        return [(path, "must not be empty")]
    if len(value) > longest:
        return [(path, f"must have at most {longest} signs, has {len(value)}")]
    if "\0" in value or (not value.isprintable() and any(0xD800 <= ord(sign) <= 0xDFFF for sign in value)):
        return [(path, "has signs that cannot be stored")]
    return []


def reason_errors(reason: str) -> list[Complaint]:
    """What is wrong with somebody's reason for a change."""
    if not reason.strip():
        return [("reason", "Say why: the reason is kept with the change.")]
    return text_errors("reason", reason, longest=2000)


def storable_errors(value: object, path: str = "") -> list[Complaint]:
    """What of a JSON value PostgreSQL would not keep as it is: NUL, lone surrogates, NaN, endless nesting."""
    counter = [0]
    return list(_storable(value, path, 0, counter))


def _storable(value: object, path: str, depth: int, counter: list[int]) -> Iterator[Complaint]:
    counter[0] += 1 + (len(value) if isinstance(value, str) else 0)
    if depth > DEEPEST or counter[0] > LONGEST:
        if counter[0] < 2 * LONGEST:
            counter[0] = 2 * LONGEST  # said once
            yield path, "is nested too deep" if depth > DEEPEST else "is too large"
    elif isinstance(value, str):
        yield from text_errors(path, value, longest=LONGEST, required=False)
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            yield path, "is far too large a number"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield path, "is no number"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _storable(item, f"{path}[{index}]", depth + 1, counter)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from text_errors(path, key, longest=200, required=False)
            yield from _storable(item, f"{path}.{key:.60}" if path else f"{key:.60}", depth + 1, counter)
    else:
        yield path, f"is no JSON value: {value!r:.60}"

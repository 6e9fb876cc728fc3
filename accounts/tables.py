"""Tables from outside, CSV or a JSON list: read whole, every complaint with its line, or refused whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from accounts.refusals import Complaint

LARGEST = 5_000_000  # signs of one file
MOST_ROWS = 20_000
FORMULA_SIGNS = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")  # the full-width ones are signs to some spreadsheets too
T = TypeVar("T")


@dataclass(slots=True)
class Cells:
    """One row; complaints about it go into `errors` with its place ("line 3" or "news[2]")."""

    place: str
    values: Mapping[str, object]
    errors: list[Complaint] = field(default_factory=list)
    separator: str = "."

    def error(self, column: str, message: str) -> None:
        """Note what is wrong in a column."""
        self.errors.append((f"{self.place}{self.separator}{column}" if column else self.place, message))

    def text(self, column: str, longest: int, *, required: bool = True) -> str:
        """The cell without blanks around it; empty after noting what is wrong."""
        value = self.values.get(column)
        if value is None:
            value = ""
        if not isinstance(value, str):
            self.error(column, f"must be a text, is {value!r:.60}")
            return ""
        value = value.strip()
        if required and not value:
            self.error(column, "is missing")
        elif len(value) > longest:
            self.error(column, f"must have at most {longest} signs, has {len(value)}")
        elif odd := next((sign for sign in value if not sign.isprintable()), ""):
            self.error(column, f"has a sign that nobody would see: U+{ord(odd):04X}")
        else:
            return value
        return ""

    def flag(self, column: str) -> bool:
        """Whether the cell says yes; empty is no."""
        value = self.values.get(column)
        if isinstance(value, bool):
            return value
        said = self.text(column, 10, required=False).lower()
        if said not in {"", "yes", "no", "true", "false", "1", "0"}:
            self.error(column, f"must be yes or no, is {said!r}")
        return said in {"yes", "true", "1"}


def csv_rows(text: str, columns: Sequence[str], optional: Sequence[str]) -> tuple[list[Cells], list[Complaint]]:
    """The rows of a CSV text with a head; wrong heads and broken lines are complaints by line."""
    if len(text) > LARGEST:
        return [], [("", f"The file has more than {LARGEST:,} signs: import it in parts.")]
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    rows: list[Cells] = []
    errors: list[Complaint] = []
    try:
        head = [name.strip().lower() for name in next(lines, [])]
        errors = _head_errors(head, columns, optional)
        if errors:
            return [], errors
        line = lines.line_num + 1
        for cells in lines:
            here, line = line, lines.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(head):
                errors.append((f"line {here}", f"has {len(cells)} cells, the head has {len(head)}"))
            else:
                values = [as_meant(cell) for cell in cells]
                rows.append(Cells(f"line {here}", dict(zip(head, values, strict=True)), errors, " "))
    except csv.Error as error:
        errors.append((f"line {lines.line_num}", f"is no CSV: {error}"))
    return rows, errors + _size_errors(rows)


def json_rows(
    data: object, name: str, columns: Sequence[str], optional: Sequence[str]
) -> tuple[list[Cells], list[Complaint]]:
    """The rows of a JSON list of objects."""
    if not isinstance(data, list):
        return [], [(name, f"must be a list of objects, is {data!r:.60}")]
    errors: list[Complaint] = []
    rows: list[Cells] = []
    for number, item in enumerate(data):
        place = f"{name}[{number}]"
        if not isinstance(item, Mapping):
            errors.append((place, f"must be an object, is {item!r:.60}"))
            continue
        known = [*columns, *optional]
        errors += [
            (f"{place}.{key!s:.60}", f"unknown key; known are {', '.join(known)}") for key in item if key not in known
        ]
        rows.append(Cells(place, item, errors))
    return rows, errors + _size_errors(rows)


def read(
    rows: Iterable[Cells], errors: list[Complaint], reader: Callable[[Cells], T], key: Callable[[T], object]
) -> list[T]:
    """Every row read; one that says again what another is about is a complaint."""
    found: list[T] = []
    first: dict[object, str] = {}
    for row in rows:
        row.errors = errors
        before = len(errors)
        value = reader(row)
        if len(errors) > before:
            continue
        name = key(value)
        if name in first:
            row.error("", f"is about the same as {first[name]}")
        first.setdefault(name, row.place)
        found.append(value)
    return found


def as_meant(cell: str) -> str:
    """A cell without the apostrophe by which our exports keep a spreadsheet from taking it for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:].lstrip()[:1] in FORMULA_SIGNS else cell


def _head_errors(head: list[str], columns: Sequence[str], optional: Sequence[str]) -> list[Complaint]:
    if not head:
        return [("line 1", f"the file is empty; its head must be {','.join([*columns, *optional])}")]
    missing = [name for name in columns if name not in head]
    unknown = [name for name in head if name not in {*columns, *optional}]
    errors = [("line 1", f"the column {name} is missing") for name in missing]
    errors += [
        ("line 1", f"unknown column {name!r:.60}; known are {', '.join([*columns, *optional])}") for name in unknown
    ]
    if len(set(head)) < len(head):
        errors.append(("line 1", "a column is named twice"))
    return errors


def _size_errors(rows: Sequence[Cells]) -> list[Complaint]:
    if len(rows) > MOST_ROWS:
        return [("", f"{len(rows):,} rows are more than {MOST_ROWS:,}: import them in parts.")]
    return []

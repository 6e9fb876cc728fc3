"""Lists as CSV: streamed, and no cell that a spreadsheet would take for a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from decimal import Decimal

from django.forms import Form
from django.http import HttpResponseBadRequest, StreamingHttpResponse

from accounts.tables import FORMULA_SIGNS

Cell = str | Decimal


class _Echo:
    """A file for csv that hands each line back instead of keeping it."""

    def write(self, line: str) -> str:
        """The line."""
        return line


def csv_response(filename: str, head: Iterable[str], rows: Iterable[Iterable[Cell]]) -> StreamingHttpResponse:
    """The rows as a download under that name; a Decimal is a figure, and a text is made harmless."""
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return StreamingHttpResponse(_lines(head, rows), content_type="text/csv; charset=utf-8", headers=headers)


def csv_refusal(form: Form) -> HttpResponseBadRequest:
    """Why there is no file: an empty one would say that nothing matches."""
    return refusal(f"{name}: {error}" for name, errors in form.errors.items() for error in errors)


def refusal(complaints: Iterable[str]) -> HttpResponseBadRequest:
    """Why there is no file, a line each."""
    return HttpResponseBadRequest("\n".join(complaints) + "\n", content_type="text/plain; charset=utf-8")


def harmless(cell: str) -> str:
    """A name typed by a stranger must not become a formula in somebody's spreadsheet."""
    return f"'{cell}" if cell.lstrip()[:1] in FORMULA_SIGNS or cell[:1] in {"\t", "\r", "\n"} else cell


def _lines(head: Iterable[str], rows: Iterable[Iterable[Cell]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(head)
    for row in rows:
        yield writer.writerow([harmless(cell) if isinstance(cell, str) else f"{cell:f}" for cell in row])

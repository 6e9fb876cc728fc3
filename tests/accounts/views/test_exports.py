"""No cell of an export is a formula."""

from __future__ import annotations

import pytest

from accounts.views.exports import harmless


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1", "\u00a0@x"]
)
def test_a_formula_becomes_text(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", " ", "8410001", "a=b", "Jane Doe", "\u22121.00", "2026-11-20T08:00:00.000Z"])
def test_everything_else_stays_as_it_is(cell: str) -> None:
    assert harmless(cell) == cell

"""Charts: the figure, its thinning, its words, and the hashes that let Plotly's styles through."""

from __future__ import annotations

import base64
import re
from hashlib import sha256

from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from monitoring import charts

Points = list[charts.Point]
equities = st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=900)


def made(values: list[int]) -> Points:
    return [(1000 * n, value, 100, None, 50) for n, value in enumerate(values)]


def style_hash(css: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(css.encode()).digest()).decode()}'"


def test_the_hashes_are_those_of_the_bundle_that_is_served() -> None:
    bundle = settings.RISKDESK_VENDOR_FILES["vendor/plotly.min.js"].read_text(encoding="utf-8")
    inserted = re.findall(r"\.textContent='((?:[^'\\]|\\.)*)'", bundle)
    assert len(inserted) == 1, "Plotly inserts other styles than before: look at how, and allow what is needed"
    assert "\\" not in inserted[0], "the map CSS has escapes now: undo them before hashing"
    assert style_hash(inserted[0]) == charts.MAP_STYLE
    assert style_hash("") == charts.EMPTY_STYLE
    assert bundle.count('createElement("style")') == 2


@given(equities, st.integers(4, 600))
def test_thinning_keeps_extremes_ends_and_order(values: list[int], limit: int) -> None:
    points = made(values)
    kept = charts.thinned(points, limit)
    assert len(kept) <= limit or len(points) <= limit
    assert kept == sorted(set(kept) & set(points))
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert min(point[1] for point in kept) == min(values)
    assert max(point[1] for point in kept) == max(values)


def test_600_points_at_most_and_a_step_that_keeps_it_so() -> None:
    points = made(list(range(2000)))
    found = charts.equity_chart(points, "all", 2_000_000, "USD", 2)
    assert found["points"] <= charts.LIMIT
    assert found["step_ms"] == 1_999_000 // 600
    assert charts.equity_chart(points[:10], "all", 2_000_000, "USD", 2)["step_ms"] == 1000


def test_a_range_leaves_out_what_is_older() -> None:
    points = made([1, 2, 3])
    assert charts.equity_chart(points, "1h", 3_601_500, "USD", 2)["points"] == 1
    assert charts.equity_chart(points, "1d", 3_601_500, "USD", 2)["points"] == 3


def test_a_rule_that_is_not_there_leaves_a_gap_and_no_words() -> None:
    found = charts.equity_figure(made([12_345]), 2)
    traces = {trace["meta"]: trace for trace in found["data"]}
    assert list(traces["equity"]["y"]) == [123.45]
    assert list(traces["daily_floor"]["y"]) == [None]
    said = charts.summary(made([12_345]), "USD", 2)
    assert "daily" not in said
    assert "maximum loss floor 0.50" in said


def test_the_summary_of_nothing() -> None:
    assert charts.summary([], "USD", 2).startswith("No points yet")

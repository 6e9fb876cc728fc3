"""Plotly figures made in Python: data and structure here, the colours of the theme in static/js/charts.js."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go
from csp.decorators import csp_update

from accounts.templatetags import formats

Point = tuple[int, int, int, int | None, int | None]  # epoch ms; equity, balance, daily, maximum floor (minor units)
LIMIT = 600  # points of a chart
RANGES = {"1h": 3_600_000, "1d": 86_400_000, "all": None}  # milliseconds back from now
HEIGHT = 340  # pixels
LEAST_STEP = 1_000  # milliseconds between two points that are added live

# Plotly makes two <style> elements: an empty one, filled through the CSSOM, and the CSS of its maps, which no chart
# of ours uses but every bundle inserts. tests/monitoring/test_charts.py computes the second from the bundle.
EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
MAP_STYLE = "'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='"
chart_page: Callable[..., Any] = csp_update({"style-src": [EMPTY_STYLE, MAP_STYLE]})

LINES = (  # name, label, width, dash, shape
    ("equity", "Equity", 2, "solid", "linear"),
    ("balance", "Balance", 1, "solid", "hv"),
    ("daily_floor", "Daily loss floor", 1.5, "dash", "hv"),
    ("max_floor", "Maximum loss floor", 1.5, "dot", "hv"),
)


def equity_chart(points: Sequence[Point], span: str, now_ms: int, currency: str, digits: int) -> dict[str, Any]:
    """Figure, summary and pace of an account's equity chart over the last `span` (a key of RANGES)."""
    back = RANGES[span]
    inside = [point for point in points if back is None or point[0] >= now_ms - back]
    shown = thinned(inside, LIMIT)
    covered = shown[-1][0] - shown[0][0] if shown else 0
    return {
        "figure": equity_figure(shown, digits),
        "summary": summary(inside, currency, digits),
        "points": len(shown),
        "limit": LIMIT,
        "step_ms": max(LEAST_STEP, covered // LIMIT),
    }


def equity_figure(points: Sequence[Point], digits: int) -> dict[str, Any]:
    """Equity and balance with the floors as steps; amounts in whole units of the currency."""
    scale = 10**digits
    x = [point[0] for point in points]
    traces = [
        go.Scatter(
            name=label,
            meta=name,
            x=x,
            y=[None if (minor := point[column]) is None else minor / scale for point in points],
            mode="lines",
            line={"width": width, "dash": dash, "shape": shape},
            connectgaps=False,
            hovertemplate="%{y:,." + str(digits) + "f}",
        )
        for column, (name, label, width, dash, shape) in enumerate(LINES, start=1)
    ]
    layout = {
        "template": go.layout.Template(),
        "showlegend": False,  # the page has its own, which screen readers can read
        "hovermode": "x unified",
        "dragmode": "zoom",
        "uirevision": "keep",
        "height": HEIGHT,
        "margin": {"l": 12, "r": 64, "t": 8, "b": 40},
        "autosize": True,
        "xaxis": {"type": "date", "hoverformat": "%H:%M:%S UTC", "showspikes": False},
        "yaxis": {"side": "right", "tickformat": ",.0f", "zeroline": False, "automargin": True},
    }
    found: dict[str, Any] = go.Figure(data=traces, layout=layout).to_plotly_json()
    found["config"] = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
    return found


def thinned(points: Sequence[Point], limit: int) -> list[Point]:
    """At most `limit` points that keep every part's lowest and highest equity, and the first and the last point."""
    if len(points) <= limit:
        return list(points)
    parts = (limit - 2) // 2
    kept = {points[0], points[-1]}
    for number in range(parts):
        part = points[number * len(points) // parts : (number + 1) * len(points) // parts]
        kept |= {min(part, key=_equity), max(part, key=_equity)}
    return sorted(kept, key=lambda point: point[0])


def summary(points: Sequence[Point], currency: str, digits: int) -> str:
    """What the chart shows, for who does not see it."""
    if not points:
        return "No points yet: the chart begins with the account's next update."
    low, high, last = min(points, key=_equity), max(points, key=_equity), points[-1]
    floors = [
        f"{label.lower()} {formats.money(last[column], digits)}"
        for column, (_, label, *_) in enumerate(LINES, start=1)
        if column > 2 and last[column] is not None
    ]
    said = (
        f"Equity {formats.money(last[1], digits)} {currency} at {_clock(last)}, "
        f"lowest {formats.money(low[1], digits)} at {_clock(low)}, highest {formats.money(high[1], digits)} "
        f"at {_clock(high)}, since {formats.utc_ms(points[0][0])}"
    )
    return f"{said}; {', '.join(floors)}." if floors else f"{said}."


def _equity(point: Point) -> int:
    return point[1]


def _clock(point: Point) -> str:
    return f"{formats.moment(point[0]):%H:%M:%S} UTC"

"""The chart of a run: how many accounts had breached by when, under each rule set."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import plotly.graph_objects as go

HEIGHT = 300  # pixels
FEW = 8
LINES = (("a", "solid"), ("b", "dash"))


def breaches_figure(result: dict[str, Any], labels: tuple[str, str]) -> dict[str, Any]:
    """Two step curves over the frames' own time; colours come from the theme, in the browser."""
    begin, end = _ms(result["first"]), _ms(result["last"])
    traces: list[Any] = []
    for (side, dash), label in zip(LINES, labels, strict=True):
        points = [(begin, 0), *result["curves"][side]]
        points.append((max(end, points[-1][0]), points[-1][1]))
        traces.append(
            go.Scatter(
                name=label,
                meta=side,
                x=[at for at, _ in points],
                y=[number for _, number in points],
                mode="lines",
                line={"width": 2, "dash": dash, "shape": "hv"},
                hovertemplate="%{y} breached",
            )
        )
    layout: dict[str, Any] = {
        "template": go.layout.Template(),
        "showlegend": False,
        "hovermode": "x unified",
        "height": HEIGHT,
        "margin": {"l": 12, "r": 48, "t": 8, "b": 40},
        "autosize": True,
        "xaxis": {"type": "date", "hoverformat": "%Y-%m-%d %H:%M:%S UTC"},
        "yaxis": {"side": "right", "rangemode": "tozero", "tickformat": ",d", "automargin": True},
    }
    if max(trace.y[-1] for trace in traces) < FEW:
        layout["yaxis"]["dtick"] = 1  # no half accounts
    found: dict[str, Any] = go.Figure(data=traces, layout=layout).to_plotly_json()
    return found | {"config": {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}}


def breaches_summary(result: dict[str, Any], labels: tuple[str, str]) -> str:
    """What the chart shows, for who does not see it."""
    said = [
        f"under {label}: {len(result['curves'][side]) and result['curves'][side][-1][1]} of {len(result['accounts'])}"
        for (side, _), label in zip(LINES, labels, strict=True)
    ]
    return f"Accounts that breached, {'; '.join(said)}."


def _ms(stamp: str | None) -> int:
    return int(datetime.fromisoformat(stamp).timestamp() * 1000) if stamp else 0

"""The desk's columns, chips, views and pages: every control is a link, so the address always says what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from monitoring.replica import SHORT, VIEWS, WINDOW_LIMIT, DeskQuery, Replica

Choices = Sequence[tuple[str, str]]
SEVERITY_CHOICES = (("watch", "Watch"), ("warning", "Warning"), ("critical", "Critical"), ("breached", "Breached"))
STATE_CHOICES = (
    ("ok", "OK"),
    ("warned", "Warned"),
    ("breached", "Breached"),
    ("paused", "Paused"),
    ("unknown", "No verdict"),
    ("review", "Review"),
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its `data-cell`, its header, whether digits are aligned, whether it starts with the largest."""

    key: str
    label: str
    number: bool = False
    largest_first: bool = False
    optional: bool = False
    gauge: bool = False


COLUMNS = (
    Column("severity", "Severity", largest_first=True),
    Column("account", "Account"),
    Column("trader", "Trader"),
    Column("phase", "Phase"),
    Column("rules", "Rules"),
    Column("status", "Status", optional=True),
    Column("plan", "Plan", optional=True),
    Column("server", "Server", optional=True),
    Column("currency", "Currency", optional=True),
    Column("size", "Size", number=True, largest_first=True),
    Column("balance", "Balance", number=True, largest_first=True, optional=True),
    Column("equity", "Equity", number=True, largest_first=True),
    Column("day_pl", "Day P/L", number=True),
    Column("daily_used", "Daily loss used", number=True, largest_first=True, gauge=True),
    Column("max_used", "Max loss used", number=True, largest_first=True, gauge=True),
    Column("headroom", "Headroom", number=True),
    Column("reset_room", "Room at reset", number=True, optional=True),
    Column("positions", "Pos", number=True, largest_first=True),
    Column("age", "Age", number=True, largest_first=True),
)


def headers(query: DeskQuery, currencies: list[str]) -> list[dict[str, Any]]:
    """Each column's header: a link that sorts by it, or turns its order around; the currency where there is one."""
    found = []
    for column in COLUMNS:
        sorted_by = query.column == column.key
        down = not query.descending if sorted_by else column.largest_first
        link = query.with_(sort=("-" if down else "") + SHORT[column.key]).querystring()
        order = ("descending" if query.descending else "ascending") if sorted_by else ""
        label = f"{column.label} {currencies[0]}" if column.key == "size" and len(currencies) == 1 else column.label
        found.append({"column": column, "label": label, "link": link, "order": order})
    return found


def describe(query: DeskQuery, book: Replica) -> dict[str, Any]:
    """The filter bar: the chips that are set with the link that unsets each, the choices, the views."""
    names = {
        "sev": "Severity ≥",
        "phase": "Phase:",
        "plan": "Plan:",
        "server": "Server:",
        "state": "State:",
        "version": "Rules: version",
        "q": "Text:",
    }
    words = {**dict(SEVERITY_CHOICES), **dict(STATE_CHOICES)}
    chips = []
    for name, label in names.items():
        if value := getattr(query, name):
            text = f"{label} {words.get(value, value) if name in {'sev', 'state'} else value}"
            chips.append({"text": text, "link": query.with_(**{name: ""}).querystring()})
    if query.reset:
        chips.append({"text": "Breach at the reset", "link": query.with_(reset="").querystring()})
    if query.stale:
        chips.append({"text": "Stale", "link": query.with_(stale="").querystring()})
    selects: list[tuple[str, str, Choices]] = [("sev", "Least severity", SEVERITY_CHOICES)]
    selects += [(name, name.capitalize(), [(v, v) for v in book.choices(name)]) for name in ("phase", "plan", "server")]
    selects.append(("state", "State", STATE_CHOICES))
    return {
        "query": query,
        "chips": chips,
        "selects": [(name, label, choices, getattr(query, name)) for name, label, choices in selects],
        "views": [(value, label) for value, (label, _) in VIEWS.items()],
        "optional": [column for column in COLUMNS if column.optional],
    }


def pages(query: DeskQuery, offset: int, total: int) -> dict[str, str]:
    """The links to the window before and after this one, where there are any."""
    base = query.querystring()
    join = f"{base}&" if base else ""
    links = {}
    if offset > 0:
        links["previous"] = f"{join}offset={max(offset - WINDOW_LIMIT, 0)}"
    if offset + WINDOW_LIMIT < total:
        links["next"] = f"{join}offset={offset + WINDOW_LIMIT}"
    return links

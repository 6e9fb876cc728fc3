"""What a desk shows: filters, order and view as a value that comes from and goes back into a query string."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from urllib.parse import parse_qsl, urlencode

SEVERITIES = {"": 0, "watch": 1, "warning": 2, "critical": 3, "breached": 4}
VIEWS: dict[str, tuple[str, dict[str, str]]] = {
    "": ("All", {}),
    "near-breach": ("Near breach", {"sev": "watch"}),
    "breached": ("Breached", {"sev": "breached"}),
    "stale": ("Stale", {"stale": "1"}),
    "review": ("Review", {"state": "review"}),
    "at-reset": ("Breach at the reset", {"reset": "breach"}),
}
SORTS = {
    "sev": "severity",
    "login": "account",
    "trader": "trader",
    "phase": "phase",
    "status": "status",
    "plan": "plan",
    "server": "server",
    "ccy": "currency",
    "size": "size",
    "bal": "balance",
    "eq": "equity",
    "pl": "day_pl",
    "dl": "daily_used",
    "ml": "max_used",
    "room": "headroom",
    "rules": "rules",
    "rroom": "reset_room",
    "pos": "positions",
    "age": "age",
}
SHORT = {column: short for short, column in SORTS.items()}
STATES = ("ok", "warned", "breached", "paused", "unknown", "review")
VERSION = re.compile("[1-9][0-9]{0,8}")
TEXT_LIMIT = 100
WINDOW_LIMIT = 200
FIELDS_LIMIT = 40
KNOWN: dict[str, tuple[str, Collection[str]]] = {  # field: its name in a sentence, its values
    "v": ("view", VIEWS),
    "sev": ("severity", SEVERITIES),
    "state": ("state", STATES),
    "stale": ("value of stale", ("1",)),
    "reset": ("value of reset", ("breach",)),
}


@dataclass(frozen=True, slots=True)
class DeskQuery:
    """Filters and order of a desk. Equal queries share one computed window; every field is bounded text."""

    v: str = ""
    q: str = ""
    sev: str = ""
    phase: str = ""
    plan: str = ""
    server: str = ""
    state: str = ""
    version: str = ""
    stale: str = ""
    reset: str = ""
    sort: str = ""

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> DeskQuery:
        """From request.GET or the like; what is unknown or out of range is left out, and `complaints` says so."""
        known = {name.name: str(values.get(name.name, "")).strip()[:TEXT_LIMIT] for name in fields(cls)}
        for name, (_, allowed) in KNOWN.items():
            if known[name] not in allowed:
                known[name] = ""
        if not VERSION.fullmatch(known["version"]):
            known["version"] = ""
        if known["sort"].removeprefix("-") not in SORTS:
            known["sort"] = ""
        return cls(**known)

    @classmethod
    def complaints(cls, values: Mapping[str, str]) -> list[str]:
        """What `parse` leaves out of these values, a sentence each."""
        asked = {name.name: str(values.get(name.name, "")).strip() for name in fields(cls)}
        found = [unknown(word, asked[name], allowed) for name, (word, allowed) in KNOWN.items()]
        if asked["version"] and not VERSION.fullmatch(asked["version"]):
            found.append(f"A version of the rules is a whole number, not “{asked['version'][:TEXT_LIMIT]}”.")
        found.append(unknown("column to sort by", asked["sort"].removeprefix("-") or asked["sort"], SORTS))
        found += [
            f"Of {name} the first {TEXT_LIMIT} characters count." for name in asked if len(asked[name]) > TEXT_LIMIT
        ]
        return [said for said in found if said]

    @classmethod
    def from_string(cls, text: str) -> DeskQuery:
        """From a query string as the browser sends it over the socket; one of too many fields asks nothing."""
        return cls.parse(_values(text) or {})

    @classmethod
    def complaints_of(cls, text: str) -> list[str]:
        """What `from_string` leaves out, a sentence each."""
        values = _values(text)
        return [f"A view has {FIELDS_LIMIT} fields at most."] if values is None else cls.complaints(values)

    def effective(self) -> DeskQuery:
        """With the view's own filters filled in where the user has set none."""
        extra = VIEWS[self.v][1]
        return replace(self, v="", **{name: value for name, value in extra.items() if not getattr(self, name)})

    def with_(self, **changes: str) -> DeskQuery:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def querystring(self) -> str:
        """The shortest query string that parses to this."""
        return urlencode({f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name)})

    @property
    def column(self) -> str:
        """The column sorted by; "" for the desk's own order (severity, then the share used)."""
        return SORTS.get(self.sort.removeprefix("-"), "")

    @property
    def descending(self) -> bool:
        """Whether the largest come first."""
        return self.sort.startswith("-")

    @property
    def least_severity(self) -> int:
        """The lowest severity shown."""
        return SEVERITIES[self.sev]


def _values(text: str) -> dict[str, str] | None:
    """The fields of a query string, None for more of them than a desk could ask."""
    try:
        return dict(parse_qsl(text[:2000].lstrip("?"), max_num_fields=FIELDS_LIMIT))
    except ValueError:
        return None


def unknown(word: str, asked: str, known: Iterable[str]) -> str:
    """The sentence for a value that a field does not have, "" for one that it has or for none."""
    names = [name for name in known if name]
    if not asked or asked in names:
        return ""
    return f"There is no {word} “{asked[:TEXT_LIMIT]}”; there are: {', '.join(names)}."

"""The rows of a run's result: filtered, sorted, as lines of a CSV. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
SHOWN = {
    "": "All accounts",
    "differs": "What differs",
    "only_a": "First breach under A only",
    "only_b": "First breach under B only",
    "both": "Breached under both",
    "neither": "Breached under neither",
}
COLUMNS = {
    "account": "Account",
    "warned_a": "Warned A",
    "warned_b": "Warned B",
    "violated_a": "Violated A",
    "violated_b": "Violated B",
    "breach_a": "First breach A",
    "breach_b": "First breach B",
    "room_a": "Least room A",
    "room_b": "Least room B",
    "state_a": "At the end A",
    "state_b": "At the end B",
}
STATES = {
    "ok": "within its limits",
    "warned": "warned",
    "paused": "paused",
    "breached": "failed",
    "review": "in review",
    "target": "target reached",
    "unknown": "no figures",
}
SIDE = (
    "warned", "first_warned", "violated", "breached", "first_breach", "rule", "consequence", "reason", "least_room",
    "least_room_at", "least_room_rule", "target_reached", "state",
)  # fmt: skip
HEAD = ("account", "differs", *(f"{name}_a" for name in SIDE), *(f"{name}_b" for name in SIDE))


def matching(rows: Iterable[Row], *, account: str = "", show: str = "", rule: str = "") -> list[Row]:
    """The rows that are asked for; `show` is one of SHOWN, `rule` one that warned, breached or was violated."""
    word = account.strip().lower()
    return [
        row
        for row in rows
        if word in row["account"].lower() and _shown(row, show) and (not rule or rule in rules_of(row))
    ]


def rules_of(row: Row) -> set[str]:
    """The rules that spoke about the account under either set."""
    return {*row["a"]["rules"], *row["b"]["rules"]}


def ordered(rows: list[Row], sort: str) -> list[Row]:
    """The rows by a column of COLUMNS, with a leading - the other way round; what has no value stays last."""
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    value = _value_of(name)
    known = [row for row in rows if value(row) is not None]
    unknown = [row for row in rows if value(row) is None]
    return sorted(known, key=lambda row: (value(row), row["account"]), reverse=descending) + unknown


def flaws(result: Mapping[str, Any]) -> list[str]:
    """What was wrong with the frames of a run, in words; runs of an earlier release know less of it."""
    bad, torn, lost, holes = (result.get(name) for name in ("bad", "torn", "lost", "holes"))
    found = []
    if bad:
        found.append(f"{bad} line{'s' * (bad > 1)} could not be read")
    if torn:
        found.append(f"{torn} place{'s' * (torn > 1)} where a file was cut off or damaged")
    if lost:
        found.append(f"{lost} {'entries' if lost > 1 else 'entry'} missing where the recording stood still")
    if holes:
        found.append(f"no recording of {', '.join(holes)}")
    return found


def amount(text: str | None) -> str:
    """An amount as people read it: thousands apart, a true minus; a dash for none."""
    return "—" if text is None else f"{Decimal(text):,}".replace("-", "\N{MINUS SIGN}")


def csv_rows(rows: Iterable[Row]) -> Iterator[tuple[str | Decimal, ...]]:
    """The lines below HEAD; amounts as figures."""
    for row in rows:
        yield (row["account"], "yes" if row["differs"] else "no", *_cells(row["a"]), *_cells(row["b"]))


def _cells(side: Row) -> tuple[str | Decimal, ...]:
    breach, room = side["breach"] or {}, side["room"]
    cells = (
        side["warned"], side["first_warned"], side["violated"], side["breached"], breach.get("at"), breach.get("rule"),
        breach.get("consequence"), breach.get("reason"), room and Decimal(room), side["room_at"], side["room_rule"],
        side["target"], side["state"],
    )  # fmt: skip
    return tuple("" if cell is None else cell if isinstance(cell, Decimal) else str(cell) for cell in cells)


def _shown(row: Row, show: str) -> bool:
    a, b = row["a"]["breach"] is not None, row["b"]["breach"] is not None
    return {
        "": True, "differs": bool(row["differs"]), "only_a": a and not b, "only_b": b and not a, "both": a and b,
        "neither": not a and not b,
    }[show]  # fmt: skip


def _value_of(column: str) -> Callable[[Row], Any]:
    if column == "account":
        return lambda row: row["account"]
    name, _, side = column.rpartition("_")
    if name == "breach":
        return lambda row: row[side]["breach"] and row[side]["breach"]["at"]
    if name == "room":
        return lambda row: None if row[side]["room"] is None else Decimal(row[side]["room"])
    return lambda row: row[side][name]

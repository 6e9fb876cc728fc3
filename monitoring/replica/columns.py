"""The book by columns: NumPy arrays beside the rows, so that filtering and ordering 10,000 accounts stays cheap."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from monitoring.live.publish import AccountRow
from monitoring.replica.cells import BREACHED, status
from monitoring.replica.query import DeskQuery

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
NOT = float("nan")
USED_CAP = 9_000_000.0
# Above every key (the largest are epoch milliseconds and sums of money), and finite: a breached account that has no
# figure in the column sorted by stays on top as well.
LAST, PINNED = 1e14, 1e15


def _number(value: int | None) -> float:
    """A figure for sorting; nothing is NaN, which sorts last both ways."""
    return NOT if value is None else float(value)


def _own_order(row: AccountRow) -> float:
    """The desk's own order: severity first, then the larger share used."""
    used = max(row.daily_used or 0, row.max_used or 0, 0)
    return row.severity * 1e7 + min(float(used), USED_CAP)


NUMBERS: dict[str, Callable[[AccountRow], float]] = {
    "": _own_order,
    "severity": lambda row: float(row.severity),
    "size": lambda row: float(row.size),
    "balance": lambda row: float(row.balance),
    "equity": lambda row: float(row.equity),
    "day_pl": lambda row: float(row.day_pl),
    "daily_used": lambda row: _number(row.daily_used),
    "max_used": lambda row: _number(row.max_used),
    "headroom": lambda row: _number(row.headroom),
    "rules": lambda row: row.rule_set_version + row.overridden / 2,
    "reset_room": lambda row: _number(row.reset_room),
    "positions": lambda row: float(row.open_positions),
    "age": lambda row: _number(row.updated_ms),
}
TEXTS: dict[str, Callable[[AccountRow], str]] = {
    "account": lambda row: row.login,
    "trader": lambda row: row.trader.casefold(),
    "phase": lambda row: row.phase.casefold(),
    "status": lambda row: status(row),
    "plan": lambda row: row.plan.casefold(),
    "server": lambda row: row.server,
    "currency": lambda row: row.currency,
}


class Columns:
    """Sort keys and filters of every account by slot; not thread-safe, the replica's lock guards it."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._slots: dict[str, int] = {}
        self._rows: list[AccountRow] = []
        self._numbers: dict[str, Floats] = {name: np.empty(256) for name in NUMBERS}
        self._search: list[str] = []
        self._ranks: dict[str, Floats] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def put(self, row: AccountRow) -> None:
        """Add or replace an account."""
        slot = self._slots.get(row.public_id)
        if slot is None:
            slot = self._append(row)
        else:
            self._forget_ranks(self._rows[slot], row)
            self._rows[slot] = row
        for name, key in NUMBERS.items():
            self._numbers[name][slot] = key(row)

    def remove(self, public_id: str) -> None:
        """Take an account out; the last one moves into its slot."""
        slot = self._slots.pop(public_id, None)
        if slot is None:
            return
        self._ranks.clear()
        last = len(self.ids) - 1
        self.ids[slot], self._rows[slot], self._search[slot] = self.ids[last], self._rows[last], self._search[last]
        for values in (self.ids, self._rows, self._search):
            values.pop()
        if slot != last:
            self._slots[self.ids[slot]] = slot
            for array in self._numbers.values():
                array[slot] = array[last]

    def select(self, query: DeskQuery) -> Indices:
        """The slots that pass the filters, in no order."""
        wanted = query.effective()
        keep = self._column("severity") >= wanted.least_severity
        equal: list[tuple[str, object]] = [
            (n, value) for n in ("phase", "plan", "server", "state") if (value := getattr(wanted, n))
        ]
        equal += [(name, True) for name, asked in (("stale", wanted.stale), ("reset_breach", wanted.reset)) if asked]
        if wanted.version:
            equal.append(("rule_set_version", int(wanted.version)))
        slots = np.flatnonzero(keep)
        if wanted.q:
            slots = self._matching(slots, wanted.q.casefold())
        for name, value in equal:
            get, rows = attrgetter(name), self._rows
            slots = np.array([slot for slot in slots.tolist() if get(rows[slot]) == value], dtype=np.intp)
        return slots

    def top(self, slots: Indices, query: DeskQuery, count: int, settled: frozenset[str]) -> list[str]:
        """The first `count` ids in the query's order; breached accounts stay on top until they are `settled`."""
        if count <= 0 or not len(slots):
            return []
        column = query.column
        keys = (self._numbers[column] if column in NUMBERS else self._rank(column))[slots]
        newest_first = column == "age"  # the oldest data have the lowest time
        if (query.descending or not column) != newest_first:
            keys = -keys
        keys = np.where(np.isnan(keys), LAST, keys)
        pinned = (self._column("severity")[slots] >= BREACHED) & self._unsettled(slots, settled)
        keys = np.where(pinned, keys - PINNED, keys)
        if len(slots) > count:
            bound = np.partition(keys, count - 1)[count - 1]
            inside = np.flatnonzero(keys <= bound)
            slots, keys = slots[inside], keys[inside]
        ties = self._rank("account")[slots]
        return [self.ids[slot] for slot in slots[np.lexsort((ties, keys))][:count].tolist()]

    def _append(self, row: AccountRow) -> int:
        slot = len(self.ids)
        self.ids.append(row.public_id)
        self._rows.append(row)
        self._search.append(_searchable(row))
        self._slots[row.public_id] = slot
        self._ranks.clear()
        if slot >= len(self._numbers[""]):
            self._numbers = {name: np.resize(array, slot * 2) for name, array in self._numbers.items()}
        return slot

    def _forget_ranks(self, old: AccountRow, new: AccountRow) -> None:
        for name, text in TEXTS.items():
            if name in self._ranks and text(old) != text(new):
                del self._ranks[name]
        if (old.login, old.trader, old.plan, old.server) != (new.login, new.trader, new.plan, new.server):
            self._search[self._slots[new.public_id]] = _searchable(new)

    def _column(self, name: str) -> Floats:
        return self._numbers[name][: len(self.ids)]

    def _rank(self, name: str) -> Floats:
        """The place of each account in the order of a text column, kept until a text of it changes."""
        if name not in self._ranks:
            text = TEXTS[name]
            values: Iterable[str] = sorted({text(row) for row in self._rows})
            places = {value: float(place) for place, value in enumerate(values)}
            self._ranks[name] = np.array([places[text(row)] for row in self._rows])
            if name == "account":  # the tie-break of every order, so it must tell equal logins apart
                order = sorted(range(len(self._rows)), key=lambda s: (self._rows[s].login, self.ids[s]))
                self._ranks[name][order] = np.arange(len(order), dtype=np.float64)
        return self._ranks[name]

    def _matching(self, slots: Indices, text: str) -> Indices:
        search = self._search
        return np.array([slot for slot in slots.tolist() if text in search[slot]], dtype=np.intp)

    def _unsettled(self, slots: Indices, settled: frozenset[str]) -> NDArray[np.bool_]:
        if not settled:
            return np.ones(len(slots), dtype=np.bool_)
        return np.fromiter((self.ids[slot] not in settled for slot in slots.tolist()), np.bool_, len(slots))


def _searchable(row: AccountRow) -> str:
    """What the search box looks through, case-blind; the parts are kept apart."""
    return "\n".join((row.login, row.trader, row.plan, row.server)).casefold()

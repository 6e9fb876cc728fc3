"""What browsers with the same query and window see, and how it changed since the last tick; computed once for all."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection
from dataclasses import dataclass, field

import msgspec

from monitoring.replica import Cells, DeskQuery, Replica

PROTOCOL = 1


@dataclass(slots=True)
class Delta:
    """Changed cells by account, and the new order if there is one; merging keeps the last of each."""

    rows: dict[str, Cells] = field(default_factory=dict)
    order: tuple[str, ...] | None = None
    total: int | None = None
    moved: int | None = None
    _text: tuple[int, str] | None = None

    def __bool__(self) -> bool:
        return bool(self.rows) or self.order is not None or self.total is not None or self.moved is not None

    def merged(self, later: Delta) -> Delta:
        """This and then `later`, as one; rows that have left the order are dropped, so its size is bounded."""
        rows = {public_id: dict(cells) for public_id, cells in self.rows.items()}
        for public_id, cells in later.rows.items():
            rows.setdefault(public_id, {}).update(cells)
        order = later.order if later.order is not None else self.order
        if order is not None:
            inside = set(order)
            rows = {public_id: cells for public_id, cells in rows.items() if public_id in inside}
        total = later.total if later.total is not None else self.total
        return Delta(rows, order, total, later.moved if later.moved is not None else self.moved)

    def encode(self, seq: int, ts: int | None) -> str:
        """The frame, encoded once however many browsers get it."""
        if self._text is None or self._text[0] != seq:
            frame: dict[str, object] = {"v": PROTOCOL, "t": "d", "seq": seq, "ts": ts, "rows": list(self.rows.items())}
            for name in ("order", "total", "moved"):
                if (value := getattr(self, name)) is not None:
                    frame[name] = value
            self._text = (seq, encode(frame))
        return self._text[1]


class ViewGroup:
    """A window of a query as it stood at the last tick. `frozen` keeps the order while somebody reads or holds it."""

    def __init__(self, replica: Replica, query: DeskQuery, offset: int, limit: int, frozen: bool = False) -> None:
        self.replica, self.query, self.offset, self.limit = replica, query, offset, limit
        self.frozen = frozen
        window = replica.view(query, offset, limit)
        self.order = window.ids
        self.total = window.total
        self.state: dict[str, Cells] = {row.public_id: replica.cells(row) for row in window.rows}
        self._moved = 0

    def frozen_copy(self) -> ViewGroup:
        """The same window with its order held, for one browser."""
        copy = ViewGroup.__new__(ViewGroup)
        copy.replica, copy.query, copy.offset, copy.limit = self.replica, self.query, self.offset, self.limit
        copy.order, copy.total, copy.state, copy._moved = self.order, self.total, dict(self.state), 0
        copy.frozen = True
        return copy

    def tick(self, dirty: Collection[str] | None, rank: bool) -> Delta:
        """What changed since the last tick among the `dirty` accounts (None: any), and the order if `rank`."""
        delta = Delta()
        for public_id in self.order if dirty is None else [known for known in self.order if known in dirty]:
            row = self.replica.row(public_id)
            if row is None:
                rank = True
                continue
            new, old = self.replica.cells(row), self.state[public_id]
            if new is not old and (changed := {name: text for name, text in new.items() if old[name] != text}):
                delta.rows[public_id] = changed
            self.state[public_id] = new
        if rank:
            self._rank(delta)
        return delta

    def since(self, other: ViewGroup) -> Delta:
        """What a browser that shows `other` must change to show this."""
        delta = Delta(order=self.order, total=self.total, moved=self._moved)
        for public_id in self.order:
            new, old = self.state[public_id], other.state.get(public_id)
            if old is None:
                delta.rows[public_id] = dict(new)
            elif changed := {name: text for name, text in new.items() if old[name] != text}:
                delta.rows[public_id] = changed
        return delta

    def snapshot(self, seq: int, ts: int | None) -> str:
        """The whole window as a frame."""
        rows = [(public_id, self.state[public_id]) for public_id in self.order]
        frame = {"v": PROTOCOL, "t": "snap", "seq": seq, "ts": ts, "rows": rows, "order": self.order}
        return encode({**frame, "total": self.total, "offset": self.offset})

    def _rank(self, delta: Delta) -> None:
        window = self.replica.view(self.query, self.offset, self.limit)
        if window.total != self.total:
            delta.total = self.total = window.total
        if self.frozen:
            order = tuple(public_id for public_id in self.order if self.replica.row(public_id) is not None)
            if (moved := moves(self.order, window.ids)) != self._moved:
                delta.moved = self._moved = moved
        else:
            order = window.ids
        if order == self.order:
            return
        for row in window.rows if not self.frozen else ():
            if row.public_id not in self.state:
                self.state[row.public_id] = self.replica.cells(row)
                delta.rows[row.public_id] = dict(self.state[row.public_id])
        self.order = delta.order = order
        inside = set(order)
        self.state = {public_id: cells for public_id, cells in self.state.items() if public_id in inside}


def moves(shown: Collection[str], wanted: Collection[str]) -> int:
    """How many rows would have to come or move to turn one order into the other."""
    places = {public_id: place for place, public_id in enumerate(shown)}
    rising: list[int] = []  # the longest run that is in order already (patience sorting)
    for public_id in wanted:
        if (place := places.get(public_id)) is not None:
            at = bisect_left(rising, place)
            rising[at : at + 1] = [place]
    return len(wanted) - len(rising)


def encode(frame: object) -> str:
    """A frame as JSON text."""
    return msgspec.json.encode(frame).decode()


def html_frame(name: str, html: str) -> str:
    """A fragment as a frame; the page's element with this id is replaced by it."""
    return encode({"v": PROTOCOL, "t": "kpi" if name == "kpis" else "html", "id": name, "html": html[:]})  # a plain str

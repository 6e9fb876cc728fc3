"""Turning what happens into numbered frames, remembering them for replay, and keeping the record."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from monitoring.upstream.simulator import wire
from monitoring.upstream.simulator.ledger import Account

Deliver = Callable[[Account, str, bytes], None]
# Not in the default set of an `accounts=all` socket, so they take no number of their own: else every socket that
# is spared them would see a gap. They carry the newest number that was given.
UNCOUNTED = frozenset({"order_update", "order_rejected"})
RECORD_KINDS = ("account_update", "balance_operation")
_COLUMNS = 7


def _to_nobody(account: Account, kind: str, frame: bytes) -> None:
    """No socket yet."""


class Record:
    """One account's append-only record: (kind, ms, seq, balance, equity, credit, profit), money in cents."""

    __slots__ = ("_limit", "_rows")

    def __init__(self, limit: int) -> None:
        self._rows = array("q")
        self._limit = limit * _COLUMNS

    def add(self, kind: int, at: int, account: Account, floating: int) -> None:
        """Append one row; far beyond the limit the oldest go."""
        equity = account.balance + account.credit + floating
        self._rows.extend((kind, at, account.seq, account.balance, equity, account.credit, floating))
        if len(self._rows) > self._limit * 5 // 4:
            del self._rows[: len(self._rows) - self._limit]

    def rows(self, limit: int) -> list[wire.Json]:
        """The newest `limit` rows, oldest first."""
        flat = self._rows[-limit * _COLUMNS :]
        return [_row(flat[start : start + _COLUMNS]) for start in range(0, len(flat), _COLUMNS)]


def _row(cells: array[int]) -> wire.Json:
    kind, at, seq, *money = cells
    balance, equity, credit, profit = (cents / 100 for cents in money)
    return {
        "type": RECORD_KINDS[kind], "ts": wire.iso(at), "seq": seq, "balance": balance, "equity": equity,
        "credit": credit, "profit": profit,
    }  # fmt: skip


class Events:
    """The one place where frames are made; `deliver` hands them to the sockets."""

    def __init__(self, clock: Callable[[], float], accounts: int, session: str = "") -> None:
        self._clock = clock
        self._number = 0
        self.simulated = 0.0  # seconds that the world has lived: what it goes by, whatever the clock says
        self.begin_session(session)
        # What is remembered shrinks with the number of accounts: about 100 MB of frames in all.
        self._kept = max(64, min(1000, 200_000 // max(1, accounts)))
        self._record_limit = max(200, min(100_000, 2_000_000 // max(1, accounts)))
        self._history: dict[str, deque[tuple[int, bytes]]] = {}
        self._records: dict[str, Record] = {}
        self.deliver: Deliver = _to_nobody

    def begin_session(self, session: str) -> None:
        """Name the run that event ids belong to: a saved world may be taken up older than what was sent of it."""
        self._prefix = f"e_{session}_" if session else "e_"

    def __getstate__(self) -> dict[str, object]:
        """What a saved world keeps: neither sockets nor what was sent in this run (most of all there is to write)."""
        return self.__dict__ | {"deliver": _to_nobody, "_history": {}, "_records": {}}

    def now_ms(self) -> int:
        """Wall time, ms since 1970."""
        return int(self._clock() * 1000)

    def now(self) -> datetime:
        """Wall time, aware."""
        return datetime.fromtimestamp(self._clock(), UTC)

    def emit(self, account: Account, kind: str, data: wire.Json, *, force: bool = False) -> None:
        """Number, remember and deliver one event; an account that does not report is silent unless `force`."""
        if not (account.reporting or force):
            return
        counted = kind not in UNCOUNTED
        if counted:
            account.seq += 1
        self._number += 1
        at = wire.iso(self.now_ms())
        frame = wire.encode(
            {
                "type": kind,
                "event_id": f"{self._prefix}{self._number}",
                "seq": account.seq,
                "ts": at,
                "account_id": account.id,
                "data": data,
            }
        )
        if counted:
            self._remember(account, frame)
        self.deliver(account, kind, frame)

    def update(self, account: Account) -> None:
        """Send an account_update with the figures of this instant."""
        if not account.reporting:
            return
        now_ms = self.now_ms()
        account.last_updated = wire.iso(now_ms)
        account.last_sent_at = self.simulated
        floating = account.floating
        self.emit(account, "account_update", wire.figures(account, floating))
        self._record(account).add(0, now_ms, account, floating)

    def operation(self, account: Account, number: int, kind: str, amount: int, comment: str) -> None:
        """Send a balance_operation (already booked), then the update that shows it."""
        data = {"id": f"bal_{number}", "kind": kind, "amount": amount / 100, "balance": account.balance / 100}
        self.emit(account, "balance_operation", data | {"comment": comment})
        self._record(account).add(1, self.now_ms(), account, account.floating)
        self.update(account)

    def since(self, account: Account, seq: int) -> tuple[list[tuple[int, bytes]], bool]:
        """The remembered frames after `seq`, and whether none of them is missing."""
        kept = self._history.get(account.id, deque())
        frames = [item for item in kept if item[0] > seq]
        first = frames[0][0] if frames else account.seq + 1
        return frames, first <= seq + 1

    def latest(self, account: Account, back: int = 1) -> bytes | None:
        """The frame `back` places before the newest, if it is still remembered."""
        kept = self._history.get(account.id)
        return kept[-1 - back][1] if kept and len(kept) > back else None

    def record(self, account: Account, limit: int) -> list[wire.Json]:
        """The newest rows of the account's record."""
        return self._record(account).rows(limit)

    def forget(self, account: Account) -> None:
        """Drop what is kept of a deleted account."""
        self._history.pop(account.id, None)
        self._records.pop(account.id, None)

    def _record(self, account: Account) -> Record:
        record = self._records.get(account.id)
        if record is None:
            record = self._records[account.id] = Record(self._record_limit)
        return record

    def _remember(self, account: Account, frame: bytes) -> None:
        kept = self._history.get(account.id)
        if kept is None:
            kept = self._history[account.id] = deque(maxlen=self._kept)
        kept.append((account.seq, frame))

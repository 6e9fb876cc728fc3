"""Positions as they are opened, changed and closed: what is held, and which deals that makes.

A position's opening time is what the upstream states, else the time of the message that first showed it; from then on
it is known by that time. What no deal of the message can have happened at (the zero date of some platform, a day that
has not come) counts as not stated.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from msgspec.structs import asdict, replace

from monitoring.engine.messages import ClosedPosition, Position, with_volume
from monitoring.engine.rules import objectives
from monitoring.engine.rules.conduct import excuse_stop
from monitoring.engine.ruleset.model import StopLossRequired
from monitoring.engine.snapshot import Account, Deal

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)  # a broker's local time that claims to be UTC is wrong by less
GONE_KEPT = 64  # ids of closed positions remembered, for a reading that crossed with their closing
_NOT_THE_TRADER = frozenset({"risk_engine", "manual", "so"})  # reasons of closings that RiskDesk or the broker made


def hold(account: Account, position: Position, ts: datetime) -> list[Deal]:
    """Take a position of a frame; returns its opening if it was not known."""
    if position.id in account.positions:
        excuse_stop(account, position.id, ts)
        account.positions[position.id] = _dated(account, position, ts)
        return []
    account.state.open_positions = max(account.state.open_positions, len(account.positions)) + 1
    return [_open(account, _dated(account, position, ts))]


def close(account: Account, closed: ClosedPosition, ts: datetime) -> list[Deal]:
    """Take a closing, whole or in part; returns it, and before it the opening that nobody had told."""
    state, at = account.state, _stated(closed.close_time, ts) or ts
    held, opened_at = account.positions.get(closed.id), _stated(closed.open_time, ts)
    closed = replace(closed, open_time=opened_at)
    deals = []
    if held is None and opened_at is not None:
        deals.append(_opening(account, closed, opened_at))
    objectives.closed(account, closed, at)
    state.closings += 1
    deals.append(
        Deal(
            position=closed.id,
            symbol=closed.symbol,
            at=at,
            opened_at=opened_at if held is None else held.open_time,
            closing=True,
            traded=closed.reason not in _NOT_THE_TRADER,
            number=state.closings,
        )
    )
    if closed.remaining_volume > 0:
        if held is not None:
            account.positions[closed.id] = with_volume(held, closed.remaining_volume)
        else:
            _forget(account, closed.id)  # its opening is told once
        return deals
    known = account.positions.pop(closed.id, None)
    if known is not None or state.open_positions > len(account.positions):
        state.open_positions = max(state.open_positions - 1, len(account.positions))
    _forget(account, closed.id)
    return deals


def take_reading(account: Account, positions: Iterable[Position], ts: datetime, *, watched: bool) -> list[Deal]:
    """Let a reading replace what is held; returns the openings of what was not known.

    `watched`: it is not the first word on the account, so that what it shows anew was opened since the word before.

    What is missing in it was closed, nobody knows when and why: a day on which it was opened and now is gone counts as
    one of opening and closing, no other rule asks for it.
    """
    listed = {position.id: position for position in positions}
    for ident in [ident for ident in account.positions if ident not in listed]:
        held = account.positions[ident]
        objectives.closed(account, ClosedPosition(**asdict(held)), ts)
        del account.positions[ident]
        _forget(account, ident)
    for ident in account.positions:
        excuse_stop(account, ident, ts)
    deals = []
    known, account.positions = account.positions, {}
    for position in listed.values():
        dated = _dated(account, position, ts, known.get(position.id))
        if position.id in known:
            account.positions[position.id] = dated
        else:
            deals.append(_open(account, dated, traded=watched or _stated(position.open_time, ts) is not None))
    account.state.open_positions = len(account.positions)
    return deals


def _dated(account: Account, position: Position, ts: datetime, held: Position | None = None) -> Position:
    if _stated(position.open_time, ts) is not None:
        return position
    held = held or account.positions.get(position.id)
    return replace(position, open_time=ts if held is None or held.open_time is None else held.open_time)


def _stated(at: datetime | None, ts: datetime) -> datetime | None:
    """Return a time that an upstream states, None where it cannot be one."""
    return at if at is not None and EARLIEST <= at <= ts + AHEAD else None


def _open(account: Account, position: Position, *, traded: bool = True) -> Deal:
    """Hold a position that is new to us."""
    assert position.open_time is not None
    deal = _opening(account, position, position.open_time, traded=traded)
    account.positions[position.id] = position
    for rule, memory in zip(account.rule_set.others, account.state.others, strict=True):
        if isinstance(rule, StopLossRequired) and deal.traded:
            memory.awaiting.append(position.id)
    return deal


def _opening(account: Account, position: Position, at: datetime, *, traded: bool = True) -> Deal:
    """The opening of a position that is new to us; one from before the challenge began is no deal of it."""
    state = account.state
    first = position.id not in state.gone
    traded = traded and first and (state.created_at is None or at >= state.created_at)
    if traded:
        objectives.opened(account, position, at)
    return Deal(position=position.id, symbol=position.symbol, at=at, opened_at=at, first_seen=first, traded=traded)


def _forget(account: Account, ident: str) -> None:
    """Keep nothing of a closed position but that it was there."""
    state = account.state
    state.closing.pop(ident, None)
    state.closing_for.pop(ident, None)
    if ident not in state.gone:
        state.gone.append(ident)
    del state.gone[:-GONE_KEPT]
    for memory in state.others:
        if ident in memory.awaiting:
            memory.awaiting.remove(ident)

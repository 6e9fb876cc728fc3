"""What must be done at the upstream about a breach or a violation: pure decisions, level-triggered, safe to repeat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from monitoring.engine.events import Event, EventKind
from monitoring.engine.snapshot import Account, Breach

_OURS = "RiskDesk "  # how the reason of a lock of ours begins; the event's key follows


class CommandKind(StrEnum):
    """What can be asked of an upstream."""

    CLOSE_ALL = "close_all"
    CLOSE_POSITION = "close_position"
    LOCK = "lock"
    UNLOCK = "unlock"


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to do; `key` is the same however often it is decided, so that doing it twice is doing it once."""

    key: str
    account: str
    kind: CommandKind
    reason: str  # carries the event's key, so that a lock read back from the upstream says why it stands
    event_key: str
    until: datetime | None = None
    position: str = ""  # CLOSE_POSITION: which


def decide(event: Event, account: Account) -> tuple[Command, ...]:
    """Return what an event demands at once: flat and locked, or some positions closed; nothing under review."""
    if account.review:
        return ()
    if event.event is EventKind.VIOLATED and event.consequence == "close":
        return tuple(_close_position(account, event.key, ident) for ident in event.positions if _waits(account, ident))
    if event.event is not EventKind.BREACHED or event.consequence not in {"fail", "pause"}:
        return ()
    until = account.paused_until if event.consequence == "pause" else None
    return (_close_all(account, event.key), _lock(account, event.key, until))


def outstanding(account: Account) -> tuple[Command, ...]:
    """Return what is still to be done by what the upstream shows now; empty when it is as it must be."""
    if account.review:
        return ()
    facts = _standing(account)
    if facts is None:
        return _unlock(account) + _closings(account)
    until = None if facts.consequence == "fail" else account.paused_until
    commands = []
    if not account.is_flat:
        commands.append(_close_all(account, facts.key))
    if not account.locked or (account.locked_until is not None and (until is None or account.locked_until < until)):
        commands.append(_lock(account, facts.key, until))
    return tuple(commands)


def lock_event_key(lock_reason: str) -> str | None:
    """Return the key of the event that a lock of ours was set for, None for anybody else's lock."""
    return lock_reason.removeprefix(_OURS).split(" ")[0] if lock_reason.startswith(_OURS) else None


def _standing(account: Account) -> Breach | None:
    if account.breach_event is not None:
        return account.breach_event
    return account.pause_event if account.paused_until is not None else None


def _waits(account: Account, position: str) -> bool:
    """Whether a position has to go and is still there; one that must go with all the others is not asked for alone."""
    return position in account.positions and not account.must_be_flat


def _closings(account: Account) -> tuple[Command, ...]:
    closing = account.state.closing
    return tuple(_close_position(account, closing[ident], ident) for ident in closing if _waits(account, ident))


def _close_position(account: Account, event_key: str, position: str) -> Command:
    return Command(
        key=f"{event_key}:close:{position}",
        account=account.id,
        kind=CommandKind.CLOSE_POSITION,
        reason=f"{_OURS}{event_key}",
        event_key=event_key,
        position=position,
    )


def _close_all(account: Account, event_key: str) -> Command:
    return Command(
        key=f"{event_key}:close_all",
        account=account.id,
        kind=CommandKind.CLOSE_ALL,
        reason=f"{_OURS}{event_key}",
        event_key=event_key,
    )


def _lock(account: Account, event_key: str, until: datetime | None) -> Command:
    return Command(
        key=f"{event_key}:lock",
        account=account.id,
        kind=CommandKind.LOCK,
        reason=f"{_OURS}{event_key}",
        event_key=event_key,
        until=until,
    )


def _unlock(account: Account) -> tuple[Command, ...]:
    """A lock of ours whose pause is over goes; anybody else's stays, and so does one of another challenge's fail."""
    pause = account.pause_event
    if not account.locked or pause is None or lock_event_key(account.lock_reason) != pause.key:
        return ()
    return (
        Command(
            key=f"{pause.key}:unlock",
            account=account.id,
            kind=CommandKind.UNLOCK,
            reason=f"{_OURS}{pause.key} ended",
            event_key=pause.key,
        ),
    )

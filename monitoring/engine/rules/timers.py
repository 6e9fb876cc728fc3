"""What time alone brings about: resets, deadlines, stops, idle spells, each at its own instant, in their order."""

from __future__ import annotations

from datetime import datetime

from monitoring.engine.events import Event
from monitoring.engine.rules.day import begin, take_reset
from monitoring.engine.rules.others import fire, reschedule
from monitoring.engine.snapshot import Account
from monitoring.engine.snapshot.account import NEVER


def advance(account: Account, to: datetime) -> list[Event]:
    """Do everything that is due by `to`, itself included; a reset comes before what else is due at its instant."""
    state = account.state
    released, state.released_at = state.released_at, None
    if state.next_reset is None:
        begin(account, to)
        reschedule(account, to)
        return []
    if to < account.wakes:
        return []
    account.flush()
    account.disturb()
    account.touch()
    if released is not None:
        reschedule(account, released)  # what was due until then waits for the message that comes after
    events: list[Event] = []
    while True:
        due, reset = state.due or NEVER, state.next_reset
        if reset <= due:
            if reset > to:
                break
            events += take_reset(account, reset)
        elif due > to:
            break
        else:
            events += fire(account, due)
    reschedule(account, to)
    return events

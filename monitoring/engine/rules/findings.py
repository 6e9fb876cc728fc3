"""What a rule of section 6 finds, before it becomes an event: the one shape that all of them yield."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from monitoring.engine.ruleset.model import OtherRule
from monitoring.engine.snapshot.state import OtherMemory


class Finding(NamedTuple):
    """A violation at an instant; `last` makes its key unique among those of its rule (a position, a day, an episode).

    `warning` marks what only announces itself (flat_by before its time): told as `warned`, without consequence.
    """

    rule: OtherRule
    memory: OtherMemory
    at: datetime
    last: str
    reason: str  # a full sentence with the numbers
    positions: tuple[str, ...] = ()  # concerned; with consequence `close`, those to be closed
    revision: str = ""
    warning: bool = False

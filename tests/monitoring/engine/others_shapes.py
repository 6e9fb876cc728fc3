"""What the oracle of section 6 speaks of: positions, deals, moments, violations."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

OURS = {"risk_engine", "manual", "so"}  # reasons of closings that RiskDesk or the broker made


@dataclass
class Held:
    """An open position; `stops` is what each frame said of its stop, and when."""

    id: str
    symbol: str
    side: str
    lots: Decimal
    opened: datetime
    stops: list[tuple[datetime, bool]]
    ours: bool  # opened during this challenge


@dataclass
class Deal:
    """An opening or a closing that this message told of."""

    id: str
    symbol: str
    at: datetime
    opened: datetime | None
    closing: bool = False
    reason: str = ""
    ours: bool = True  # of this challenge, and not known to be over already


@dataclass
class Moment:
    """When and why rules are judged: by time alone, by positions that changed, by new figures, at a reset."""

    at: datetime
    deals: tuple[Deal, ...] = ()
    positions: bool = False
    figures: bool = False
    reset: bool = False
    due: bool = False  # time alone brought it
    late: bool = False  # something could not be judged when it should have been
    seen: set[str] = field(default_factory=set)  # positions that this message was the first to show


@dataclass
class Found:
    """A violation of a rule, or (`warning`) what announces itself."""

    index: int
    positions: tuple[str, ...] = ()
    revision: str = ""
    warning: bool = False
    at: datetime | None = None  # its own instant, where that is not the moment at which it was judged

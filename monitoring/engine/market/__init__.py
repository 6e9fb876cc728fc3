"""What the engine knows of markets: lots, names of symbols, news, local hours and deadlines. Pure arithmetic."""

from __future__ import annotations

from monitoring.engine.market.hours import (
    Deadline,
    by_day,
    flat_by_deadline,
    inside,
    last_day,
    local_instant,
)
from monitoring.engine.market.lots import lot_units, lots_text
from monitoring.engine.market.names import affects, base_name

__all__ = [
    "Deadline",
    "affects",
    "base_name",
    "by_day",
    "flat_by_deadline",
    "inside",
    "last_day",
    "local_instant",
    "lot_units",
    "lots_text",
]

"""Open positions as text for their table, the largest loss first (pure)."""

from __future__ import annotations

from typing import Any

from accounts.templatetags import formats
from monitoring.engine.money import minor_units
from monitoring.live.publish import AccountRow, PositionRow


def positions(row: AccountRow | None) -> dict[str, Any]:
    """The context of `_positions.html`; None: nothing is known of the account yet."""
    if row is None:
        return {"row": None, "positions": []}
    ordered = sorted(row.positions, key=lambda position: (position.profit, position.id))
    return {
        "row": row,
        "positions": [_position(position, row.digits) for position in ordered],
        "open_pl": formats.signed(row.open_pl, row.digits),
        "missing": max(0, row.open_positions - len(row.positions)),
    }


def _position(position: PositionRow, digits: int) -> dict[str, Any]:
    profit = minor_units(position.profit, digits)
    return {
        "id": position.id,
        "symbol": position.symbol,
        "side": position.side,
        "volume": f"{position.volume:,.2f}",
        "opened": formats.utc_ms(position.open_time_ms),
        "open_price": price(position.open_price),
        "current_price": price(position.current_price),
        "sl": price(position.sl or None),
        "tp": price(position.tp or None),
        "swap": formats.signed(minor_units(position.swap, digits), digits),
        "profit": formats.signed(profit, digits),
        "sign": "neg" if profit < 0 else "pos" if profit > 0 else "",
    }


def price(value: float | None) -> str:
    """A price with the decimals that its size asks for; a dash for none."""
    if value is None:
        return formats.NOTHING
    decimals = 5 if abs(value) < 20 else 3 if abs(value) < 1000 else 2
    return f"{value:,.{decimals}f}"

"""Lots as exact whole numbers."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

_LOT = 100_000_000  # lots are compared in hundred-millionths
_EXACT_BELOW = 1e15  # under this a double still tells any two hundred-millionths of a lot apart


def lot_units(volume: float | Decimal) -> int:
    """Return lots as a whole number of hundred-millionths, half up; ValueError for what is no finite number."""
    if type(volume) is float:
        scaled = volume * _LOT
        if -_EXACT_BELOW < scaled < _EXACT_BELOW:
            return round(scaled)
    number = Decimal(repr(volume)) if isinstance(volume, float) else Decimal(volume)
    if not number.is_finite():
        raise ValueError(f"not a finite volume: {volume!r}")
    return int((number * _LOT).to_integral_value(ROUND_HALF_UP))


def lots_text(units: int) -> str:
    """Return "12.50": hundred-millionths of a lot with at least two decimals, and as many as it needs."""
    text = f"{Decimal(units).scaleb(-8):,.8f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"

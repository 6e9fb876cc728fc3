"""Exact money: upstream numbers become integers of minor units, once, by their decimal text."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext

_SCALES: tuple[int, ...] = tuple(10**digits for digits in range(10))
_EXACT_BELOW = 1e11  # under this a double still tells any two cents apart by far


def minor_units(value: float | int | str | Decimal, digits: int = 2) -> int:
    """Return the amount in minor units, half up by its decimal text; ValueError for what is no finite number."""
    if type(value) is float:
        scaled = value * _SCALES[digits]
        if -_EXACT_BELOW < scaled < _EXACT_BELOW:
            nearest = round(scaled)
            if -0.25 < scaled - nearest < 0.25:
                return nearest
    return _by_text(value, digits)


def _by_text(value: float | int | str | Decimal, digits: int) -> int:
    if isinstance(value, bool):
        raise ValueError(f"not an amount of money: {value!r}")
    if isinstance(value, int):
        return value * _SCALES[digits]
    text = repr(value) if isinstance(value, float) else value
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"not a number: {value!r}") from None
    if not amount.is_finite():
        raise ValueError(f"not a finite number: {value!r}")
    if amount.adjusted() > 30:
        raise ValueError(f"too large for an amount of money: {value!r}")
    with localcontext() as context:
        context.prec = 60
        return int(amount.scaleb(digits).to_integral_value(ROUND_HALF_UP))


def to_decimal(minor: int, digits: int = 2) -> Decimal:
    """Return minor units as a Decimal with exactly `digits` decimals."""
    return Decimal(minor).scaleb(-digits) if digits else Decimal(minor)


def money_text(minor: int, digits: int = 2) -> str:
    """Return "94812.10"."""
    return f"{to_decimal(minor, digits):f}"


def grouped(minor: int, digits: int = 2) -> str:
    """Return "94,812.10"."""
    return f"{to_decimal(minor, digits):,f}"


def half_up(numerator: int, denominator: int) -> int:
    """Return the quotient rounded half away from zero, as Decimal's ROUND_HALF_UP does; denominator > 0."""
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude

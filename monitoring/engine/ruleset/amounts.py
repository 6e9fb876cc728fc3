"""Amounts and shares of a rule set, as exact ratios."""

from __future__ import annotations

from decimal import Decimal

from monitoring.engine.ruleset.model import Amount, Step, amount_text
from monitoring.engine.ruleset.reader import MISSING, Reader

_MOST_TARGET = 1000  # per cent
_MOST_MONEY = Decimal(10**12)  # beyond it an upstream's figures are no longer exact


def loss_amount(reader: Reader, bases: tuple[str, ...], digits: int) -> Amount:
    """Read how far a floor lies under its anchor: at most 100%."""
    return _amount(reader, bases, digits, 100)


def target_amount(reader: Reader, digits: int) -> Amount:
    """Read the amount of a profit target; more than 100% is odd, and may be meant."""
    amount = _amount(reader, ("initial",), digits, _MOST_TARGET)
    if amount.of and amount.numerator > amount.denominator:
        reader.warn(
            "amount.percent", f"{reader.values['amount']['percent']}% of the initial balance more than doubles it"
        )
    return amount


def step(value: Decimal) -> Step:
    """Return a share as an exact ratio."""
    return Step(*value.as_integer_ratio())


def share(reader: Reader, key: str, of: str) -> Step:
    """Read a share of something, above 0 and at most 1; who writes per cent is told how to write it."""
    value = reader.decimal(key)
    if not 0 < value <= 1:
        hint = f'; for {value:f}% write "{value / 100:f}"' if 1 < value <= 100 else ""
        reader.error(key, f"must be a share of {of}, above 0 and at most 1, is {value:f}{hint}")
        return Step(1, 1)
    return step(value)


def money(reader: Reader, key: str, digits: int, *, signed: bool = False) -> Decimal:
    """Read an amount of money; what is finer than a minor unit is odd."""
    value = reader.decimal(key)
    if not signed and value <= 0:
        reader.error(key, f"must be above zero, is {value:f}")
        return Decimal(1)
    if abs(value) >= _MOST_MONEY:
        reader.error(key, f"must be below {_MOST_MONEY:,f}, is {value:,f}")
        return Decimal(1)
    if value != round(value, digits):
        reader.warn(key, f"{value:f} is finer than the currency's smallest unit ({Decimal(1).scaleb(-digits):f})")
    return value


def _amount(reader: Reader, bases: tuple[str, ...], digits: int, most: int) -> Amount:
    value = reader.get("amount")
    if value is MISSING:
        return Amount(0, 1, None, "")
    amount = reader.inner("amount", value)
    if not amount.is_object:
        return Amount(0, 1, None, "")
    if "fixed" in amount.values:
        amount.only({"fixed"})
        fixed = money(amount, "fixed", digits)
        numerator, denominator = fixed.as_integer_ratio()  # not scaleb, nor `/` below: they round to 28 digits
        return Amount(numerator * 10**digits, denominator, None, amount_text(fixed, None))
    amount.only({"percent", "of"})
    percent = amount.decimal("percent")
    if not 0 < percent <= most:
        amount.error("percent", f"must be above 0 and at most {most}, is {percent:f}")
        percent = Decimal(1)
    of = amount.choice("of", bases)
    numerator, denominator = percent.as_integer_ratio()
    return Amount(numerator, denominator * 100, of, amount_text(percent, of))

"""Money is exact to the decimal text."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.engine.money import grouped, half_up, minor_units, money_text, to_decimal


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e14, max_value=1e14), st.integers(0, 5))
def test_a_float_counts_by_its_decimal_text(value: float, digits: int) -> None:
    exact = Decimal(repr(value)).scaleb(digits).quantize(Decimal(1), ROUND_HALF_UP)
    assert minor_units(value, digits) == exact


@given(st.integers(-(10**13), 10**13))
def test_every_cent_survives_the_trip_through_a_float(cents: int) -> None:
    assert minor_units(float(money_text(cents))) == cents
    assert to_decimal(cents) * 100 == cents


@pytest.mark.parametrize(
    ("value", "cents"),
    [("94812.10", 9481210), (Decimal("0.005"), 1), (0.125, 13), (-0.125, -13), (7, 700), (1.005, 101), (2.675, 268)],
)
def test_halves_round_away_from_zero(value: float | str | Decimal, cents: int) -> None:
    assert minor_units(value) == cents


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "NaN", "abc", "", "1e99", True])
def test_what_is_no_amount_is_refused(value: float | str) -> None:
    with pytest.raises(ValueError, match=r"number|amount"):
        minor_units(value)


def test_money_is_written_with_the_accounts_digits() -> None:
    assert money_text(9481210) == "94812.10"
    assert grouped(9481210) == "94,812.10"
    assert money_text(-5) == "-0.05"
    assert money_text(1500, 0) == "1500"
    assert grouped(1234567, 3) == "1,234.567"


@given(st.integers(-(10**20), 10**20), st.integers(1, 10**9))
def test_quotients_round_half_away_from_zero(numerator: int, denominator: int) -> None:
    whole, rest = divmod(abs(numerator), denominator)
    magnitude = whole + (2 * rest >= denominator)
    assert half_up(numerator, denominator) == (magnitude if numerator >= 0 else -magnitude)


@given(st.integers(-(10**15), 10**15), st.integers(0, 5))
def test_quotients_round_as_decimal_does(halves: int, power: int) -> None:
    denominator = 2 * 10**power
    expected = (Decimal(halves) / denominator).quantize(Decimal(1), ROUND_HALF_UP)
    assert half_up(halves, denominator) == expected

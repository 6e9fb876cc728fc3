"""How long the feed waits: bounded, growing, spread."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitoring.upstream.fxsocket.backoff import BASE_S, CAP_S, delay, slow

CHANCE = st.floats(0, 1, exclude_max=True)


@given(st.integers(0, 10_000), CHANCE)
def test_never_longer_than_the_cap(attempt: int, chance: float) -> None:
    assert 0 <= delay(attempt, chance) < CAP_S


@given(st.integers(0, 10_000))
def test_the_ceiling_doubles_from_a_quarter_second(attempt: int) -> None:
    almost = 1 - 1e-9
    assert delay(0, almost) <= BASE_S
    assert delay(attempt, almost) <= delay(attempt + 1, almost)


@given(CHANCE)
def test_a_refused_key_is_tried_about_each_half_minute(chance: float) -> None:
    assert 27 <= slow(chance) <= 30

"""How long to wait before the next attempt, pure: exponential with full jitter, so that nobody knocks in step."""

from __future__ import annotations

BASE_S = 0.25
CAP_S = 30.0
STABLE_S = 10.0  # a connection that held so long starts the count anew


def delay(attempt: int, chance: float, *, base: float = BASE_S, cap: float = CAP_S) -> float:
    """Seconds before attempt number `attempt` (from 0); `chance` is uniform in [0, 1)."""
    ceiling = min(cap, base * 2.0 ** min(attempt, 30))
    return ceiling * chance


def slow(chance: float, *, cap: float = CAP_S) -> float:
    """Seconds before a retry that is unlikely to help (a refused key): about the cap, spread by a tenth."""
    return cap * (0.9 + 0.1 * chance)

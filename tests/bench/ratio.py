"""What a benchmark says: a ratio with its target. Absolute figures drift with the machine; ratios hold."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ratio:
    """One measured ratio; `explanation` says what was divided by what, `figures` holds the absolute parts."""

    name: str
    value: float
    target: float | None  # None: reported, not judged
    explanation: str
    higher_is_better: bool = True
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the target is met; a ratio without a target always passes."""
        if self.target is None:
            return True
        return self.value >= self.target if self.higher_is_better else self.value <= self.target

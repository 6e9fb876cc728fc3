"""The rule lab: the same frames under two rule sets, who would have warned and breached under each."""

from __future__ import annotations

from monitoring.lab.compare import Cancelled, compare
from monitoring.lab.frames import BadLine, Frames

__all__ = ["BadLine", "Cancelled", "Frames", "compare"]

"""What other rules would do to running challenges now: judged by the engine, in a scratch snapshot, for nobody else."""

from __future__ import annotations

from monitoring.whatif.apart import Wanted, effects_of_override
from monitoring.whatif.effects import Compiler, Effect, Verdict, effects, effects_of_version
from monitoring.whatif.sweep import PORTION, Sweep, SweepUnavailable, sweep, sweep_by

__all__ = [
    "PORTION",
    "Compiler",
    "Effect",
    "Sweep",
    "SweepUnavailable",
    "Verdict",
    "Wanted",
    "effects",
    "effects_of_override",
    "effects_of_version",
    "sweep",
    "sweep_by",
]

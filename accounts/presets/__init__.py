"""Presets: programmes of real firms as RiskDesk's documents; data, each with its sources. Check with the firm."""

from __future__ import annotations

from accounts.presets.forex import FOREX
from accounts.presets.futures import FUTURES
from accounts.presets.model import CHECK, Preset, PresetPhase

PRESETS: tuple[Preset, ...] = (*FOREX, *FUTURES)


def find(slug: str) -> Preset | None:
    """The preset of that slug."""
    return next((preset for preset in PRESETS if preset.slug == slug), None)


__all__ = ["CHECK", "PRESETS", "Preset", "PresetPhase", "find"]

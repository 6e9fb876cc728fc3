"""What a preset is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

CHECK = "Check with the firm: its terms may have changed, and the text that it signed is the one that counts."


@dataclass(frozen=True, slots=True)
class PresetPhase:
    """One phase of a programme with its whole document."""

    slug: str
    name: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Preset:
    """A programme as its sources tell it; `notes` say what they leave open or contradict each other in."""

    slug: str
    firm: str
    name: str
    phases: tuple[PresetPhase, ...]
    sources: tuple[str, ...]  # addresses
    verified: date  # when the facts were last compared with the firm's pages
    notes: tuple[str, ...] = ()
    summary: str = ""
    size: str = "100000.00"  # of the account that its amounts are made for, where they are money

    @property
    def warnings(self) -> tuple[str, ...]:
        """What somebody who makes a plan of it must know first."""
        return (CHECK, *self.notes)

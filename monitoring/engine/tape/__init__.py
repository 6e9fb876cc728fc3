"""Recordings: their lines, and the player that both replay and the rule lab use."""

from __future__ import annotations

from monitoring.engine.tape.entries import (
    FORMAT,
    Entry,
    Gap,
    Header,
    Hold,
    Line,
    Refused,
    Release,
    Rulebook,
    Rules,
    SetBack,
    UnderRules,
    Unwatch,
    Watch,
    decode,
    encode,
    limits_of,
)
from monitoring.engine.tape.player import Player, RecordingError

__all__ = [
    "FORMAT",
    "Entry",
    "Gap",
    "Header",
    "Hold",
    "Line",
    "Player",
    "RecordingError",
    "Refused",
    "Release",
    "Rulebook",
    "Rules",
    "SetBack",
    "UnderRules",
    "Unwatch",
    "Watch",
    "decode",
    "encode",
    "limits_of",
]

"""The words of states and events, as pages say them (pure). Sentences of rules are the engine's own."""

from __future__ import annotations

import re

from accounts.templatetags import formats
from monitoring.engine.ruleset.sentences import TITLES

__all__ = ["EVENT_WORDS", "OPERATOR_WORDS", "STANDING_WORDS", "STATE_WORDS", "TITLES", "full_sentence", "legible"]

_INSTANT = re.compile(r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z")
_NEGATIVE = re.compile(r"(?<![\w.,-])-(?=\d)")

OPERATOR_WORDS = {"<": "falls below", "<=": "falls to or below", ">=": "is at or above"}
STATE_WORDS = {
    "ok": "Within its limits",
    "warned": "Warned",
    "breached": "Breached",
    "paused": "Paused until the reset",
    "unknown": "No verdict",
    "review": "In review",
}
STANDING_WORDS = {
    "ok": "Kept",
    "violated": "Not kept",
    "met": "Reached",
    "pending": "On the way",
    "unknown": "No verdict",
}
EVENT_WORDS = {
    "warned": "Warned",
    "stepped_up": "Warned again",
    "cleared": "Warning cleared",
    "breached": "Breached",
    "resumed": "Resumed",
    "target_reached": "Target reached",
    "violated": "Rule broken",
    "day_started": "Day started",
    "stale": "Data stale",
    "fresh": "Data fresh again",
    "refused": "Frame refused",
}


def legible(said: str) -> str:
    """What the engine says with instants and amounts as pages write them: "2026-11-23 01:00:00 UTC", U+2212."""
    return _NEGATIVE.sub(formats.MINUS, _INSTANT.sub(r"\1 \2 UTC", said))


def full_sentence(reason: str) -> str:
    """A reason of the engine as a sentence of a page: a capital and a full stop."""
    return f"{reason[:1].upper()}{reason[1:]}." if reason else ""

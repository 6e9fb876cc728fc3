"""What a challenge asks of an account, as officers and traders see it: sentences, cards, live cells. For views and
sockets alike, so that the first paint and every push say the same."""

from __future__ import annotations

from monitoring.objectives.cards import Card, cards, live_cells, rules_of, version_words
from monitoring.objectives.positions import positions
from monitoring.objectives.rulebook import Apart, LeftOut, Rule, Rulebook, rulebook, rulebook_of
from monitoring.objectives.words import EVENT_WORDS, OPERATOR_WORDS, STANDING_WORDS, STATE_WORDS

__all__ = [
    "EVENT_WORDS",
    "OPERATOR_WORDS",
    "STANDING_WORDS",
    "STATE_WORDS",
    "Apart",
    "Card",
    "LeftOut",
    "Rule",
    "Rulebook",
    "cards",
    "live_cells",
    "positions",
    "rulebook",
    "rulebook_of",
    "rules_of",
    "version_words",
]

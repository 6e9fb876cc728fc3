"""An override in words: what holds for the account instead of what its plan says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accounts import rulebooks
from accounts.models import Challenge, RuleOverride
from accounts.plan_forms import RULES
from monitoring.engine.ruleset import RuleSetError, parse_rule_set

NOT_THERE = "The plan has no such rule."
LEFT_OUT = "The rule does not apply to this account."


@dataclass(frozen=True, slots=True)
class Words:
    """Both as sentences."""

    title: str
    instead: str
    plan: str


def words_of(override: RuleOverride) -> Words:
    """The override beside the rule of the version that the challenge is pinned to now."""
    document = rulebooks.document_of(override.challenge)
    planned = rule_of(document, override.rule, override.ordinal)
    return Words(
        title=RULES[override.rule][0] if override.rule in RULES else override.rule,
        instead=LEFT_OUT if override.replacement is None else sentence(document, override.replacement),
        plan=NOT_THERE if planned is None else sentence(document, planned),
    )


def rule_of(document: Mapping[str, Any], rule: str, ordinal: int) -> Mapping[str, Any] | None:
    """The `ordinal`-th rule of that name; None where the document has fewer."""
    named = [one for one in document["rules"] if one.get("rule") == rule]
    return named[ordinal] if ordinal < len(named) else None


def planned_rules(challenge: Challenge) -> list[tuple[str, int, str]]:
    """Every rule of the pinned version: name, ordinal, sentence."""
    document, seen = rulebooks.document_of(challenge), dict[str, int]()
    found = []
    for one in document["rules"]:
        name = str(one.get("rule"))
        seen[name] = seen.get(name, -1) + 1
        found.append((name, seen[name], sentence(document, one)))
    return found


def sentence(document: Mapping[str, Any], rule: Mapping[str, Any]) -> str:
    """One rule under a document's general part, in words; why not, where the engine would not take it."""
    try:
        alone = parse_rule_set({**document, "rules": [rule]})
    except RuleSetError as error:
        return f"Cannot be used: {error}"
    return alone.sentence(alone.rules[0])

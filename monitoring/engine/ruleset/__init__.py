"""The rule set: one JSON document, validated whole, compiled once; `rules.md`, section 4."""

from __future__ import annotations

from monitoring.engine.ruleset.document import RuleSetError, parse_rule_set, warnings_by_path, with_initial
from monitoring.engine.ruleset.model import Amount, LossRule, OtherRule, RuleSet, Step

__all__ = [
    "Amount",
    "LossRule",
    "OtherRule",
    "RuleSet",
    "RuleSetError",
    "Step",
    "parse_rule_set",
    "warnings_by_path",
    "with_initial",
]

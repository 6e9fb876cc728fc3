"""The rule set: one JSON document, validated whole, compiled once; `rules.md`, section 4."""

from __future__ import annotations

from monitoring.engine.ruleset.document import RuleSetError, parse_rule_set
from monitoring.engine.ruleset.model import Amount, LossRule, RuleSet, Step

__all__ = ["Amount", "LossRule", "RuleSet", "RuleSetError", "Step", "parse_rule_set"]

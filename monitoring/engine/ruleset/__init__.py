"""The rule set: one JSON document, validated whole, compiled once; `rules.md`, section 4."""

from __future__ import annotations

from monitoring.engine.ruleset.compare import Difference, differences
from monitoring.engine.ruleset.document import parse_rule_set, warnings_by_path, with_initial
from monitoring.engine.ruleset.errors import RuleSetError
from monitoring.engine.ruleset.model import Amount, LossRule, OtherRule, RuleSet, Step
from monitoring.engine.ruleset.patch import Override, apply_overrides
from monitoring.engine.ruleset.text import load_document

__all__ = [
    "Amount",
    "Difference",
    "LossRule",
    "OtherRule",
    "Override",
    "RuleSet",
    "RuleSetError",
    "Step",
    "apply_overrides",
    "differences",
    "load_document",
    "parse_rule_set",
    "warnings_by_path",
    "with_initial",
]

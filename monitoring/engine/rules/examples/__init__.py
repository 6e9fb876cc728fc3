"""Worked examples of a plan's rules, with its own numbers: the engine is asked, nothing is computed beside it."""

from __future__ import annotations

from monitoring.engine.money import grouped
from monitoring.engine.rules.examples.exposure import EXPOSURE
from monitoring.engine.rules.examples.losses import loss_lines
from monitoring.engine.rules.examples.objectives import OBJECTIVES
from monitoring.engine.rules.examples.stage import Example, alone, entry
from monitoring.engine.rules.examples.trading import TRADING
from monitoring.engine.ruleset import LossRule, RuleSet
from monitoring.engine.ruleset.sentences import title_of

__all__ = ["Example", "worked_example"]

_LINES = {**EXPOSURE, **TRADING, **OBJECTIVES}


def worked_example(rule_set: RuleSet, index: int) -> Example:
    """Return an example of the rule at an index of the document: it alone, on an account of the plan's size."""
    lone = alone(rule_set, index)
    rule = lone.rules[0]
    size = f"{grouped(lone.initial_balance, lone.digits)} {lone.currency}"
    lines = loss_lines(lone, rule) if isinstance(rule, LossRule) else _LINES[rule.rule](lone, rule)
    lines = lines or [rule_set.sentence(rule)]
    return Example(f"{title_of(entry(rule_set, index))}, on an account of {size}", tuple(lines))

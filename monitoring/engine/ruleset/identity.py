"""What a rule set and its rules are known by when the rules of a running account change."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256

from monitoring.engine.ruleset.model import LossRule, RuleSet
from monitoring.engine.ruleset.normal import normal

_NO_LIMITS = frozenset({"version", "initial_balance", "currency"})


def digest_of(document: Mapping[str, object]) -> str:
    """Return the sha256 of a valid document's limits: what means the same has the same, whatever version or size."""
    limits = {key: value for key, value in normal(document).items() if key not in _NO_LIMITS}
    return sha256(json.dumps(limits, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def identities_of(rule_set: RuleSet) -> tuple[str, ...]:
    """Return one identity a rule, by index: name, for a maximum loss mode and mark source, and place among its like."""
    seen: Counter[str] = Counter()
    found = []
    for rule in rule_set.rules:
        kind = rule.rule
        if isinstance(rule, LossRule) and rule.mode:
            kind = ":".join(part for part in (rule.rule, rule.mode, rule.high_water) if part)
        found.append(f"{kind}#{seen[kind]}")
        seen[kind] += 1
    return tuple(found)

"""Accounts with one rule set apart from their plan: what an override would do before anybody sets it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts import rulebooks
from accounts.models import Challenge, RuleOverride
from monitoring.engine.money import minor_units
from monitoring.engine.ruleset import RuleSet as Compiled
from monitoring.engine.ruleset import parse_rule_set, with_initial
from monitoring.whatif.effects import Compiler, Effect, effects


@dataclass(frozen=True, slots=True)
class Wanted:
    """The `ordinal`-th rule of that name would be `replacement`; None: it would not apply."""

    rule: str
    ordinal: int
    replacement: Mapping[str, Any] | None


class _Compiler:
    """Rulebooks with the override put in, compiled once for all challenges that it makes alike."""

    def __init__(self, wanted: Wanted, at: datetime) -> None:
        self.wanted, self.at = wanted, at
        self._known: dict[str, Compiled] = {}

    def rulebook(self, challenge: Challenge) -> Compiled:
        """What would judge the challenge; raises RuleSetError."""
        place = (self.wanted.rule, self.wanted.ordinal)
        others = [one for one in rulebooks.active(challenge, self.at) if (one.rule, one.ordinal) != place]
        said = [(one.rule, one.ordinal, one.replacement) for one in others]
        key = json.dumps([challenge.rule_set_id, challenge.account.currency, said], sort_keys=True)
        if key not in self._known:
            override = RuleOverride(rule=place[0], ordinal=place[1], replacement=self.wanted.replacement)
            document = rulebooks.document_of(challenge)
            self._known[key] = parse_rule_set(rulebooks.effective(document, [*others, override]))
        found = self._known[key]
        return with_initial(found, minor_units(challenge.initial_balance, found.digits))


def effects_of_override(challenges: Sequence[Challenge], wanted: Wanted, at: datetime) -> list[Effect]:
    """What the override would do to these challenges now, in their order; their other overrides stay."""
    then = _Compiler(wanted, at)
    return effects(challenges, then.rulebook, at, Compiler(at))

"""Rule sets compiled once for each distinct document, whatever the number of accounts that they judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from monitoring.engine.money import minor_units
from monitoring.engine.ruleset import RuleSet, parse_rule_set, with_initial

Key = tuple[int, str, str]  # the version, the currency, the overrides' content
KEPT = 50_000  # sized rule sets: beyond it those that nobody asked for lately are let go


class Compiled:
    """The compiled rule sets of one book; a version never changes and an override neither, so nothing goes stale."""

    def __init__(self) -> None:
        self._whole: dict[Key, RuleSet] = {}
        self._sized: dict[tuple[Key, Decimal], RuleSet] = {}

    def get(self, key: Key, initial: Decimal, document: Callable[[], Mapping[str, object]]) -> RuleSet:
        """The rule set of `key` for accounts that started at `initial`; RuleSetError when its document is refused."""
        found = self._sized.get((key, initial))
        if found is None:
            whole = self._whole.get(key)
            if whole is None or initial <= 0:  # nothing to take percents of: the document says it in its own words
                whole = self._whole[key] = parse_rule_set(document())
            if len(self._sized) >= KEPT:
                self._sized.clear()
            found = self._sized[key, initial] = with_initial(whole, minor_units(initial, whole.digits))
        return found

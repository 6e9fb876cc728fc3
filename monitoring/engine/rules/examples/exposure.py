"""Worked examples of the limits on positions: at the limit, just above it, hedged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monitoring.engine.events import Event, EventKind
from monitoring.engine.rules.examples.stage import SECOND, Stage, morning, verdict
from monitoring.engine.ruleset import RuleSet
from monitoring.engine.ruleset.model import MaxLotsPerPosition, MaxLotsTotal, MaxPositions, Symbols
from monitoring.engine.ruleset.sentences import counted, lots_words, ordinal

_SYMBOL = "EURUSD"
_STEP = 1_000_000  # 0.01 lots
_MOST = 200  # positions that an example opens
_USUAL = ("EURUSD", "GBPUSD", "USDJPY", "XAUUSD", "US30", "BTCUSD", "AUDCHF")


def _per_position(rule_set: RuleSet, rule: MaxLotsPerPosition) -> list[str]:
    return [
        f"A position of {lots_words(lots)}: {verdict(_opened(rule_set, (lots, 'buy')), rule.rule)}."
        for lots in (rule.lots, rule.lots + _STEP)
    ]


def _total(rule_set: RuleSet, rule: MaxLotsTotal) -> list[str]:
    lots, more = lots_words(rule.lots), lots_words(rule.lots + _STEP)
    hedged = _opened(rule_set, (rule.lots, "buy"), (rule.lots, "sell"))
    return [
        f"{lots} of {_SYMBOL} bought: {verdict(_opened(rule_set, (rule.lots, 'buy')), rule.rule)}.",
        f"{more} of {_SYMBOL} bought: {verdict(_opened(rule_set, (rule.lots + _STEP, 'buy')), rule.rule)}.",
        f"{lots} of {_SYMBOL} bought and {lots} sold at the same time: {verdict(hedged, rule.rule)}.",
    ]


def _opened(rule_set: RuleSet, *positions: tuple[int, str]) -> list[Event]:
    stage = Stage(rule_set, morning(rule_set))
    events: list[Event] = []
    for number, (lots, side) in enumerate(positions):
        events += stage.open(stage.now + SECOND, f"p{number}", _SYMBOL, lots, side=side)
    return events


def _positions(rule_set: RuleSet, rule: MaxPositions) -> list[str]:
    if rule.positions > _MOST:
        return [f"The {ordinal(rule.positions + 1)} position that is open at once is the first violation."]
    within = _opened(rule_set, *[(_STEP, "buy")] * rule.positions)
    beyond = _opened(rule_set, *[(_STEP, "buy")] * (rule.positions + 1))
    return [
        f"{counted(rule.positions, 'position')} open at once: {verdict(within, rule.rule)}.",
        f"One more, {rule.positions + 1}: {verdict(beyond, rule.rule)}.",
    ]


def _symbols(rule_set: RuleSet, rule: Symbols) -> list[str]:
    allowed = [*sorted(rule.allow - rule.deny), *(name for name in _USUAL if not rule.allow and name not in rule.deny)]
    denied = [*sorted(rule.deny), *(name for name in _USUAL if rule.allow and name not in rule.allow)]
    names = [f"{name}.r" for name in allowed[:1]] + [f"{name}.r" for name in denied[:1]] + ["FROBNICATE"]
    lines = []
    for name in names:
        stage = Stage(rule_set, morning(rule_set))
        events = stage.open(stage.now + SECOND, "p1", name, _STEP)
        if any(event.event is EventKind.REFUSED for event in events):
            lines.append(f"A position in {name}: no violation; the name is not known, so the desk is asked what it is.")
        else:
            base = stage.snapshot.almanac.base_name(name, rule.allow | rule.deny)
            lines.append(f"A position in {name} (read as {base}): {verdict(events, rule.rule)}.")
    return lines


EXPOSURE: dict[str, Callable[[RuleSet, Any], list[str]]] = {
    "max_lots_per_position": _per_position,
    "max_lots_total": _total,
    "max_positions": _positions,
    "symbols": _symbols,
}

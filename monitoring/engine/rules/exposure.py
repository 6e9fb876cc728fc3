"""Limits on what is open: lots, number of positions, symbols; docs/rules.md, section 3. Pure of events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from monitoring.engine.market import lot_units, lots_text
from monitoring.engine.rules.findings import Finding
from monitoring.engine.ruleset.model import MaxLotsPerPosition, MaxLotsTotal, MaxPositions, OtherRule, RuleSet, Symbols
from monitoring.engine.snapshot import Account, OtherMemory
from monitoring.engine.snapshot.memory import want_closed

LIMITS = (MaxLotsPerPosition, MaxLotsTotal, MaxPositions)
_KNOWN: dict[str, frozenset[str]] = {}  # by the rule set's digest: asked for with every position
_KNOWN_KEPT = 1024
_SOLD = frozenset({"SELL", "sell", "Sell"})
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def judge_exposure(account: Account, at: datetime) -> list[Finding]:
    """Judge the limits on lots and positions by what is open now."""
    findings: list[Finding] = []
    lots: dict[str, int] | None = None
    for rule, memory in zip(account.rule_set.others, account.state.others, strict=True):
        if isinstance(rule, MaxLotsPerPosition | MaxLotsTotal):
            if lots is None:
                lots = {ident: lot_units(position.volume) for ident, position in account.positions.items()}
            if isinstance(rule, MaxLotsTotal):
                findings += _total(account, rule, memory, at, lots)
            else:
                findings += _per_position(account, rule, memory, at, lots)
        elif isinstance(rule, MaxPositions):
            findings += _number(account, rule, memory, at)
    return findings


def excess(account: Account, rule: OtherRule) -> frozenset[str]:
    """Return which open positions are above a limit on lots or positions, whether told or not."""
    lots = {ident: lot_units(position.volume) for ident, position in account.positions.items()}
    if isinstance(rule, MaxLotsPerPosition):
        return frozenset(ident for ident, units in lots.items() if units > rule.lots)
    if isinstance(rule, MaxLotsTotal):
        return frozenset(_newest_above(account, rule.lots, _shares(account, rule, lots)))
    if isinstance(rule, MaxPositions):
        return frozenset(_newest_above(account, rule.positions, dict.fromkeys(lots, ("", 1))))
    return frozenset()


def sleeps(account: Account, rule: OtherRule) -> bool:
    """Whether a rule waits: while an account is paused no rule pauses it again."""
    return rule.consequence == "pause" and account.state.paused_until is not None


def known_names(rule_set: RuleSet) -> frozenset[str]:
    """Return the base names that a rule set's own lists hold."""
    found = _KNOWN.get(rule_set.digest)
    if found is None:
        lists = [listed_names(rule) for rule in rule_set.others if isinstance(rule, Symbols)]
        if len(_KNOWN) >= _KNOWN_KEPT:
            _KNOWN.clear()
        found = _KNOWN[rule_set.digest] = frozenset().union(*lists)
    return found


def listed_names(rule: Symbols) -> frozenset[str]:
    """Return the base names that a rule's own lists hold."""
    return _union(rule.allow, rule.deny)


@lru_cache(maxsize=1024)
def _union(allow: frozenset[str], deny: frozenset[str]) -> frozenset[str]:
    return allow | deny


def _per_position(
    account: Account, rule: MaxLotsPerPosition, memory: OtherMemory, at: datetime, lots: Mapping[str, int]
) -> list[Finding]:
    above = [ident for ident, units in lots.items() if units > rule.lots]
    known = set(memory.told).intersection(above)
    memory.told = [ident for ident in memory.told if ident in known]
    findings = []
    for ident in above:
        if ident in known or sleeps(account, rule):
            continue
        memory.told.append(ident)
        memory.episode += 1
        symbol = account.positions[ident].symbol
        reason = (
            f"position {ident} has {lots_text(lots[ident])} lots of {symbol}: "
            f"{lots_text(rule.lots)} are allowed in one position"
        )
        findings.append(Finding(rule, memory, at, f"{ident}.{memory.episode}", reason, (ident,)))
    return findings


def _total(
    account: Account, rule: MaxLotsTotal, memory: OtherMemory, at: datetime, lots: Mapping[str, int]
) -> list[Finding]:
    held = sum(lots.values()) if rule.count == "gross" else _net(account, lots)
    if held <= rule.lots:
        memory.open = False
        return []

    words = "in all open positions" if rule.count == "gross" else "net of hedged positions, each symbol by itself"
    reason = f"{lots_text(held)} lots are open {words}: {lots_text(rule.lots)} are allowed"
    return _above(account, rule, memory, at, reason, rule.lots, lambda: _shares(account, rule, lots))


def _shares(account: Account, rule: MaxLotsTotal, lots: Mapping[str, int]) -> dict[str, tuple[str, int]]:
    """Return what each position adds to which sum: all of them to one, or each symbol's to its own."""
    return {ident: ("", units) for ident, units in lots.items()} if rule.count == "gross" else _legs(account, lots)


def _number(account: Account, rule: MaxPositions, memory: OtherMemory, at: datetime) -> list[Finding]:
    held = len(account.positions)
    if held <= rule.positions:
        memory.open = False
        return []
    reason = f"{held} positions are open: {rule.positions} are allowed"
    return _above(account, rule, memory, at, reason, rule.positions, lambda: dict.fromkeys(account.positions, ("", 1)))


def _above(
    account: Account,
    rule: OtherRule,
    memory: OtherMemory,
    at: datetime,
    reason: str,
    limit: int,
    shares: Callable[[], Mapping[str, tuple[str, int]]],
) -> list[Finding]:
    """Tell a limit that an account is above once; while it lasts, `close` goes on with what is opened on top."""
    if sleeps(account, rule):
        return []
    if memory.open and rule.consequence != "close":
        return []
    newest = _newest_above(account, limit, shares())
    if memory.open:
        for ident in newest:
            want_closed(account.state, ident, account.state.closing.get(ident, memory.key), memory.of)
        return []
    memory.open = True
    memory.episode += 1
    return [Finding(rule, memory, at, str(memory.episode), reason, newest)]


def _newest_above(account: Account, limit: int, shares: Mapping[str, tuple[str, int]]) -> tuple[str, ...]:
    """Return the newest positions, as many as it takes to be within the limit without them.

    `shares`: what each position adds to which of the sums whose absolute values, taken together, the limit is on.
    """
    sums: dict[str, int] = {}
    for name, units in shares.values():
        sums[name] = sums.get(name, 0) + units
    held = sum(map(abs, sums.values()))
    above = []
    newest = sorted(
        account.positions.values(), key=lambda position: (position.open_time or _LONG_AGO, position.id), reverse=True
    )
    for position in newest:
        if held <= limit:
            break
        name, units = shares[position.id]
        held += abs(sums[name] - units) - abs(sums[name])
        sums[name] -= units
        above.append(position.id)
    return tuple(above)


def _net(account: Account, lots: Mapping[str, int]) -> int:
    """Return the absolute differences of bought and sold lots, summed over the symbols."""
    net: dict[str, int] = {}
    for name, units in _legs(account, lots).values():
        net[name] = net.get(name, 0) + units
    return sum(map(abs, net.values()))


def _legs(account: Account, lots: Mapping[str, int]) -> dict[str, tuple[str, int]]:
    """Return each position's base name (the raw one where there is none) and its lots, those sold below zero."""
    known, almanac = known_names(account.rule_set), account.owner.almanac
    names: dict[str, str] = {}
    legs = {}
    for ident, units in lots.items():
        position = account.positions[ident]
        name = names.get(position.symbol)
        if name is None:
            name = names[position.symbol] = almanac.base_name(position.symbol, known) or position.symbol
        legs[ident] = name, -units if position.type in _SOLD else units
    return legs

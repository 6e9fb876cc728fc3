"""Limits on what is open: lots, number of positions, symbols; docs/rules.md, section 3. Pure of events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from monitoring.engine.market import lot_units, lots_text
from monitoring.engine.messages import Position
from monitoring.engine.rules.findings import Finding
from monitoring.engine.ruleset.model import MaxLotsPerPosition, MaxLotsTotal, MaxPositions, OtherRule, RuleSet, Symbols
from monitoring.engine.snapshot import Account, OtherMemory

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def judge_exposure(account: Account, at: datetime) -> list[Finding]:
    """Judge the limits on lots and positions by what is open now."""
    findings: list[Finding] = []
    for rule, memory in zip(account.rule_set.others, account.state.others, strict=True):
        if isinstance(rule, MaxLotsPerPosition):
            findings += _per_position(account, rule, memory, at)
        elif isinstance(rule, MaxLotsTotal):
            findings += _total(account, rule, memory, at)
        elif isinstance(rule, MaxPositions):
            findings += _number(account, rule, memory, at)
    return findings


def sleeps(account: Account, rule: OtherRule) -> bool:
    """Whether a rule waits: while an account is paused no rule pauses it again."""
    return rule.consequence == "pause" and account.state.paused_until is not None


def known_names(rule_set: RuleSet) -> frozenset[str]:
    """Return the base names that a rule set's own lists hold."""
    lists = [rule.allow | rule.deny for rule in rule_set.others if isinstance(rule, Symbols)]
    return frozenset().union(*lists)


def _per_position(account: Account, rule: MaxLotsPerPosition, memory: OtherMemory, at: datetime) -> list[Finding]:
    above = {ident: units for ident, position in account.positions.items()
             if (units := lot_units(position.volume)) > rule.lots}  # fmt: skip
    memory.told = [ident for ident in memory.told if ident in above]
    findings = []
    for ident, units in above.items():
        if ident in memory.told or sleeps(account, rule):
            continue
        memory.told.append(ident)
        memory.episode += 1
        position = account.positions[ident]
        reason = (
            f"position {ident} has {lots_text(units)} lots of {position.symbol}: {lots_text(rule.lots)} are allowed "
            "in one position"
        )
        findings.append(Finding(rule, memory, at, f"{ident}.{memory.episode}", reason, (ident,)))
    return findings


def _total(account: Account, rule: MaxLotsTotal, memory: OtherMemory, at: datetime) -> list[Finding]:
    measure = _gross if rule.count == "gross" else _net(account)
    held = measure(list(account.positions.values()))
    words = "in all open positions" if rule.count == "gross" else "net of hedged positions, each symbol by itself"
    reason = f"{lots_text(held)} lots are open {words}: {lots_text(rule.lots)} are allowed"
    return _episode(account, rule, memory, at, reason, lambda left: measure(left) <= rule.lots)


def _number(account: Account, rule: MaxPositions, memory: OtherMemory, at: datetime) -> list[Finding]:
    held = len(account.positions)
    reason = f"{held} positions are open: {rule.positions} are allowed"
    return _episode(account, rule, memory, at, reason, lambda left: len(left) <= rule.positions)


def _episode(
    account: Account,
    rule: OtherRule,
    memory: OtherMemory,
    at: datetime,
    reason: str,
    kept: Callable[[Sequence[Position]], bool],
) -> list[Finding]:
    """Tell a limit that an account is above once; while it lasts, `close` goes on with what is opened on top."""
    if kept(list(account.positions.values())):
        memory.open = False
        return []
    if sleeps(account, rule):
        return []
    excess = _newest_above(account, kept)
    if not memory.open:
        memory.open = True
        memory.episode += 1
        return [Finding(rule, memory, at, str(memory.episode), reason, excess)]
    if rule.consequence == "close":
        for ident in excess:
            account.state.closing.setdefault(ident, memory.key)
    return []


def _newest_above(account: Account, kept: Callable[[Sequence[Position]], bool]) -> tuple[str, ...]:
    """Return the newest positions, as many as it takes to be within the limit without them."""
    left = sorted(account.positions.values(), key=lambda position: (position.open_time or _LONG_AGO, position.id))
    excess = []
    while left and not kept(left):
        excess.append(left.pop().id)
    return tuple(excess)


def _gross(positions: Sequence[Position]) -> int:
    return sum(lot_units(position.volume) for position in positions)


def _net(account: Account) -> Callable[[Sequence[Position]], int]:
    known, almanac = known_names(account.rule_set), account.owner.almanac
    names = {
        position.symbol: almanac.base_name(position.symbol, known) or position.symbol
        for position in account.positions.values()
    }

    def measure(positions: Sequence[Position]) -> int:
        balance: dict[str, int] = {}
        for position in positions:
            name, units = names[position.symbol], lot_units(position.volume)
            sold = position.type.upper().startswith("SELL")
            balance[name] = balance.get(name, 0) + (-units if sold else units)
        return sum(map(abs, balance.values()))

    return measure

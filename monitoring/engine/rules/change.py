"""Other rules for a running account: a move, an override and its end are the same operation; docs/rules.md, 6."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from monitoring.engine.events import Event, EventKind
from monitoring.engine.rules.conduct import await_stops, await_symbols, stands
from monitoring.engine.rules.exposure import LIMITS, excess
from monitoring.engine.rules.freshness import may_judge_at
from monitoring.engine.rules.loss import risk_equity
from monitoring.engine.rules.others import reschedule, settle
from monitoring.engine.rules.timers import advance
from monitoring.engine.rules.verdicts import judge_losses
from monitoring.engine.ruleset import RuleSet
from monitoring.engine.ruleset.model import OtherRule, StopLossRequired, Symbols
from monitoring.engine.snapshot import Account, Snapshot, adapt
from monitoring.engine.snapshot.memory import let_stay

Others = tuple[OtherRule, ...]
_compared: tuple[Others, Others, bool] = ((), (), True)  # the two that were compared last, and whether they were equal
_symbols: tuple[Others, Others, frozenset[str]] = ((), (), frozenset())  # likewise, and which symbols rules came


def change_rules(snapshot: Snapshot, account_id: str, rule_set: RuleSet, at: datetime) -> list[Event]:
    """Judge an account by another rule set from `at` on; returns what the last known state comes to under it.

    KeyError for an account that is not watched. Where the limits are the same, only their version changes.
    """
    account = snapshot.accounts[account_id]
    events = advance(account, at) if account.state.next_reset is not None else []
    state = account.flush()
    account.touch()
    if state.rule_set_digest == rule_set.digest:
        account.judge_by(rule_set)
        state.rule_set_version = rule_set.version
        return events
    judged = not state.pending and _judged_alike(account.rule_set, rule_set)
    known, before = {memory.of for memory in state.others}, account.rule_set
    adapt(state, rule_set, risk_equity(account, state), at)
    account.judge_by(rule_set)
    if state.closing_for:
        _let_stay(account, before)
    if judged:
        state.pending = False  # the other rules have said what they have to say of all that is known
        events += _judge_losses_anew(account, at)
    else:
        _look_at_what_is_open(account, known, before)
        events += _judge_anew(account, at)
    if account.state.pending:
        reschedule(account, at)
    account.set_alarm()
    account.disturb()  # the next update computes the band: thousands may wait for their turn here
    return events


def _named(rule_set: RuleSet, names: Collection[str]) -> dict[str, OtherRule]:
    """Return the rules of these identities, wherever they stand in the document."""
    of = rule_set.identities
    return {of[rule.index]: replace(rule, index=0) for rule in rule_set.others if of[rule.index] in names}


def _let_stay(account: Account, before: RuleSet) -> None:
    """Close no longer what only a rule as it was `before` wanted closed: who is given more room keeps his position."""
    state = account.state
    wanting = {of for rules in state.closing_for.values() for of in rules}
    old = _named(before, wanting)
    for of, rule in _named(account.rule_set, wanting).items():
        if old.get(of) == rule:
            continue
        above = excess(account, rule) if isinstance(rule, LIMITS) else None
        for ident in [ident for ident, rules in state.closing_for.items() if of in rules]:
            if not (ident in above if above is not None else stands(account, rule, ident)):
                let_stay(state, ident, of)


def _look_at_what_is_open(account: Account, known: set[str], before: RuleSet) -> None:
    """Have the stops and symbols of open positions looked at where the rule on them came with the change."""
    symbols = _new_symbols(before, account.rule_set)
    for rule, memory in zip(account.rule_set.others, account.state.others, strict=True):
        if isinstance(rule, StopLossRequired) and memory.of not in known:
            await_stops(account, rule, memory)
        elif memory.of in symbols:
            await_symbols(account, memory)


def _new_symbols(before: RuleSet, after: RuleSet) -> frozenset[str]:
    """Identities of the symbols rules that are new or other ones; kept as the answer of `_same` is."""
    global _symbols
    kept = _symbols  # read once: previews ask from several threads
    if kept[0] is not before.others or kept[1] is not after.others:
        names = {after.identities[rule.index] for rule in after.others if isinstance(rule, Symbols)}
        old, new = _named(before, names), _named(after, names)
        kept = _symbols = before.others, after.others, frozenset(of for of in names if old.get(of) != new[of])
    return kept[2]


def _judged_alike(old: RuleSet, new: RuleSet) -> bool:
    """Whether two rule sets differ in their loss rules alone: most changes do, and concern thousands of accounts."""
    return (
        _same(old.others, new.others)
        and (old.reset, old.trading_week, old.count_credit, old.adjust, old.stale_after, old.fresh_for)
        == (new.reset, new.trading_week, new.count_credit, new.adjust, new.stale_after, new.fresh_for)
    )  # fmt: skip


def _same(old: Others, new: Others) -> bool:
    """Compare the other rules of two rule sets; the answer is kept, for many accounts ask about the same two."""
    global _compared
    kept = _compared
    if kept[0] is not old or kept[1] is not new:
        kept = _compared = old, new, old == new
    return kept[2]


def _judge_losses_anew(account: Account, at: datetime) -> list[Event]:
    """As `_judge_anew`, where only the loss rules are others."""
    if account.figures is None or not may_judge_at(account, at):
        return []
    return judge_losses(account, at)


def _judge_anew(account: Account, at: datetime) -> list[Event]:
    """What the new rules make of what is known; stale data waits for the first fresh message."""
    if account.figures is None or not may_judge_at(account, at):
        return []
    losses = judge_losses(account, at)
    breached = bool(losses) and losses[0].event is EventKind.BREACHED
    if account.state.breach is not None:
        return losses
    return losses + settle(account, at, updated=True, breached=breached)

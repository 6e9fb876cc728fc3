"""What an account remembers of its rules: at the start of a challenge, and when its rules change under it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from msgspec.structs import replace

from monitoring.engine.ruleset import RuleSet
from monitoring.engine.ruleset.model import SoftBreaches, StopLossRequired, Symbols
from monitoring.engine.snapshot.state import AccountState, Breach, OtherMemory, RuleState
from monitoring.engine.trading_day import next_reset


def fresh_state(
    rule_set: RuleSet, challenge: str, initial_balance: int, created: datetime | None = None
) -> AccountState:
    """Return the state of an account before its first frame: on the first day REF = S, and H starts at S."""
    return AccountState(
        challenge=challenge,
        initial_balance=initial_balance,
        rule_set_version=rule_set.version,
        rule_set_digest=rule_set.digest,
        day_start_balance=initial_balance,
        day_start_equity=initial_balance,
        peak=initial_balance,
        rules=[_mark(rule_set.identities[rule.index], initial_balance) for rule in rule_set.loss_rules],
        others=[OtherMemory(of=rule_set.identities[rule.index]) for rule in rule_set.others],
        created_at=created,
    )


def fits(state: AccountState, rule_set: RuleSet) -> bool:
    """Whether a state was made under these very limits; the number of the version aside."""
    if state.rule_set_digest:
        return state.rule_set_digest == rule_set.digest
    return state.rule_set_version == rule_set.version and len(state.rules) == len(rule_set.loss_rules)


def adapt(state: AccountState, rule_set: RuleSet, equity: int, now: datetime | None) -> None:
    """Make a state fit another rule set: `docs/rules.md`, section 6. `equity`: risk equity now, in minor units.

    A rule keeps its memory if its identity is the same. A state of an earlier release does not say whose memory it is:
    as many loss rules as before are taken for the same ones, else all are new; what the account has been through stays.
    """
    if not state.rule_set_digest:
        if len(state.rules) != len(rule_set.loss_rules):
            state.rules = [_mark("", state.initial_balance) for _ in rule_set.loss_rules]
        name_rules(state, rule_set)
    marks, memories = {mark.of: mark for mark in state.rules}, {memory.of: memory for memory in state.others}
    size, names = state.initial_balance, rule_set.identities
    state.breach = _moved(state.breach, rule_set)
    state.pause = _moved(state.pause, rule_set)
    state.rules = [marks.get(names[rule.index]) or _mark(names[rule.index], size) for rule in rule_set.loss_rules]
    for mark in state.rules:
        mark.step = min(mark.step, len(rule_set.warn_at))
    state.others = [memories.get(names[rule.index]) or OtherMemory(of=names[rule.index]) for rule in rule_set.others]
    closing = {names[rule.index] for rule in rule_set.others if rule.consequence == "close"}
    for position, wanting in list(state.closing_for.items()):
        for of in wanting:
            if of not in closing:
                let_stay(state, position, of)
    state.peak = max(state.peak, equity)
    state.rule_set_version, state.rule_set_digest = rule_set.version, rule_set.digest
    state.generation += 1
    state.pending = True
    if now is not None and state.next_reset is not None:
        state.next_reset = next_reset(now, rule_set.reset)
        if state.paused_until is not None:
            state.paused_until = state.next_reset


def look_at_open(state: AccountState, rule_set: RuleSet, known: Collection[str]) -> None:
    """Have the rules on stops and symbols look at what is open, where they are new to a state that is restored.

    `known`: whose memory it had. Whether a symbols rule is the one that it was nobody can tell; what is told stays so.
    """
    since = state.created_at
    for rule, memory in zip(rule_set.others, state.others, strict=True):
        if isinstance(rule, Symbols):
            memory.awaiting = [held.id for held in state.positions]
        elif isinstance(rule, StopLossRequired) and memory.of not in known:
            dated = [(held.id, held.open_time) for held in state.positions if held.open_time is not None]
            memory.awaiting = [ident for ident, opened in dated if since is None or opened >= since]


def count_as_told(state: AccountState, rule_set: RuleSet) -> None:
    """Note that the soft breaches of a restored state were judged under these very rules, by whichever release.

    Where a change of rules still waits to be judged nobody knows, and the state of this release says it itself.
    """
    if state.pending and state.generation:
        return
    for rule, memory in zip(rule_set.others, state.others, strict=True):
        if isinstance(rule, SoftBreaches):
            memory.open = memory.open or soft_breaches(state, rule) > rule.allowed


def soft_breaches(state: AccountState, rule: SoftBreaches) -> int:
    """Return how many soft breaches count now: of the challenge, or of the last `window_days` trading-day dates."""
    if rule.window_days is None or state.day is None:
        return len(state.soft_breaches)
    oldest = state.day - timedelta(days=rule.window_days - 1)
    return sum(day >= oldest for day in state.soft_breaches)


def want_closed(state: AccountState, position: str, event_key: str, of: str) -> None:
    """Note that the rule known as `of` wants an open position closed, and by which event."""
    state.closing[position] = event_key
    rules = state.closing_for.get(position, ())
    if of not in rules:
        state.closing_for[position] = (*rules, of)


def let_stay(state: AccountState, position: str, of: str) -> None:
    """Note that the rule known as `of` no longer wants a position closed; it stays unless another one does."""
    left = tuple(one for one in state.closing_for.get(position, ()) if one != of)
    if left:
        state.closing_for[position] = left
    else:
        state.closing.pop(position, None)
        state.closing_for.pop(position, None)


def name_rules(state: AccountState, rule_set: RuleSet) -> None:
    """Write into a state that fits whose memory is whose: one of an earlier release does not say it."""
    if not state.rule_set_digest:  # of a release that knew the loss rules only
        state.others = [OtherMemory() for _ in rule_set.others]
        state.idle_from = state.now or state.last_ts  # nobody knows what was opened before
    for rule, mark in zip(rule_set.loss_rules, state.rules, strict=True):
        mark.of = rule_set.identities[rule.index]
    for other, memory in zip(rule_set.others, state.others, strict=True):
        memory.of = rule_set.identities[other.index]
    state.rule_set_version, state.rule_set_digest = rule_set.version, rule_set.digest


def _mark(of: str, size: int) -> RuleState:
    return RuleState(high=size, high_before=size, of=of)


def _moved(facts: Breach | None, rule_set: RuleSet) -> Breach | None:
    """A breach stays a breach; `index` says where its rule stands now, -1 if it is gone."""
    if facts is None:
        return None
    names = rule_set.identities
    return replace(facts, index=names.index(facts.of) if facts.of in names else -1)

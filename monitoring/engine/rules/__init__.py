"""The whole order of work for one message: `process`; and what every rule answers now: `readings`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from monitoring.engine.events import Event, Reading, ReadingState
from monitoring.engine.messages import AccountUpdate, Clock, Link, Market, Message
from monitoring.engine.rules.apply import apply, refuse
from monitoring.engine.rules.band import settle_band
from monitoring.engine.rules.change import change_rules
from monitoring.engine.rules.clock import link_changed, set_market, tick
from monitoring.engine.rules.freshness import doubtful, staleness
from monitoring.engine.rules.judge import breach_event
from monitoring.engine.rules.loss import Level, levels, reason, risk_equity
from monitoring.engine.snapshot import Account, Snapshot

__all__ = [
    "breach_event",
    "change_rules",
    "doubtful",
    "levels",
    "process",
    "readings",
    "refuse",
    "settle_band",
    "staleness",
]

_NOTHING: tuple[Event, ...] = ()


def process(snapshot: Snapshot, message: Message) -> Sequence[Event]:
    """Apply one message and return its events; nearly always none.

    An update inside its account's quiet band changes nothing but figures: it is kept as it is and read later.
    """
    if type(message) is not AccountUpdate:
        return _process_other(snapshot, message)
    try:
        account = snapshot.accounts[message.account_id]
    except KeyError:
        return _process_other(snapshot, message)
    figures = message.data
    equity, balance, seq = figures.equity, figures.balance, message.seq
    # Not chained: CPython specialises a comparison only where its answer is branched on at once.
    if (
        account.low < equity
        and equity < account.high
        and seq == account.next_seq
        and account.balance_low < balance
        and balance < account.balance_high
        and message.ts < account.quiet_until
        and figures.credit == account.quiet_credit
        and figures.status == account.quiet_status
    ):
        account.next_seq = seq + 1
        account.last = message
        if not account.dirty:
            account.touch()
        return _NOTHING
    if account.high <= equity < account.ceiling and account.low < equity and _rises(account, message):
        return _NOTHING
    return apply(snapshot, account, message)


def _rises(account: Account, message: AccountUpdate) -> bool:
    """Take an update that does nothing but lift an intraday mark: the lower bound follows it, exactness comes later."""
    figures = message.data
    if (
        message.seq != account.next_seq
        or not account.balance_low < figures.balance < account.balance_high
        or message.ts >= account.quiet_until
        or figures.credit != account.quiet_credit
        or figures.status != account.quiet_status
    ):
        return False
    account.mark = message
    account.high = figures.equity
    account.low = max(account.low, figures.equity * account.rise_share + account.rise_base)
    account.next_seq += 1
    account.last = message
    account.touch()
    return True


def _process_other(snapshot: Snapshot, message: Message) -> Sequence[Event]:
    if isinstance(message, Clock):
        return tick(snapshot, message.ts)
    if isinstance(message, Link):
        return link_changed(snapshot, message)
    if isinstance(message, Market):
        set_market(snapshot, message)
        return _NOTHING
    account = snapshot.accounts.get(message.account_id)
    if account is None:
        snapshot.counts.unknown_account += 1
        snapshot.unknown.add(message.account_id)
        snapshot.link.saw(message.ts)
        return _NOTHING
    return apply(snapshot, account, message)


def readings(account: Account, now: datetime) -> tuple[Reading, ...]:
    """Return what every loss rule answers now, exactly; `unknown` wherever the data cannot be trusted."""
    if account.figures is None:
        return ()
    doubt = doubtful(account, now)
    return tuple(_reading(account, level, doubt) for level in levels(account))


def _reading(account: Account, level: Level, doubt: str) -> Reading:
    sentence = reason(account, level)
    latch = _latched(account, level)
    state, step = (latch, 0) if latch is not None else _state_of(account, level)
    if doubt and latch is None:
        state, sentence = ReadingState.UNKNOWN, f"{doubt}; {sentence}"
    return Reading(
        rule=level.rule.rule,
        index=level.rule.index,
        state=state,
        floor=level.floor,
        measured=level.measured,
        anchor=level.anchor,
        room=level.measured - level.floor,
        used=level.used,
        operator=level.rule.operator,
        consequence=level.rule.consequence,
        step=step,
        reason=sentence,
        rule_set_version=account.rule_set.version,
        inputs=_inputs(account, level),
    )


def _inputs(account: Account, level: Level) -> dict[str, int]:
    """The figures that an answer rests on; the anchor under the name of what it is."""
    state, rule = account.state, level.rule
    anchor = rule.reference or ("high_water" if rule.mode == "trailing" else "initial")
    return {
        "balance": state.balance,
        "equity": risk_equity(account, state),
        "credit": state.credit,
        "initial_balance": state.initial_balance,
        "day_moves": state.day_moves,
        anchor: level.anchor,
    }


def _latched(account: Account, level: Level) -> ReadingState | None:
    """A breach stands whatever has become of the data."""
    state, index = account.state, level.rule.index
    if state.breach is not None and state.breach.index == index:
        return ReadingState.BREACHED
    if state.paused_until is not None and state.pause is not None and state.pause.index == index:
        return ReadingState.PAUSED
    return None


def _state_of(account: Account, level: Level) -> tuple[ReadingState, int]:
    """The level itself, then the episode (by level where no episode can be open)."""
    state = account.state
    if level.crossed:
        return (ReadingState.BREACHED if level.rule.consequence == "fail" else ReadingState.PAUSED), 0
    step = level.memory.step
    if state.review or state.breach is not None or state.paused_until is not None:
        step = level.steps(account.rule_set.warn_at)
    return (ReadingState.WARNED if step else ReadingState.OK), step

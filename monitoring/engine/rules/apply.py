"""Applies one message to one account, in the order that `rules.md`, section 5 fixes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from monitoring.engine import messages
from monitoring.engine.events import Event, EventKind
from monitoring.engine.market import lot_units
from monitoring.engine.messages import AccountMessage, AccountUpdate, BalanceOperation, Resync
from monitoring.engine.money import minor_units
from monitoring.engine.rules.band import settle_band
from monitoring.engine.rules.day import amend_start
from monitoring.engine.rules.freshness import UNREPORTED, settle_freshness
from monitoring.engine.rules.judge import notice
from monitoring.engine.rules.loss import risk_equity
from monitoring.engine.rules.others import catch_up, settle
from monitoring.engine.rules.positions import close, hold, take_reading
from monitoring.engine.rules.timers import advance
from monitoring.engine.rules.verdicts import judge_losses
from monitoring.engine.snapshot import Account, Deal, Snapshot
from monitoring.engine.snapshot.account import EVENT_IDS_KEPT

READING_LASTS = timedelta(seconds=5)  # how old a reading by REST may be when it comes
GONE = frozenset({"not_found", "not_listed"})  # what a connector says of an account that its upstream no longer has
MOVING = frozenset({"deposit", "withdrawal", "payout", "correction", "bonus"})


def apply(snapshot: Snapshot, account: Account, message: AccountMessage) -> list[Event]:
    """Apply a message of a watched account; late and repeated ones change nothing and are counted."""
    state = account.flush()
    if not _is_to_apply(snapshot, account, message):
        snapshot.link.saw(message.ts)
        return _late_resync(snapshot, account, message) if isinstance(message, Resync) else []
    try:
        _check_numbers(account, message)
    except ValueError as error:
        snapshot.link.saw(message.ts)
        return refuse(snapshot, account, "not_finite", str(error), message.ts)
    events = advance(account, message.ts)
    snapshot.link.saw(message.ts)  # only now: it is no proof that the link was alive when something was due before
    snapshot.counts.applied += 1
    account.touch()
    if isinstance(message, AccountUpdate):
        account.last = message
        account.take(message)
        account.settled = message
        _remember(account, message)
        events += _evaluate(snapshot, account, message.ts)
    elif isinstance(message, Resync):
        deals = _take_resync(account, message)
        events += _evaluate(snapshot, account, message.ts, deals, moved=True)
    else:
        _remember(account, message)
        if message.seq is not None and not isinstance(message, messages.AccountNotice):
            state.structure_seq = message.seq
        if state.last_ts is None or message.ts > state.last_ts:
            state.last_ts = message.ts
        events += _apply_other(snapshot, account, message)
    account.next_seq = -1 if state.last_seq is None else state.last_seq + 1
    return events


def refuse(snapshot: Snapshot, account: Account | None, reason: str, detail: str, at: datetime) -> list[Event]:
    """Count a refused frame; its account's readings become unknown until the next good update (told once)."""
    refused = snapshot.counts.refused
    refused[reason] = refused.get(reason, 0) + 1
    if account is None:
        return []
    state = account.flush()
    known, state.doubt = state.doubt, detail
    account.disturb()
    account.touch()
    if known:
        return []
    state.refused_count += 1
    return [notice(account, EventKind.REFUSED, at, state.refused_count, detail)]


def _is_to_apply(snapshot: Snapshot, account: Account, message: AccountMessage) -> bool:
    if isinstance(message, Resync):
        return _resync_is_newer(account, message)
    return not _waits(snapshot, account, message) and _is_new(snapshot, account, message)


def _waits(snapshot: Snapshot, account: Account, message: AccountMessage) -> bool:
    """Whether a message after a hole in the numbers is kept until what is missing has been fetched."""
    seq, last = message.seq, account.state.last_seq
    if snapshot.hold is None or seq is None or last is None or seq <= last + 1:
        return False
    return snapshot.hold(account.id, last, message)


def _is_new(snapshot: Snapshot, account: Account, message: messages.Envelope) -> bool:
    state = account.state
    seq, last = message.seq, state.last_seq
    if seq is not None and last is not None:
        if seq <= last:
            if seq == last:
                snapshot.counts.repeated += 1
            else:
                snapshot.counts.late += 1
                if state.last_ts is not None and message.ts > state.last_ts:
                    snapshot.gaps.add(account.id)  # later, yet numbered lower: the upstream may count anew
            return False
        if seq > last + 1:
            snapshot.counts.gaps += 1
            snapshot.gaps.add(account.id)
    if _is_repeated(account, message):
        snapshot.counts.repeated += 1
        if seq is not None:
            state.last_seq, account.next_seq = seq, seq + 1  # its number is used up all the same
        return False
    if seq is not None and last is not None:
        return True
    if state.last_ts is not None and message.ts < state.last_ts:
        snapshot.counts.late += 1
        return False
    return True


def _is_repeated(account: Account, message: messages.Envelope) -> bool:
    """Whether an event of this id was applied: the last update, or one of the newest that no later update undoes."""
    event_id, newest = message.event_id, account.last
    if event_id is None:
        return False
    return event_id in account.state.event_ids or (newest is not None and event_id == newest.event_id)


def _resync_is_newer(account: Account, message: Resync) -> bool:
    """A reading with a lower seq is older than what is known, unless the upstream numbers anew.

    A new link may, and one that does in the middle is known by readings that are far later and still numbered lower.
    """
    state = account.state
    if message.seq is not None and state.last_seq is not None:
        anew = state.renumbered or (state.last_ts is not None and message.ts - state.last_ts > READING_LASTS)
        return anew or message.seq >= state.last_seq
    return state.last_ts is None or message.ts >= state.last_ts


def _remember(account: Account, message: messages.Envelope) -> None:
    state = account.state
    state.renumbered = False
    if message.seq is not None:
        state.last_seq = message.seq
    if message.event_id is not None and (message.seq is None or not isinstance(message, AccountUpdate)):
        state.event_ids.append(message.event_id)
        del state.event_ids[:-EVENT_IDS_KEPT]


def _check_numbers(account: Account, message: AccountMessage) -> None:
    """Raise ValueError for money and lots that are no numbers."""
    digits = account.rule_set.digits
    if isinstance(message, AccountUpdate | Resync):
        for value in (message.data.balance, message.data.equity, message.data.credit):
            minor_units(value, digits)
    elif isinstance(message, BalanceOperation):
        minor_units(message.data.amount, digits)
    elif isinstance(message, messages.PositionClosed):
        lot_units(message.data.remaining_volume)
    elif isinstance(message, messages.PositionOpened | messages.PositionModified):
        lot_units(message.data.volume)
    if isinstance(message, Resync):
        for position in message.positions:
            lot_units(position.volume)


def _evaluate(
    snapshot: Snapshot, account: Account, ts: datetime, deals: Sequence[Deal] = (), *, moved: bool = False
) -> list[Event]:
    """High-water marks and peak, floors, readings, events, the other rules; then the band for what follows."""
    state = account.state
    state.doubt = ""
    _raise_marks(account, ts)
    now = snapshot.link.now
    events: list[Event] = []
    if now is None or ts > now:
        now = ts
    if state.stale or state.status in UNREPORTED or now - ts >= account.stale_after:  # else it is surely fresh
        events += settle_freshness(account, ts, now)
    at = _judged_at(account, ts)
    losses = judge_losses(account, at)
    breached = bool(losses) and losses[0].event is EventKind.BREACHED
    events += losses
    events += settle(account, at, deals, moved=moved, updated=True, breached=breached)
    if state.lowest_equity is not None:
        state.lowest_equity = min(state.lowest_equity, risk_equity(account, state))
    settle_band(account)
    return events


def _judged_at(account: Account, ts: datetime) -> datetime:
    """What comes after the reset that it precedes is judged at the reset."""
    started = account.state.day_started_at
    return ts if started is None or ts > started else started


def _raise_marks(account: Account, ts: datetime) -> None:
    state = account.state
    if state.day_started_at is not None and ts < state.day_started_at:
        if not state.day_open:
            amend_start(account)
    else:
        state.day_open = True
    account.raise_equity_marks(risk_equity(account, state))
    for rule, memory in zip(account.rule_set.loss_rules, state.rules, strict=True):
        if rule.high_water == "balance_closed":
            memory.high = max(memory.high, state.balance)


def _take_resync(account: Account, message: Resync) -> list[Deal]:
    state = account.state
    watched = state.figures is not None
    if message.seq is not None and state.last_seq is not None and message.seq < state.last_seq:
        state.event_ids.clear()  # a server that numbers anew may use its ids anew
    update = AccountUpdate(account_id=message.account_id, ts=message.ts, seq=message.seq, data=message.data)
    account.last = update
    account.take(update)
    account.settled = update
    state.renumbered = False
    state.structure_seq = state.last_seq
    return _take_structure(account, message, watched=watched)


def _take_structure(account: Account, message: Resync, *, watched: bool) -> list[Deal]:
    """Positions and lock, as the upstream has them."""
    state = account.state
    state.locked = message.locked
    state.lock_reason = message.lock_reason or ""
    state.locked_until = message.locked_until
    return take_reading(account, message.positions, message.ts, watched=watched)


def _late_resync(snapshot: Snapshot, account: Account, message: Resync) -> list[Event]:
    """Figures that are older than the newest update are not judged; positions and lock may still be the newest word."""
    snapshot.counts.late += 1
    seq, newest = message.seq, account.state.structure_seq
    if seq is not None and newest is not None and seq < newest:
        snapshot.gaps.add(account.id)  # something else has happened since: read again
    elif seq is not None:
        account.touch()
        deals = _take_structure(account, message, watched=True)
        return settle(account, _judged_at(account, message.ts), deals, moved=True)
    return []


def _apply_other(snapshot: Snapshot, account: Account, message: AccountMessage) -> list[Event]:
    """Positions, money, connection and lock: only what is said of positions is itself judged."""
    state = account.state
    if isinstance(message, BalanceOperation):
        return _operate(snapshot, account, message)
    if isinstance(message, messages.PositionOpened | messages.PositionModified):
        deals = hold(account, message.data, message.ts)
        return settle(account, _judged_at(account, message.ts), deals, moved=True)
    if isinstance(message, messages.PositionClosed):
        deals = close(account, message.data, message.ts)
        return settle(account, _judged_at(account, message.ts), deals, moved=True)
    if isinstance(message, messages.AccountLocked):
        state.locked = True
        state.lock_reason = message.data.reason or ""
        state.locked_until = message.data.until
    elif isinstance(message, messages.AccountUnlocked):
        state.locked, state.lock_reason, state.locked_until = False, "", None
    else:
        return _reconnect(snapshot, account, message)
    return []


def _reconnect(snapshot: Snapshot, account: Account, message: AccountMessage) -> list[Event]:
    state = account.state
    if isinstance(message, messages.ConnectionLost):
        state.status, state.status_reason = "disconnected", message.data.reason or message.data.message or ""
        if message.data.reason in GONE:
            state.renumbered = True  # should there be one of its id again, that one counts from the start
    elif isinstance(message, messages.AuthFailed):
        state.status, state.status_reason = "auth_failed", message.data.code or message.data.message or ""
    elif isinstance(message, messages.ConnectionRestored):
        state.status, state.status_reason = "connected", ""
        if message.data.resync_required:
            snapshot.gaps.add(account.id)
    elif isinstance(message, messages.AccountLifecycle) and message.data.status:
        state.status, state.status_reason = message.data.status, message.data.action or ""
    else:
        return []  # it only took a number
    account.disturb()
    now = snapshot.link.now
    events = settle_freshness(account, message.ts, message.ts if now is None or message.ts > now else now)
    return events + catch_up(account, _judged_at(account, message.ts))


def _operate(snapshot: Snapshot, account: Account, message: BalanceOperation) -> list[Event]:
    """Money in or out moves balance and equity at its own instant; REF, peak and H follow under `adjust`."""
    state, digits = account.state, account.rule_set.digits
    kind, amount = message.data.kind.lower(), minor_units(message.data.amount, digits)
    account.disturb()
    if kind == "credit":
        state.credit += amount
        state.equity += amount
        return []
    state.balance += amount
    state.equity += amount
    if kind not in MOVING:
        state.verdict_held = f"balance operation of unknown kind {message.data.kind!r}"
        detail = f"{state.verdict_held} ({message.data.amount}): verdicts wait until somebody has classed it"
        refused = snapshot.counts.refused
        refused["unknown_operation"] = refused.get("unknown_operation", 0) + 1
        state.refused_count += 1
        return [notice(account, EventKind.REFUSED, message.ts, state.refused_count, detail)]
    state.moved += amount
    if account.rule_set.adjust:
        state.day_moves += amount
        state.peak += amount
        for rule, memory in zip(account.rule_set.loss_rules, state.rules, strict=True):
            if kind != "payout" or rule.on_payout == "shift":
                memory.high += amount
                memory.high_before += amount
            elif rule.on_payout == "lock_at_initial":
                memory.locked = rule.rule == "max_loss"
            elif rule.on_payout == "reset":
                memory.high = memory.high_before = _balance_after(account, message.data)
    return []


def _balance_after(account: Account, operation: messages.BalanceFigures) -> int:
    """The balance after an operation; before the first figures what it states, else what S and the moves make."""
    state = account.state
    if state.figures is not None:
        return state.balance
    if operation.balance is not None:
        return minor_units(operation.balance, account.rule_set.digits)
    return state.initial_balance + state.moved

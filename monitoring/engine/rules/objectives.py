"""Objectives and limits of time: profit target, minimum days, time limit, consistency, inactivity.

Facts are noted whatever the data is like. The hooks that judge are called only while the account may be judged (fresh,
not in review, not failed); what time demanded meanwhile stays `due`, in the past, until somebody judges it.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from math import inf

from monitoring.engine.events import Event, EventKind
from monitoring.engine.messages import ClosedPosition, Position
from monitoring.engine.money import grouped
from monitoring.engine.rules.findings import Finding
from monitoring.engine.rules.judge import key
from monitoring.engine.rules.progress import (
    Best,
    best_day,
    clock_text,
    consistency_text,
    counts,
    day_at,
    day_profit,
    days_text,
    goal_amount,
    idle_until,
    last_date,
    last_profit,
    pairs,
    passable,
    targets,
)
from monitoring.engine.ruleset.model import Consistency, Inactivity, MinTradingDays, OtherRule, ProfitTarget, TimeLimit
from monitoring.engine.snapshot import Account
from monitoring.engine.snapshot.state import DayFacts, OtherMemory

__all__ = [
    "after_reset",
    "amend_last_day",
    "balance_bounds",
    "closed",
    "day_ends",
    "due",
    "idle",
    "on_due",
    "on_update",
    "opened",
    "passable",
]

_NEVER = (inf, -inf)  # bounds that hold no balance: every update is asked
_DAYS_KEPT = 64  # dates of counted days remembered one by one, for a frame that comes days late
_DAY = timedelta(days=1)


# --- facts: what happened, whatever the data may be judged by ---


def opened(account: Account, position: Position, at: datetime) -> None:
    """Note that a position was opened at `at`: its day, the first and the last opening, the end of an idle spell."""
    state = account.state
    day = day_at(account, at)
    if _before_challenge(account, day):
        return
    if state.first_open_at is None or at < state.first_open_at:
        state.first_open_at = at
    if state.last_open_at is None or at > state.last_open_at:
        state.last_open_at = at
    if state.idle_from is None or at > state.idle_from:  # else it was before the spell that runs
        state.idle_from = at
        for rule, memory in pairs(account):
            if isinstance(rule, Inactivity):
                memory.open = False
    _note(account, day, "opened")


def closed(account: Account, closed: ClosedPosition, at: datetime) -> None:
    """Note that a position, or a part of it, was closed at `at`; called before it leaves `account.positions`."""
    held = account.positions.get(closed.id)
    since = held.open_time if held is not None and held.open_time is not None else closed.open_time
    created = account.state.created_at
    if since is None or (created is not None and since < created):
        return
    day = day_at(account, at)
    if day_at(account, since) == day and not _before_challenge(account, day):
        _note(account, day, "opened_and_closed")


def day_ends(account: Account, instant: datetime) -> None:
    """Fold the day that ends at `instant` into the days before it; called before the day-start values move."""
    state = account.state
    today = _today(account)
    today.profit = day_profit(account)
    if state.last_day is None and state.day_start_ts is not None:
        state.last_day = DayFacts(day=today.day - _DAY, profit=last_profit(account))
    before, totals = state.last_day, state.totals
    if before is not None:
        for rule, memory in pairs(account):
            if isinstance(rule, MinTradingDays) and counts(account, rule, before, before.profit):
                _count(memory, before.day)
        totals.best = max(totals.best, before.profit)
        totals.net += before.profit
        totals.positive += max(before.profit, 0)
        totals.absolute += abs(before.profit)
    state.last_day = today
    state.today = None


def amend_last_day(account: Account) -> None:
    """Give the day before its profit anew: an update that precedes the reset came after it."""
    state = account.state
    if state.last_day is None:
        assert state.day is not None
        state.last_day = DayFacts(day=state.day - _DAY)
    state.last_day.profit = account.profit - state.totals.net


# --- judging ---


def after_reset(account: Account, instant: datetime) -> list[Finding]:
    """Judge what a reset demands: the time limit whose last day ended, consistency, and what a pause slept through."""
    return [
        finding
        for rule, memory in pairs(account)
        if not _sleeps(account, rule)
        for finding in _at_reset(account, rule, memory, instant)
    ]


def on_update(account: Account, at: datetime, *, breached: bool = False) -> tuple[Event | None, list[Finding]]:
    """Judge the target (unless another rule just `breached`), then consistency, by the settled figures of `at`."""
    goals = targets(account)
    if not goals:
        return None, []
    reached = None if breached or account.state.target_reached_at is not None else _reach(account, goals, at)
    if account.state.target_reached_at is None:
        return None, []
    findings = [
        finding
        for rule, memory in pairs(account)
        if isinstance(rule, Consistency) and not _sleeps(account, rule)
        for finding in _consistency(account, rule, memory, at, best_day(account, rule))
    ]
    return reached, findings


def due(account: Account, after: datetime | None = None) -> datetime | None:
    """Return when time alone acts on an objective first; in the past: it was not judged when it was due.

    `after`: leave out what is due up to then. A pause may end before the instant comes, so that it is told while the
    rule still sleeps.
    """
    state = account.state
    if state.review or state.verdict_held or state.breach is not None:
        return None
    instants = (_due_of(account, rule, memory) for rule, memory in pairs(account))
    return min((at for at in instants if at is not None and (after is None or at > after)), default=None)


def on_due(account: Account, instant: datetime) -> list[Finding]:
    """Judge what is due at `instant`: inactivity, and what a reset could not judge because the data was stale."""
    findings = idle(account, instant)
    for rule, memory in pairs(account):
        if isinstance(rule, Inactivity) or _sleeps(account, rule):
            continue
        when = _due_of(account, rule, memory)
        if when is not None and when <= instant:
            findings += _at_reset(account, rule, memory, instant)
    return findings


def idle(account: Account, instant: datetime) -> list[Finding]:
    """Judge inactivity that is due by `instant`."""
    found = []
    for rule, memory in pairs(account):
        if isinstance(rule, Inactivity) and not _sleeps(account, rule):
            when = _due_of(account, rule, memory)
            if when is not None and when <= instant:
                found.append(_idle(account, rule, memory, instant))
    return found


def balance_bounds(account: Account) -> tuple[float, float]:
    """Return bounds in minor units: while low < balance < high, `on_update` can change nothing."""
    state, goals = account.state, targets(account)
    if not goals:
        return -inf, inf
    if state.target_reached_at is None:
        needed = state.initial_balance + state.moved + max(goal_amount(account, goal) for goal in goals)
        return (-inf, needed) if state.balance < needed else _NEVER  # then it only waits for the account to be flat
    if any(isinstance(rule, Consistency) for rule in account.rule_set.others):
        return state.balance - 1, state.balance + 1
    return -inf, inf


# --- within ---


def _before_challenge(account: Account, day: date) -> bool:
    created = account.state.created_at
    return created is not None and day < day_at(account, created)


def _today(account: Account) -> DayFacts:
    state = account.state
    if state.today is None:
        assert state.day is not None
        state.today = DayFacts(day=state.day)
    return state.today


def _note(account: Account, day: date, fact: str) -> None:
    """Set a fact of a day: of today, of the day before, or of one that was folded already."""
    state = account.state
    if day == state.day:
        setattr(_today(account), fact, True)
    elif state.last_day is not None and day == state.last_day.day:
        setattr(state.last_day, fact, True)
    elif day.weekday() in account.rule_set.trading_week:
        for rule, memory in pairs(account):
            if isinstance(rule, MinTradingDays) and rule.counts == fact:
                _count(memory, day)


def _count(memory: OtherMemory, day: date) -> None:
    """Count a day that has ended, unless it counts already or is so old that nobody can tell."""
    name = day.isoformat()
    if name not in memory.told and (len(memory.told) < _DAYS_KEPT or name > memory.told[0]):
        memory.count += 1
        memory.told = sorted([*memory.told, name])[-_DAYS_KEPT:]


def _sleeps(account: Account, rule: OtherRule) -> bool:
    """While an account is paused no rule pauses it again; what it would have told is told afterwards."""
    return rule.consequence == "pause" and account.state.paused_until is not None


def _due_of(account: Account, rule: OtherRule, memory: OtherMemory) -> datetime | None:
    if isinstance(rule, Inactivity):
        return None if memory.open else idle_until(account, rule)
    if isinstance(rule, TimeLimit):
        return account.state.day_started_at if _over(account, rule, memory) else None
    if isinstance(rule, Consistency) and not targets(account):
        judged = account.state.last_day is None or memory.told == [str(account.state.day)]
        return None if judged else account.state.day_started_at
    return None


def _over(account: Account, rule: TimeLimit, memory: OtherMemory) -> date | None:
    """The last day if it has ended and nothing was decided about it."""
    last, day = last_date(account, rule), account.state.day
    return last if last is not None and day is not None and day > last and str(last) not in memory.told else None


def _at_reset(account: Account, rule: OtherRule, memory: OtherMemory, instant: datetime) -> list[Finding]:
    if isinstance(rule, TimeLimit):
        return _time_limit(account, rule, memory, instant)
    if isinstance(rule, Inactivity):
        slept = None if rule.consequence != "pause" else _due_of(account, rule, memory)
        return [] if slept is None or slept >= instant else [_idle(account, rule, memory, instant)]
    if not isinstance(rule, Consistency):
        return []
    if not targets(account):
        memory.told = [str(account.state.day)]
        return _consistency(account, rule, memory, instant, best_day(account, rule, running=False))
    if account.state.target_reached_at is None:
        return []
    return _consistency(account, rule, memory, instant, best_day(account, rule))


def _time_limit(account: Account, rule: TimeLimit, memory: OtherMemory, instant: datetime) -> list[Finding]:
    last = _over(account, rule, memory)
    if last is None:
        return []
    memory.told.append(str(last))
    there, lacking = passable(account, instant)
    if there:
        return []
    reason = f"the time limit of {days_text(rule.days, rule.unit)} ended with {last}: {lacking}"
    return [Finding(rule, memory, instant, str(last), reason)]


def _consistency(account: Account, rule: Consistency, memory: OtherMemory, at: datetime, found: Best) -> list[Finding]:
    if not found.above(rule.best_day_share):
        memory.open = False
        return []
    if memory.open:
        return []
    memory.open = True
    memory.episode += 1
    return [Finding(rule, memory, at, str(memory.episode), consistency_text(account, rule, found))]


def _idle(account: Account, rule: Inactivity, memory: OtherMemory, instant: datetime) -> Finding:
    memory.open = True
    memory.episode += 1
    since = account.state.last_open_at
    words = f"since {clock_text(since)}" if since is not None else "since the challenge began"
    reason = f"no position was opened {words}, for {days_text(rule.days, 'calendar')}"
    return Finding(rule, memory, instant, str(memory.episode), reason)


def _reach(account: Account, goals: list[ProfitTarget], at: datetime) -> Event | None:
    state, digits = account.state, account.rule_set.digits
    goal = max(goals, key=lambda candidate: goal_amount(account, candidate))
    profit, amount = account.profit, goal_amount(account, goal)
    flat = any(candidate.requires_flat for candidate in goals)
    if profit < amount or (flat and state.open_positions):
        return None
    state.target_reached_at = at
    return Event(
        key=key(account, goal.index, EventKind.TARGET_REACHED.value, "1"),
        at=at,
        account=account.id,
        event=EventKind.TARGET_REACHED,
        rule=goal.rule,
        rule_set_version=account.rule_set.version,
        digits=digits,
        floor=amount,
        measured=profit,
        room=profit - amount,
        operator=">=",
        reason=f"closed profit {grouped(profit, digits)} reached the target {grouped(amount, digits)}",
    )

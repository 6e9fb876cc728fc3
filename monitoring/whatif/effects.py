"""One account under other rules: its checkpoint in a snapshot of its own, the engine's `change_rules`, what came of it.

An account is judged at the time of its checkpoint: as the monitor knew it then, neither fresher nor older.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from django.db.models import prefetch_related_objects

from accounts import calendar, rulebooks
from accounts.models import Challenge, RuleSet, Server
from monitoring.engine.events import Event, EventKind, Reading, ReadingState
from monitoring.engine.messages import Market
from monitoring.engine.money import minor_units
from monitoring.engine.rules import change_rules, readings
from monitoring.engine.ruleset import RuleSet as Compiled
from monitoring.engine.ruleset import RuleSetError, parse_rule_set, with_initial
from monitoring.engine.snapshot import Account, AccountState, Snapshot
from monitoring.models import Checkpoint

DocumentFor = Callable[[Challenge], Mapping[str, Any]]
_decode = msgspec.msgpack.Decoder(AccountState).decode
_RANKS = {ReadingState.OK: 0, ReadingState.WARNED: 1, ReadingState.PAUSED: 2, ReadingState.BREACHED: 2}


class Verdict(StrEnum):
    """What the other rules would do now, the gravest first."""

    BREACH = "breach"
    VIOLATE = "violate"  # a rule without a floor would be broken: flagged, closed, delayed
    WARN = "warn"
    EASE = "ease"  # a warning would end
    UNKNOWN = "unknown"
    SAME = "same"


class Side(msgspec.Struct, frozen=True):
    """The loss rule nearest its limit; `used` in ten-thousandths, money in minor units."""

    state: str = ""
    rule: str = ""
    used: int | None = None
    floor: int | None = None
    room: int | None = None


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of one challenge. Money in minor units of `digits` decimals."""

    challenge: int
    account: str  # public id
    login: str
    trader: str
    server: str
    version: int
    verdict: Verdict
    reason: str = ""
    consequence: str = ""  # of the breach or violation
    size: int = 0
    equity: int | None = None
    currency: str = ""
    digits: int = 2
    before: Side = Side()
    after: Side = Side()
    at: datetime | None = None  # the time that it was judged at: its checkpoint's


class Compiler:
    """Rulebooks compiled as rarely as possible: once for each version and currency, S put in; overrides one by one."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self._known: dict[tuple[int, int, str], Compiled] = {}

    def rulebook(self, challenge: Challenge, rule_set: RuleSet | None = None) -> Compiled:
        """What judges the challenge under a version (left out: its own), overrides applied; raises RuleSetError."""
        used, overrides = rule_set or challenge.rule_set, rulebooks.active(challenge, self.at)
        if overrides or challenge.initial_balance <= 0:
            return parse_rule_set(rulebooks.effective(rulebooks.document_of(challenge, used), overrides))
        key = (used.pk or 0, used.version, challenge.account.currency)
        if key not in self._known:
            self._known[key] = parse_rule_set(rulebooks.document_of(challenge, used))
        found = self._known[key]
        return with_initial(found, minor_units(challenge.initial_balance, found.digits))


def effects_of_version(challenges: Sequence[Challenge], rule_set: RuleSet, at: datetime) -> list[Effect]:
    """What a version (stored or not) would do to these challenges, in their order; overrides stay with the accounts."""
    compiler = Compiler(at)
    return effects(challenges, lambda challenge: compiler.rulebook(challenge, rule_set), at, compiler)


def effects(
    challenges: Sequence[Challenge],
    after: Callable[[Challenge], Compiled],
    at: datetime,
    compiler: Compiler | None = None,
) -> list[Effect]:
    """What other rules would do to these challenges, in their order. `after` compiles them, and may raise RuleSetError.

    `at` says which overrides hold; accounts are judged at their checkpoints' own times.
    """
    prefetch_related_objects(list(challenges), "overrides", "account__server", "account__trader", "rule_set")
    compiler = compiler or Compiler(at)
    saved = dict(
        Checkpoint.objects.filter(account__in=[one.account_id for one in challenges]).values_list("account", "state")
    )
    markets = _markets((one.account.server for one in challenges), at)
    return [
        _effect(one, saved.get(one.account_id), after, compiler, markets[one.account.server_id]) for one in challenges
    ]


def _markets(servers: Iterable[Server], at: datetime) -> dict[int, Snapshot]:
    """For each server a snapshot that knows its market: what others copy it from, made once."""
    found: dict[int, Snapshot] = {}
    for server in servers:
        if server.pk not in found:
            found[server.pk] = Snapshot(server.name)
            market: Market = calendar.current_market(server, at)
            found[server.pk].set_market(market)
    return found


def _effect(
    challenge: Challenge,
    packed: bytes | memoryview | None,
    after: Callable[[Challenge], Compiled],
    compiler: Compiler,
    market: Snapshot,
) -> Effect:
    try:
        state = _decode(packed) if packed is not None else None
    except msgspec.DecodeError as error:
        return _unknown(challenge, f"its checkpoint is of another release: {error}")
    if state is None or state.challenge != f"c{challenge.pk}" or state.figures is None:
        return _unknown(challenge, "no data of this challenge have come yet")
    try:
        before, then = compiler.rulebook(challenge), after(challenge)
    except RuleSetError as error:
        return _unknown(challenge, f"the rules cannot judge it: {error}")
    scratch = Snapshot(challenge.account.server.name)
    scratch.almanac = market.almanac
    try:
        account = scratch.add(challenge.account.upstream_id, before, challenge=state.challenge, state=state)
    except ValueError as error:
        return _unknown(challenge, str(error))
    return _judged(challenge, scratch, account, then)


def _judged(challenge: Challenge, scratch: Snapshot, account: Account, then: Compiled) -> Effect:
    state = account.state
    now = max(ts for ts in (state.now, state.last_ts, state.updated_at) if ts is not None)
    was = readings(account, now)
    breached = account.breached
    events = change_rules(scratch, account.id, then, now)
    account = scratch.accounts[account.id]
    will = readings(account, now)
    verdict, reason, consequence = _verdict(was, will, events, breached)
    return _head(
        challenge,
        verdict=verdict,
        reason=reason,
        consequence=consequence,
        equity=account.equity,
        digits=then.digits,
        before=_side(was),
        after=_side(will),
        at=now,
    )


def _verdict(
    was: Sequence[Reading], will: Sequence[Reading], events: Sequence[Event], breached: bool
) -> tuple[Verdict, str, str]:
    told = {event.event: event for event in reversed(events)}
    for kind, verdict in (
        (EventKind.BREACHED, Verdict.BREACH),
        (EventKind.VIOLATED, Verdict.VIOLATE),
        (EventKind.WARNED, Verdict.WARN),
        (EventKind.STEPPED_UP, Verdict.WARN),
    ):
        if kind in told:
            grave = verdict in {Verdict.BREACH, Verdict.VIOLATE}
            return verdict, told[kind].reason, (told[kind].consequence or "") if grave else ""
    doubt = next((one.reason for one in (*was, *will) if one.state is ReadingState.UNKNOWN), "")
    if doubt:
        return Verdict.UNKNOWN, doubt, ""
    before, after = _worst(was), _worst(will)
    if after is not None and not breached and _RANKS[after.state] > (_RANKS[before.state] if before else 0):
        grave = _RANKS[after.state] == 2  # without an event: the account is in review, judged when it is released
        return Verdict.BREACH if grave else Verdict.WARN, after.reason, after.consequence if grave else ""
    if EventKind.CLEARED in told:
        return Verdict.EASE, told[EventKind.CLEARED].reason, ""
    return Verdict.SAME, after.reason if after else "", ""


def _worst(found: Sequence[Reading]) -> Reading | None:
    """The reading that matters most: by its state, then by how much of the limit is used."""
    return max(found, key=lambda one: (_RANKS.get(one.state, 0), one.used), default=None)


def _side(found: Sequence[Reading]) -> Side:
    one = _worst(found)
    if one is None:
        return Side()
    used = min(int(one.used * 10_000), 10**9)
    return Side(one.state.value, one.rule, used, one.floor, one.room)


def _unknown(challenge: Challenge, reason: str) -> Effect:
    return _head(challenge, verdict=Verdict.UNKNOWN, reason=reason)


def _head(challenge: Challenge, **rest: Any) -> Effect:
    account = challenge.account
    trader = account.trader
    return Effect(
        challenge=challenge.pk,
        account=account.public_id,
        login=account.login,
        trader=(trader.get_full_name() or trader.username) if trader else account.holder,
        server=account.server.name,
        version=challenge.rule_set.version,
        size=minor_units(challenge.initial_balance),
        currency=account.currency,
        **rest,
    )

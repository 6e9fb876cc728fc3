"""From the engine's account to the row that every page shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from monitoring.engine.events import Event, EventKind, ReadingState
from monitoring.engine.messages import Position
from monitoring.engine.money import half_up
from monitoring.engine.rules import levels, readings, staleness
from monitoring.engine.rules.forecast import worst_at_reset
from monitoring.engine.rules.loss import Level
from monitoring.engine.rules.loss import reason as sentence_of
from monitoring.engine.rules.standings import standings, standings_key
from monitoring.engine.ruleset import RuleSet
from monitoring.engine.snapshot import Account
from monitoring.engine.trading_day import day_start
from monitoring.live.publish import AccountRow, EventRow, PositionRow, ReadingRow, StandingRow

NORMAL, WATCH, WARNING, CRITICAL, BREACHED = range(5)
WATCH_FROM, CRITICAL_FROM = 5_000, 9_000  # ten-thousandths of the limit
_pack = msgspec.msgpack.Encoder().encode
LINK_STATES = frozenset({"disconnected", "auth_failed", "maintenance"})
_worded: list[Any] = [None, (), ()]  # the rule set that was worded last: thousands of accounts get the same one


@dataclass(frozen=True, slots=True)
class Face:
    """What of a row does not move with the market."""

    public_id: str
    login: str
    server: str
    trader: str
    trader_id: int | None
    plan: str
    phase: str
    sentences: tuple[str, ...]  # one a loss rule, in the document's order
    modes: tuple[str, ...]

    @classmethod
    def of_rules(
        cls, rule_set: RuleSet, *, public_id: str, login: str, server: str, trader: str, trader_id: int | None,
        plan: str, phase: str,
    ) -> Face:  # fmt: skip
        """The face of an account judged by `rule_set`."""
        if _worded[0] is not rule_set:
            rules = rule_set.loss_rules
            _worded[:] = rule_set, tuple(map(rule_set.sentence, rules)), tuple(rule.mode for rule in rules)
        return cls(public_id, login, server, trader, trader_id, plan, phase, _worded[1], _worded[2])


def milliseconds(instant: datetime | None) -> int | None:
    """Epoch milliseconds of an instant."""
    return None if instant is None else int(instant.timestamp() * 1000)


def used_points(anchor: int, floor: int, measured: int) -> int:
    """`used` in ten-thousandths, rounded half up from the exact share."""
    span = anchor - floor
    if span <= 0:
        return 10_000 if measured <= floor else 0
    return max(0, half_up((anchor - measured) * 10_000, span))


def severity_of(points: int, rule_set: RuleSet) -> int:
    """The severity of one gauge that is not breached."""
    if points >= CRITICAL_FROM:
        return CRITICAL
    first = rule_set.warn_at[0] if rule_set.warn_at else None
    if first is not None and points * first.denominator >= first.numerator * 10_000:
        return WARNING
    return WATCH if points >= WATCH_FROM else NORMAL


def account_row(
    account: Account, face: Face, now: datetime, *, rev: int, enforcement: str, enforcement_mode: str,
    overridden: bool = False, standing: list[StandingRow] | None = None,
) -> AccountRow:  # fmt: skip
    """The account as it stands at `now`; `standing`: its rules of section 6 as somebody kept them."""
    rule_set = account.rule_set
    found = levels(account) if account.figures is not None else []
    current, reason = _quick_answers(account, face, now, found) or _answers(account, face, now)
    at_reset = worst_at_reset(account, found)
    state = _state(account, current)
    points = max((reading.used for reading in current), default=0)
    daily = _worst(current, "daily_loss")
    total = _worst(current, "max_loss")
    stored = account.state
    has_day = account.day is not None and account.figures is not None
    return AccountRow(
        public_id=face.public_id, rev=rev, login=face.login, server=face.server, trader=face.trader,
        trader_id=face.trader_id, plan=face.plan, phase=face.phase,
        currency=rule_set.currency,
        digits=rule_set.digits,
        size=account.initial_balance,
        balance=account.balance,
        equity=account.equity,
        credit=account.credit,
        day_pl=account.equity - account.day_start_balance - stored.day_moves if has_day else 0,
        open_pl=account.floating,
        daily_used=None if daily is None else daily.used,
        daily_floor=None if daily is None else daily.floor,
        max_used=None if total is None else total.used,
        max_floor=None if total is None else total.floor,
        headroom=min((reading.room for reading in current), default=None),
        severity=_severity(state, points, rule_set),
        state=state,
        stale=account.stale or account.figures is None,
        status=account.link if account.link in LINK_STATES else account.status,
        open_positions=account.open_positions,
        updated_ms=milliseconds(account.updated_at),
        received_ms=milliseconds(account.received),
        locked=account.locked,
        enforcement=enforcement,
        enforcement_mode=enforcement_mode,
        rule_set_version=rule_set.version,
        next_reset_ms=milliseconds(account.next_reset),
        reset_zone=rule_set.reset.zone,
        reason=_account_reason(account) or reason,
        readings=current,
        positions=[_position_row(position) for position in account.positions.values()],
        day_start_balance=account.day_start_balance if has_day else None,
        day_start_equity=account.day_start_equity if has_day else None,
        high_water=account.high_water,
        breached_today=_breached_today(account),
        overridden=overridden,
        standings=standing_rows(account, now) if standing is None else standing,
        reset_room=None if at_reset is None else at_reset.room,
        reset_floor=None if at_reset is None else at_reset.floor,
        reset_breach=at_reset is not None and at_reset.crossed and not account.breached,
        rules_digest=rule_set.digest[:12],
    )  # fmt: skip


def standing_rows(account: Account, now: datetime) -> list[StandingRow]:
    """Where the account's rules of section 6 stand at `now`."""
    if not account.rule_set.others:
        return []
    return [
        StandingRow(
            one.rule, one.index, one.state.value, one.value, one.limit, _points(one.share), one.reason,
            one.consequence, milliseconds(one.due),
        )
        for one in standings(account, now)
    ]  # fmt: skip


class Standings:
    """The standings of all accounts as packed bytes, made anew only when they may have changed.

    They rest on positions, closed profit and the clock's minute (`standings_key`), and are most of a row: made for each
    published row they would cost many times what the rest does.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, object, msgspec.Raw]] = {}  # by account id: the minute, the key, the bytes

    def get(self, account: Account, now: datetime) -> list[StandingRow]:
        """What stands in the place of the row's list: bytes that the encoder puts in as they are."""
        if not account.rule_set.others:
            return []
        minute, key = int(now.timestamp()) // 60, standings_key(account)
        kept = self._kept.get(account.id)
        if kept is None or kept[0] != minute or kept[1] != key:
            kept = self._kept[account.id] = minute, key, msgspec.Raw(_pack(standing_rows(account, now)))
        return kept[2]  # type: ignore[return-value]  # msgspec.Raw encodes as what it holds


def event_row(event: Event, public_id: str, severity: int) -> EventRow:
    """The event for rails and timelines."""
    used = None
    if event.used is not None:
        numerator, denominator = event.used.as_integer_ratio()
        used = half_up(numerator * 10_000, denominator)
    at = int(event.at.timestamp() * 1000)
    return EventRow(event.key, public_id, event.event.value, event.rule, at, severity, event.reason, used)


def event_severity(event: Event, rule_set: RuleSet) -> int:
    """How grave an event is, on the rows' scale."""
    if event.event is EventKind.BREACHED:
        return BREACHED
    if event.event in {EventKind.WARNED, EventKind.STEPPED_UP} and event.used is not None:
        numerator, denominator = event.used.as_integer_ratio()
        return max(WARNING, severity_of(half_up(numerator * 10_000, denominator), rule_set))
    # A warning without a share announces a deadline.
    return WARNING if event.event in {EventKind.VIOLATED, EventKind.WARNED} else NORMAL


def _points(share: Decimal | None) -> int | None:
    """Ten-thousandths, cut: 99.999 % is not yet 100 %."""
    return None if share is None else int(share * 10_000)


def _quick_answers(
    account: Account, face: Face, now: datetime, found: list[Level]
) -> tuple[list[ReadingRow], str] | None:
    """What `readings` answers, three times as fast, for an account that is fresh, judged and crosses no floor."""
    state = account.state
    if (
        state.breach or state.paused_until or state.review or state.verdict_held or state.doubt or state.stale
        or account.figures is None or staleness(account, now)
    ):  # fmt: skip
        return None
    rows: list[ReadingRow] = []
    worst, most = None, -1
    for number, level in enumerate(found):
        if level.crossed:
            return None
        rule, used = level.rule, used_points(level.anchor, level.floor, level.measured)
        if used > most:
            worst, most = level, used
        rows.append(
            ReadingRow(
                rule.rule, rule.index, rule.mode, "warned" if level.memory.step else "ok", level.floor, level.measured,
                level.anchor, level.measured - level.floor, used, rule.operator, rule.consequence,
                face.sentences[number],
            )
        )  # fmt: skip
    return rows, "" if worst is None else sentence_of(account, worst)


def _answers(account: Account, face: Face, now: datetime) -> tuple[list[ReadingRow], str]:
    """Every rule's answer as the engine says it, and the worst one's sentence."""
    rows: list[ReadingRow] = []
    reason, most = "no figures have arrived yet", -1
    for number, reading in enumerate(readings(account, now)):
        used = used_points(reading.anchor, reading.floor, reading.measured)
        if used > most:
            reason, most = reading.reason, used
        rows.append(
            ReadingRow(
                reading.rule, reading.index, face.modes[number], reading.state.value, reading.floor, reading.measured,
                reading.anchor, reading.room, used, reading.operator, reading.consequence, face.sentences[number],
            )
        )  # fmt: skip
    return rows, reason


def _breached_today(account: Account) -> bool:
    facts = account.breach_event or account.pause_event
    return facts is not None and account.day is not None and facts.at >= day_start(account.day, account.rule_set.reset)


def _state(account: Account, current: list[ReadingRow]) -> str:
    if account.review or account.verdict_held:
        return "review"
    if account.breached:
        return "breached"
    if account.paused_until is not None:
        return "paused"
    states = {reading.state for reading in current}
    if ReadingState.UNKNOWN in states or not current:
        return "unknown"
    return "warned" if ReadingState.WARNED in states else "ok"


def _severity(state: str, points: int, rule_set: RuleSet) -> int:
    """The row's is the worst of its gauges; an account in review has no verdict and so no breach."""
    return BREACHED if state in {"breached", "paused"} else severity_of(points, rule_set)


def _worst(current: list[ReadingRow], rule: str) -> ReadingRow | None:
    return max((row for row in current if row.rule == rule), key=lambda row: row.used, default=None)


def _account_reason(account: Account) -> str:
    """Why the account stands as it does, where that is more than a reading."""
    if account.review or account.verdict_held:
        return account.review or account.verdict_held
    facts = account.breach_event or (account.pause_event if account.paused_until is not None else None)
    return "" if facts is None else facts.reason


def _position_row(position: Position) -> PositionRow:
    return PositionRow(
        position.id, position.symbol, position.type.upper(), position.volume, position.open_price,
        position.current_price, position.sl, position.tp, position.profit, position.swap,
        milliseconds(position.open_time),
    )  # fmt: skip

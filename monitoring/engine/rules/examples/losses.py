"""Worked examples of the loss rules: floors, the values just beside them, warnings."""

from __future__ import annotations

from datetime import timedelta

from monitoring.engine.rules.examples.stage import MOMENT, MONDAY, SECOND, Stage, local, morning, what_follows
from monitoring.engine.rules.loss import Level, levels, reason
from monitoring.engine.ruleset import LossRule, RuleSet
from monitoring.engine.ruleset.sentences import MEASURED
from monitoring.engine.trading_day import day_start

_DAY = timedelta(days=1)
_HIGH_WATER = {
    "equity_intraday": "equity reaches",
    "balance_closed": "the closed balance reaches",
    "balance_eod": "a day ends with a balance of",
    "equity_eod": "a day ends with equity of",
    "higher_eod": "a day ends with balance and equity of",
}


def loss_lines(rule_set: RuleSet, rule: LossRule) -> list[str]:
    """Return the lines of a loss rule that is the only one of its set."""
    if rule.rule == "daily_loss":
        return _daily(rule_set, rule)
    return _trailing(rule_set, rule) if rule.mode == "trailing" else _static(rule_set, rule)


def _daily(rule_set: RuleSet, rule: LossRule) -> list[str]:
    size = rule_set.initial_balance
    stage = Stage(rule_set, morning(rule_set))
    lines = [f"First day: {_floor_words(stage)}."]
    ended_with, equity = size + size // 50, size + size * 3 // 100
    second = day_start(MONDAY + _DAY, rule_set.reset)
    if rule.reference == "day_start_balance":
        equity = ended_with
    stage.update(second - SECOND, ended_with, equity)
    stage.reach(second)
    stage.update(second + SECOND)
    if rule.reference == "initial":
        lines.append(f"The next day starts at {stage.money(ended_with)}, and the floor stays {_floor(stage)}.")
    else:
        lines.append(
            f"The next day starts with a balance of {stage.money(ended_with)} and equity of {stage.money(equity)}: "
            f"{_floor_words(stage)}."
        )
    if rule.reference == "intraday_peak_equity":
        peak = size + size // 20
        stage.update(second + 2 * SECOND, ended_with, peak)
        lines.append(
            f"When equity rises to {stage.money(peak)}, the floor rises to {_floor(stage)} for the rest of the day."
        )
    return lines + _overnight(rule_set, rule) + _edges(stage, rule)


def _overnight(rule_set: RuleSet, rule: LossRule) -> list[str]:
    """The trap of an open loss: what the old floor allows and the new one does not, with no price move between."""
    stage = Stage(rule_set, morning(rule_set))
    size, floor = rule_set.initial_balance, _level(stage).floor
    balance, equity = size + size // 50, floor + size // 100
    second = day_start(MONDAY + _DAY, rule_set.reset)
    stage.update(second - MOMENT, balance, equity)
    if rule.measured == "balance" or _stopped(stage):
        return []
    stage.reach(second)
    if not _stopped(stage):
        return []
    return [
        f"Over night: with a balance of {stage.money(balance)}, equity of {stage.money(equity)} is allowed until the "
        "reset, and breaches at the reset with no price move."
    ]


def _static(rule_set: RuleSet, rule: LossRule) -> list[str]:
    stage = Stage(rule_set, morning(rule_set))
    size, locks = rule_set.initial_balance, rule.on_payout == "lock_at_initial" and rule_set.adjust
    payout = _payout(rule_set, rule, size + size // 25) if locks else []
    return [f"{'At the start' if locks else 'Always'}: {_floor_words(stage)}.", *payout, *_edges(stage, rule)]


def _trailing(rule_set: RuleSet, rule: LossRule) -> list[str]:
    size = rule_set.initial_balance
    stage = Stage(rule_set, morning(rule_set))
    lines = [f"At the start: {_floor_words(stage)}."]
    room = size - _level(stage).floor
    top = size + size // 25
    _rise(stage, rule, top)
    lines.append(f"When {_HIGH_WATER[rule.high_water]} {stage.money(top)}: {_floor_words(stage)}.")
    back = top - (top - _level(stage).floor) // 2
    stage.update(stage.now + SECOND, back)
    lines.append(f"When the account falls back to {stage.money(back)}, the floor stays {_floor(stage)}.")
    lines += _payout(rule_set, rule, top)
    if rule.lock is not None:
        height = size + max(0, rule.lock) + 2 * max(room, 0) + size // 50
        _rise(stage, rule, height)
        lines.append(f"When {_HIGH_WATER[rule.high_water]} {stage.money(height)}: {_floor_words(stage)}.")
    return lines + _edges(stage, rule)


def _payout(rule_set: RuleSet, rule: LossRule, top: int) -> list[str]:
    """What a payout of half the profit does, on an account of its own."""
    stage = Stage(rule_set, morning(rule_set))
    _rise(stage, rule, top)
    amount = (top - rule_set.initial_balance) // 2
    if amount <= 0:
        return []
    before = _floor(stage)
    stage.pay_out(stage.now + SECOND, amount)
    return [
        f"After a payout of {stage.money(amount)} from {stage.money(top)}, the balance is {stage.money(stage.balance)} "
        f"and the floor {_floor(stage)} (it was {before})."
    ]


def _rise(stage: Stage, rule: LossRule, to: int) -> None:
    """Let the account make a new high, and the day end where the mark moves only then."""
    if not rule.high_water.endswith("_eod"):
        stage.update(stage.now + SECOND, to)
        return
    reset = stage.account.next_reset
    assert reset is not None  # the stage has sent an update
    stage.update(reset - SECOND, to)
    stage.reach(reset)
    stage.update(reset + SECOND)


def _edges(stage: Stage, rule: LossRule) -> list[str]:
    """The first warning, and the two values between which the verdict changes: as the engine judges them."""
    if _stopped(stage):
        return ["With so small an amount the account is in breach as soon as it is judged."]
    lines = _warning(stage)
    name, floor = MEASURED[rule.measured], _level(stage).floor
    last = None
    for value in (floor + 1, floor, floor - 1):
        if rule.measured == "balance":
            stage.update(stage.now + SECOND, value)
        else:
            stage.update(stage.now + SECOND, None, value)
        if _stopped(stage):
            break
        last = value
    if not _stopped(stage):
        return lines
    verdict = f"{stage.money(value)} breaches: {what_follows(rule.consequence)}"
    allowed = f"{_capital(name)} at {stage.money(last)} is still allowed, " if last is not None else ""
    lines.append(f"{allowed}{verdict}.")
    if rule.consequence == "pause" and (until := stage.account.paused_until) is not None:
        zone = stage.rule_set.reset.zone
        lines.append(
            f"After such a breach trading goes on at the next reset ({local(until, zone)} {zone} in this example)."
        )
    return lines


def _warning(stage: Stage) -> list[str]:
    """The highest value that the first step of `warn_at` reaches, found by asking the level itself."""
    level, steps = _level(stage), stage.rule_set.warn_at
    if not steps or not level._replace(measured=level.floor + 1).reaches(steps[0]):
        return []
    low, high = level.floor + 1, level.anchor
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if level._replace(measured=middle).reaches(steps[0]) else (low, middle)
    share = 100 * steps[0].numerator / steps[0].denominator
    return [f"The first warning comes at {stage.money(low)}: {share:g}% of the limit is used."]


def _stopped(stage: Stage) -> bool:
    return stage.account.breached or stage.account.paused_until is not None


def _level(stage: Stage) -> Level:
    return levels(stage.account)[0]


def _floor(stage: Stage) -> str:
    return stage.money(_level(stage).floor)


def _floor_words(stage: Stage) -> str:
    origin = reason(stage.account, _level(stage)).split(": ", 1)[1]
    return f"floor {_floor(stage)} ({origin})"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]

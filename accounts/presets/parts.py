"""What the presets' documents are put together from."""

from __future__ import annotations

from typing import Any

from accounts.presets.model import PresetPhase

DATASET = "https://github.com/kburrus64-max/prop-firm-rules"
DAYS = ("mon", "tue", "wed", "thu", "fri")
EVENINGS = ("sun", "mon", "tue", "wed", "thu")  # a day that starts in the afternoon bears the date before its session

OPERATOR_OPEN = (
    "No source says whether a limit is broken when it is touched; set to “falls below”, which is not verified."
)
TARGET_OPEN = "The recorded data name no profit target and no further rules: add them from the firm's own page."
SERVER_ZONE = (
    "The reset is 00:00 of the server (GMT+2, in summer +3). Whether the server changes with Europe or with New York "
    "is not verified; Europe/Athens is set, which differs from New York by an hour for some weeks of a year."
)
PAYOUT_OPEN = "What a payout does to the floor is not recorded; it follows the payout here (room kept)."
AFTERNOON = "A day starts in the afternoon and bears that date, so Sunday to Thursday are the days that count."
Rule = dict[str, Any]


def percent(figure: str, of: str = "initial") -> Rule:
    """An amount in percent."""
    return {"percent": figure, "of": of}


def fixed(amount: str) -> Rule:
    """An amount in money."""
    return {"fixed": amount}


def daily(amount: Rule, reference: str, operator: str = "<", consequence: str = "fail") -> Rule:
    """A daily loss on equity."""
    return {
        "rule": "daily_loss",
        "reference": reference,
        "amount": amount,
        "measured": "equity",
        "operator": operator,
        "consequence": consequence,
    }


def static(amount: Rule, operator: str = "<") -> Rule:
    """A maximum loss from the initial balance."""
    return {
        "rule": "max_loss",
        "mode": "static",
        "amount": amount,
        "measured": "equity",
        "operator": operator,
        "consequence": "fail",
    }


def trailing(amount: Rule, high_water: str, *, lock: bool = False, operator: str = "<") -> Rule:
    """A maximum loss that follows a high-water mark; `lock`: never above the initial balance."""
    rule = {**static(amount, operator), "mode": "trailing", "high_water": high_water}
    return {**rule, "lock": {"at": "initial", "offset": "0.00"}} if lock else rule


def document(time: str, zone: str, *rules: Rule, week: tuple[str, ...] = DAYS) -> Rule:
    """A whole document with RiskDesk's own defaults for what no firm publishes."""
    return {
        "reset": {"time": time, "zone": zone},
        "trading_week": list(week),
        "count_credit": False,
        "balance_operations": "adjust",
        "warn_at": ["0.80", "0.90", "0.95"],
        "clear_below": "0.75",
        "stale_after": 30,
        "fresh_for": 60,
        "rules": list(rules),
    }


def two_steps(time: str, zone: str, *rules: Rule, week: tuple[str, ...] = DAYS) -> tuple[PresetPhase, ...]:
    """Phase 1, phase 2 and the funded account under the same limits."""
    names = (("phase-1", "Phase 1"), ("phase-2", "Phase 2"), ("funded", "Funded"))
    return tuple(PresetPhase(slug, name, document(time, zone, *rules, week=week)) for slug, name in names)


def one_step(time: str, zone: str, *rules: Rule, week: tuple[str, ...] = DAYS) -> tuple[PresetPhase, ...]:
    """The evaluation and the funded account under the same limits."""
    names = (("evaluation", "Evaluation"), ("funded", "Funded"))
    return tuple(PresetPhase(slug, name, document(time, zone, *rules, week=week)) for slug, name in names)

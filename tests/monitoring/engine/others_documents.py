"""Random rule sets over every switch of section 6, as JSON documents."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

ZONES = ("UTC", "Europe/Prague", "America/New_York", "Asia/Tokyo")
WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
NAMES = ("EURUSD", "EURUSD", "EURUSD.r", "EURUSDm", "#GBPUSD", "USDJPY-ecn", "eurgbp", "XAUUSD.x", "US30.cash", "GER40",
         "BTCUSD", "XYZ", "Zorkmid", "QUATLOO.r")  # fmt: skip
SINGLE = {"profit_target", "soft_breaches", "time_limit", "inactivity"}
Rule = dict[str, Any]


def draw_document(rng: random.Random) -> dict[str, Any]:
    """Return a rule set: up to two loss rules and one to eight others, some of them twice."""
    makers = [rng.choice(list(MAKERS.values())) for _ in range(rng.choice((1, 2, 3, 5, 8)))]
    rules = [_loss(rng) for _ in range(rng.choice((0, 1, 1, 2)))] + [maker(rng) for maker in makers]
    rules += [_soft_breaches(rng)] * (rng.random() < 0.3) + [_profit_target(rng)] * (rng.random() < 0.3)
    single: dict[str, Rule] = {}
    for rule in rules:  # two of these cannot both be meant
        if rule["rule"] in SINGLE:
            single[rule["rule"]] = rule
    rules = [rule for rule in rules if single.get(rule["rule"], rule) is rule]
    rng.shuffle(rules)
    return {
        "version": 1,
        "currency": "USD",
        "initial_balance": rng.choice(("100000.00", "50000.00", "99999.99")),
        "reset": {"time": rng.choice(("00:00", "00:00", "17:00", "02:30")), "zone": rng.choice(ZONES)},
        "trading_week": rng.choice((WEEK[:5], WEEK[:5], WEEK)),
        "warn_at": ["0.80"],
        "clear_below": "0.75",
        "balance_operations": rng.choice(("adjust", "adjust", "ignore")),
        "fresh_for": 60,
        "stale_after": 30,
        "rules": rules,
    }


def _loss(rng: random.Random) -> Rule:
    common = {"amount": {"percent": rng.choice(("3", "5", "50")), "of": "initial"}, "measured": "equity",
              "operator": rng.choice(("<", "<=")), "consequence": rng.choice(("fail", "pause", "pause"))}  # fmt: skip
    daily = {"rule": "daily_loss", "reference": rng.choice(("day_start_balance", "day_start_higher", "initial"))}
    return rng.choice((daily, {"rule": "max_loss", "mode": "static"})) | common


def _consequence(rng: random.Random, *words: str) -> Rule:
    chosen = rng.choice((*words, *words, *words, "pause", "", "", "fail"))
    return {"consequence": chosen} if chosen else {}


def _profit_target(rng: random.Random) -> Rule:
    amount = {"percent": rng.choice(("1", "0.333")), "of": "initial"}
    return {"rule": "profit_target", "amount": rng.choice((amount, {"fixed": "1000.00"}))} | rng.choice(
        ({}, {"requires_flat": True})
    )


def _min_trading_days(rng: random.Random) -> Rule:
    counts = rng.choice(("opened", "opened_and_closed", "profit_day", "moved_day"))
    threshold = {"threshold": rng.choice(("0.005", "0.01"))} if counts.endswith("_day") else {}
    return {"rule": "min_trading_days", "days": rng.choice((1, 2, 3)), "counts": counts} | threshold


def _time_limit(rng: random.Random) -> Rule:
    rule = {"rule": "time_limit", "days": rng.choice((1, 2, 4, 7)), "from": rng.choice(("created", "first_trade")),
            "unit": rng.choice(("calendar", "trading"))}  # fmt: skip
    return rule | _consequence(rng, "flag", "delay")


def _max_lots_per_position(rng: random.Random) -> Rule:
    rule = {"rule": "max_lots_per_position", "lots": rng.choice(("1", "2", "0.3"))}
    return rule | _consequence(rng, "flag", "close")


def _max_lots_total(rng: random.Random) -> Rule:
    rule = {"rule": "max_lots_total", "lots": rng.choice(("1", "2.5", "4")), "count": rng.choice(("gross", "net"))}
    return rule | _consequence(rng, "flag", "close")


def _max_positions(rng: random.Random) -> Rule:
    return {"rule": "max_positions", "positions": rng.choice((1, 2, 3))} | _consequence(rng, "flag", "close")


def _symbols(rng: random.Random) -> Rule:
    lists = rng.choice(({"allow": ["EURUSD", "GBPUSD"]}, {"deny": ["XAUUSD"]}, {"allow": ["EURUSD", "ZORKMID"],
                        "deny": ["EURUSD", "US30"]}, {"allow": ["EURGBP", "US30", "BTCUSD"], "deny": []}))  # fmt: skip
    return {"rule": "symbols", **lists} | _consequence(rng, "flag", "close")


def _trading_hours(rng: random.Random) -> Rule:
    windows = rng.choice((
        [{"days": WEEK[:5], "from": "08:00", "to": "22:00"}],
        [{"days": ["mon", "wed", "fri"], "from": "22:00", "to": "02:00"}],
        [{"days": WEEK[:4], "from": "00:00", "to": "12:00"}, {"days": WEEK[2:], "from": "13:30", "to": "24:00"}],
        [{"days": ["sun"], "from": "01:00", "to": "03:30"}],
    ))  # fmt: skip
    rule = {"rule": "trading_hours", "zone": rng.choice(ZONES), "windows": windows}
    return rule | rng.choice(({}, {"outside": "flag"}, {"outside": "close"}))


def _flat_by(rng: random.Random) -> Rule:
    rule = {"rule": "flat_by", "day": rng.choice(WEEK), "time": rng.choice(("21:55", "00:00", "02:30", "12:00")),
            "zone": rng.choice(ZONES)}  # fmt: skip
    return rule | rng.choice(({}, {"warn_minutes": 30}, {"warn_minutes": 1})) | _consequence(rng, "flag", "close")


def _news_window(rng: random.Random) -> Rule:
    minutes = {"before_minutes": rng.choice((0, 2, 5)), "after_minutes": rng.choice((0, 2, 5))}
    rule: Rule = {"rule": "news_window", **minutes}
    rule |= rng.choice(({}, {"impact": ["high", "medium"]}))
    rule |= rng.choice(({}, {"scope": "listed"}, {"scope": "all"}, {"scope": "currency"}))
    rule |= rng.choice(({}, {"exempt_if_opened_before_hours": None}, {"exempt_if_opened_before_hours": 1}))
    return rule | _consequence(rng, "flag", "close")


def _stop_loss_required(rng: random.Random) -> Rule:
    rule = {"rule": "stop_loss_required", "within_seconds": rng.choice((1, 10, 60))}
    return rule | _consequence(rng, "flag", "close")


def _consistency(rng: random.Random) -> Rule:
    rule = {"rule": "consistency", "best_day_share": rng.choice(("0.50", "0.333", "0.8")),
            "of": rng.choice(("net", "positive", "absolute"))}  # fmt: skip
    return rule | _consequence(rng, "delay", "flag")


def _inactivity(rng: random.Random) -> Rule:
    return {"rule": "inactivity", "days": rng.choice((1, 2, 5))} | _consequence(rng, "flag", "flag")


def _soft_breaches(rng: random.Random) -> Rule:
    window = rng.choice(({}, {"window_days": 1}, {"window_days": 3}))
    return {"rule": "soft_breaches", "allowed": rng.choice((0, 2, 5, 20)), **window} | rng.choice(
        ({}, {"consequence": "fail"}, {"consequence": "pause"})
    )


MAKERS: dict[str, Callable[[random.Random], Rule]] = {
    "profit_target": _profit_target,
    "min_trading_days": _min_trading_days,
    "time_limit": _time_limit,
    "max_lots_per_position": _max_lots_per_position,
    "max_lots_total": _max_lots_total,
    "max_positions": _max_positions,
    "symbols": _symbols,
    "trading_hours": _trading_hours,
    "flat_by": _flat_by,
    "news_window": _news_window,
    "stop_loss_required": _stop_loss_required,
    "consistency": _consistency,
    "inactivity": _inactivity,
    "soft_breaches": _soft_breaches,
}

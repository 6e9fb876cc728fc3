"""A rule set with every rule there is, and accounts with twenty positions that keep all of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from monitoring.engine.messages import Holiday, Market, NewsEvent, Position
from tests.bench.bench_engine import DAILY, STATIC, TRAILING, document

POSITIONS = 20
SYMBOLS = ("EURUSD", "GBPUSD.r", "XAUUSD", "US30.cash", "USDJPYm")
WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
OTHERS: list[dict[str, Any]] = [
    {"rule": "profit_target", "amount": {"percent": "10", "of": "initial"}, "requires_flat": True},
    {"rule": "min_trading_days", "days": 4, "counts": "profit_day", "threshold": "0.005"},
    {"rule": "time_limit", "days": 60, "from": "first_trade", "unit": "trading"},
    {"rule": "max_lots_per_position", "lots": "10"},
    {"rule": "max_lots_total", "lots": "40", "count": "net", "consequence": "close"},
    {"rule": "max_positions", "positions": 30, "consequence": "close"},
    {"rule": "symbols", "allow": ["EURUSD", "GBPUSD", "XAUUSD", "US30", "USDJPY"], "deny": ["BTCUSD"]},
    {"rule": "trading_hours", "zone": "Europe/London", "windows": [{"days": WEEK, "from": "00:00", "to": "24:00"}]},
    {"rule": "flat_by", "day": "sun", "time": "20:00", "zone": "America/New_York", "warn_minutes": 30},
    {"rule": "news_window", "before_minutes": 2, "after_minutes": 2, "impact": ["high", "medium"]},
    {"rule": "stop_loss_required", "within_seconds": 60},
    {"rule": "consistency", "best_day_share": "0.5", "of": "positive"},
    {"rule": "inactivity", "days": 30},
    {"rule": "soft_breaches", "allowed": 3, "window_days": 30},
]


def all_rules(version: int = 1, daily: str = "5") -> dict[str, Any]:
    """The document; `daily`: percent of the daily loss, which tells one version from the other."""
    first = DAILY | {"amount": {"percent": daily, "of": "initial"}}
    return document(first, STATIC, TRAILING, *OTHERS) | {"version": version}


def positions(at: datetime) -> tuple[Position, ...]:
    """Twenty open positions with stops, opened an hour ago."""
    return tuple(
        Position(
            id=f"p{number}", symbol=SYMBOLS[number % len(SYMBOLS)], type="BUY" if number % 2 else "SELL",
            volume=0.5, open_price=1.1, current_price=1.1, sl=1.0, tp=1.2, open_time=at - timedelta(hours=1),
        )
        for number in range(POSITIONS)
    )  # fmt: skip


def market(at: datetime) -> Market:
    """A calendar of two weeks, twenty announcements a day, none of them now."""
    news = tuple(
        NewsEvent(
            id=f"n{number}", at=at + timedelta(hours=6, minutes=72 * number), currency="USD", impact="high", title="CPI"
        )
        for number in range(280)
    )  # fmt: skip
    return Market(ts=at, revision="r1", news=news, holidays=(Holiday(day=at.date() + timedelta(days=9), name="Day"),))

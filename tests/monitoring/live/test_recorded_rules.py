"""A recorded day under all rules, while the book changes under the monitor: what PostgreSQL has, in its order."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts import moves, overrides, symbols
from accounts.calendar import import_holidays_csv, import_news_csv
from accounts.models import Account, Challenge, Role, RuleSet, Server, User
from monitoring.engine.events import Event, EventKind
from monitoring.engine.money import to_decimal
from monitoring.models import RiskEvent
from tests.monitoring.live.book import make_challenge
from tests.monitoring.live.desk import Desk
from tests.monitoring.live.test_recorded_day import TIGHTER, end, replayed, told
from tests.waiting import eventually

NAMES = tuple(f"acc_{number}" for number in range(8))
SYMBOLS = ("EURUSD", "GBPUSD", "XAUUSD")


def all_rules(now: datetime) -> dict[str, Any]:
    """A document with all sixteen rules, such that minutes from `now` are enough for most to speak."""
    day = now.strftime("%a").lower()
    deadline, reset = now + timedelta(seconds=100), now + timedelta(seconds=70)
    until = f"{now + timedelta(seconds=50):%H:%M}".replace("00:00", "24:00")
    percent = {"of": "initial"}
    return {
        "reset": {"time": f"{reset:%H:%M}", "zone": "UTC"},
        "trading_week": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        "rules": [
            {"rule": "daily_loss", "reference": "day_start_higher", "amount": {"percent": "5", **percent},
             "measured": "lower", "operator": "<", "consequence": "pause"},
            {"rule": "max_loss", "mode": "trailing", "high_water": "equity_intraday",
             "amount": {"percent": "10", "of": "high_water"}, "measured": "equity", "operator": "<=",
             "consequence": "fail"},
            {"rule": "profit_target", "amount": {"fixed": "150.00"}, "requires_flat": False},
            {"rule": "min_trading_days", "days": 1, "counts": "opened"},
            {"rule": "time_limit", "days": 30, "from": "first_trade", "unit": "calendar"},
            {"rule": "max_lots_per_position", "lots": "2", "consequence": "flag"},
            {"rule": "max_lots_total", "lots": "4", "count": "gross", "consequence": "close"},
            {"rule": "max_positions", "positions": 4, "consequence": "flag"},
            {"rule": "symbols", "allow": [], "deny": ["XAUUSD"], "consequence": "flag"},
            {"rule": "trading_hours", "zone": "UTC", "windows": [
                {"days": [day], "from": "00:00", "to": until}], "outside": "flag"},
            {"rule": "flat_by", "day": day, "time": f"{deadline:%H:%M}", "zone": "UTC", "warn_minutes": 1,
             "consequence": "flag"},
            {"rule": "news_window", "before_minutes": 2, "after_minutes": 2, "impact": ["high"], "scope": "currency",
             "exempt_if_opened_before_hours": None, "consequence": "flag"},
            {"rule": "stop_loss_required", "within_seconds": 5, "consequence": "flag"},
            {"rule": "consistency", "best_day_share": "0.50", "of": "net", "consequence": "delay"},
            {"rule": "inactivity", "days": 30, "consequence": "fail"},
            {"rule": "soft_breaches", "allowed": 14},
        ],
    }  # fmt: skip


def whole(event: Event) -> dict[str, Any]:
    """An event as PostgreSQL has it, with its detail."""
    detail: dict[str, Any] = {}
    if event.day is not None:
        detail["day"] = event.day.isoformat()
    for name in ("day_start_balance", "day_start_equity"):
        if (amount := getattr(event, name)) is not None:
            detail[name] = str(to_decimal(amount, event.digits))
    if event.positions:
        detail["positions"] = list(event.positions)
    if event.revision:
        detail["calendar_revision"] = event.revision
    return told(event) | {"detail": detail, "key": event.key}


def is_kept(event: Event) -> bool:
    return event.event is not EventKind.REFUSED or event.rule == "symbols"


def kept(row: RiskEvent) -> dict[str, Any]:
    names = (
        "event", "rule", "at", "floor", "measured", "room", "used", "operator", "reason", "consequence", "also", "step",
        "rule_set_version", "detail", "key",
    )  # fmt: skip
    return {name: getattr(row, name) for name in names}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_day_under_all_rules_while_the_book_changes_replays_to_itself(desk: Desk) -> None:
    desk.env |= {"RISKDESK_RECORDING": "on", "RISKDESK_RECORDING_DIR": str(desk.directory / "recordings")}
    seed = random.SystemRandom().randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    now = datetime.now(UTC)
    document = all_rules(now)
    first = make_challenge(upstream_id=NAMES[0], document=document)
    for name in NAMES[1:]:
        other = make_challenge(upstream_id=name, document=document)
        Challenge.objects.filter(pk=other.pk).update(rule_set=first.rule_set)
    for name in NAMES:
        desk.make_account(name)
    head = User.objects.create(username="head", role=Role.HEAD_OF_RISK)
    server = Server.objects.get(name="main")
    equity = dict.fromkeys(NAMES, 100_000.0)
    tighter = {
        "daily_loss": {"amount": {"percent": "4", "of": "initial"}}, "max_lots_per_position": {"lots": "0.5"},
        "max_lots_total": {"lots": "1.5"}, "max_positions": {"positions": 1}, "symbols": {"deny": ["EURUSD"]},
    }  # fmt: skip
    rules = [rule | tighter.get(rule["rule"], {}) for rule in document["rules"]]
    second = RuleSet.objects.create(phase=first.rule_set.phase, version=2, document={**document, "rules": rules})

    def trade() -> None:
        name = chance.choice(NAMES)
        deal = {"symbol": chance.choice(SYMBOLS), "type": chance.choice(("BUY", "SELL")),
                "volume": chance.choice((0.1, 1.0, 2.5))}  # fmt: skip
        if chance.random() < 0.4:
            deal["sl"] = 0.5 if deal["type"] == "BUY" else 90_000.0
        desk.control(f"/accounts/{name}/positions", deal)

    def swing() -> None:
        name = chance.choice(NAMES)
        equity[name] = round(equity[name] + chance.uniform(-250, 252), 2)
        desk.put_at(name, equity=equity[name])

    def operate() -> None:
        kind, amount = chance.choice((("withdrawal", -300), ("deposit", 250), ("credit", 400), ("payout", -100)))
        desk.control(f"/accounts/{chance.choice(NAMES)}/balance", {"kind": kind, "amount": amount})

    def fault() -> None:
        kind = chance.choice(("duplicate", "reorder", "late", "corrupt", "nan", "drop_socket", "http_503"))
        desk.control("/faults", {"kind": kind, **({"for_s": 1} if kind == "http_503" else {"count": 5})})

    def news() -> None:
        at = datetime.now(UTC) + timedelta(seconds=chance.randrange(-100, 100))
        rows = f"uid,at,currency,impact,title\nn{chance.randrange(5)},{at:%Y-%m-%dT%H:%M:%SZ},USD,high,CPI\n"
        import_news_csv(rows, head, "test.csv")

    def holiday() -> None:
        closes = f"{datetime.now(UTC) + timedelta(minutes=chance.randrange(1, 3)):%H:%M}"
        rows = f"server,day,name,closes,zone\nmain,{now:%Y-%m-%d},Short day,{closes},UTC\n"
        import_holidays_csv(rows, head, "test.csv")

    def name_symbol() -> None:
        symbols.set_names(server, {"GBPUSD": chance.choice(("XAUUSD", "GBPUSD", "EURGBP"))}, head)

    def override() -> None:
        account = Account.objects.get(upstream_id=chance.choice(NAMES))
        try:
            overrides.set_override(account, "daily_loss", 0, {**TIGHTER, "consequence": "pause"}, head, "a try")
        except overrides.OverrideError as error:
            print(error)

    def move() -> None:
        running = Challenge.objects.filter(account__upstream_id=chance.choice(NAMES), state="active")
        moves.move_challenges(list(running), second, head, "tightened")

    monitor, doings = desk.start_monitor("monitor-0"), 0
    while datetime.now(UTC) < now + timedelta(seconds=110):
        doings += 1
        chance.choices(
            (swing, trade, operate, fault, news, holiday, name_symbol, override, move),
            weights=(60, 12, 2, 1, 1, 0.5, 1, 0.5, 0.5),
        )[0]()
        if doings % 1500 == 1499:
            end(monitor)  # a kill -9 may cost an event of the last milliseconds
            monitor = desk.start_monitor(f"monitor-{doings}")
    desk.control("/faults", method="DELETE")
    desk.put_at(NAMES[-1], equity=50_000.0)
    eventually(lambda: RiskEvent.objects.filter(account__upstream_id=NAMES[-1], event="breached", consequence="fail"))
    end(monitor)
    text, events = replayed(desk)
    assert text == replayed(desk)[0]
    lived = {row.key: kept(row) for row in RiskEvent.objects.all()}
    again = {event.key: whole(event) for event in events if is_kept(event)}
    print(doings, Counter(f"{event.event.value} {event.rule}" for event in events))
    assert {event.event for event in events} >= {"warned", "breached", "violated", "day_started"}
    assert again == lived
    assert len(again) == len([event for event in events if is_kept(event)])

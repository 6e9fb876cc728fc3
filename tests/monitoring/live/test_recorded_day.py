"""A recorded day of the real monitor replays to what it told, byte for byte twice, whatever the upstream did."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts import overrides
from accounts.models import Account, Role, User
from monitoring.engine.events import Event, EventKind
from monitoring.engine.money import to_decimal
from monitoring.engine.tape import Player
from monitoring.lab.frames import BadLine, Frames
from monitoring.live.recording.files import recorded_days
from monitoring.models import RiskEvent
from tests.monitoring.live.desk import Desk, Monitor
from tests.waiting import eventually

ACCOUNTS = tuple(f"acc_{number}" for number in range(4))
TIGHTER = {
    "rule": "daily_loss", "reference": "day_start_balance", "amount": {"percent": "2", "of": "initial"},
    "measured": "equity", "operator": "<", "consequence": "fail",
}  # fmt: skip


@pytest.fixture
def recorded(desk: Desk) -> Desk:
    """A desk whose monitors record."""
    desk.env |= {"RISKDESK_RECORDING": "on", "RISKDESK_RECORDING_DIR": str(desk.directory / "recordings")}
    for account in ACCOUNTS:
        desk.make_account(account)
        desk.control(f"/accounts/{account}/positions", {"symbol": "EURUSD", "type": "BUY", "volume": 1.0})
    return desk


def files(desk: Desk) -> list[Path]:
    return [one.path for one in recorded_days(desk.directory / "recordings")]


def replayed(desk: Desk) -> tuple[str, list[Event]]:
    """What the command prints, and the events themselves."""
    out, player, events = StringIO(), Player(), list[Event]()
    call_command("replay", *map(str, files(desk)), stdout=out, stderr=StringIO())
    for line in Frames.of(files(desk)):
        assert not isinstance(line, BadLine), line
        events += player.play(line)
    return out.getvalue(), events


def told(event: Event) -> dict[str, Any]:
    """An event as PostgreSQL has it."""

    def money(minor: int | None) -> Any:
        return None if minor is None else to_decimal(minor, event.digits)

    return {
        "event": event.event.value, "rule": event.rule or "", "at": event.at, "floor": money(event.floor),
        "measured": money(event.measured), "room": money(event.room),
        "used": None if event.used is None else event.used.quantize(Decimal("0.0001"), ROUND_HALF_UP),
        "operator": event.operator or "",
        "reason": event.reason, "consequence": event.consequence or "", "also": list(event.also), "step": event.step,
        "rule_set_version": event.rule_set_version,
    }  # fmt: skip


def stored(row: RiskEvent) -> dict[str, Any]:
    names = (
        "event", "rule", "at", "floor", "measured", "room", "used", "operator", "reason", "consequence", "also", "step",
        "rule_set_version",
    )  # fmt: skip
    return {name: getattr(row, name) for name in names}


def check(desk: Desk) -> None:
    """Twice the same bytes, and what PostgreSQL has."""
    text, events = replayed(desk)
    assert text == replayed(desk)[0]
    lived = {row.key: stored(row) for row in RiskEvent.objects.all()}
    assert {event.key: told(event) for event in events if event.event is not EventKind.REFUSED} == lived
    assert len({event.key for event in events}) == len(events)


def kinds(account: str) -> list[str]:
    return list(RiskEvent.objects.filter(account__upstream_id=account).values_list("event", flat=True))


def end(monitor: Monitor) -> None:
    assert monitor.process.kill(signal.SIGTERM) == 0


def tighten(account: str) -> None:
    """A rule of one account is set apart while the monitor runs."""
    actor, _ = User.objects.get_or_create(username="risk", role=Role.RISK_OFFICER)
    now = timezone.now()
    found = Account.objects.get(upstream_id=account)
    overrides.set_override(found, "daily_loss", 0, TIGHTER, actor, "a try", None, now)


def test_a_day_with_a_warning_an_override_and_a_breach_replays_to_itself(recorded: Desk) -> None:
    monitor = recorded.start_monitor()
    recorded.put_at("acc_0", equity=95_800.0)
    recorded.put_at("acc_1", equity=97_500.0)
    eventually(lambda: "warned" in kinds("acc_0"), what="a warning is recorded")
    tighten("acc_1")
    eventually(lambda: "breached" in kinds("acc_1"), what="the override breaches")
    recorded.control("/faults", {"kind": "duplicate", "count": 50})
    recorded.control("/faults", {"kind": "drop_socket"})
    recorded.put_at("acc_0", equity=90_000.0)
    eventually(lambda: "breached" in kinds("acc_0"), what="a breach is recorded")
    monitor.process.kill()  # at once: what led to the breach is on the disk already
    check(recorded)


def published_anew(desk: Desk) -> None:
    """Two batches later, a tenth of a second each."""
    head = desk.head()
    assert head is not None
    due = head.version + 2
    eventually(lambda: (now := desk.head()) and now.version >= due, what="the monitor has published what it knows")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_faults_in_the_feed_change_nothing_of_the_replay(recorded: Desk) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    faults: list[Callable[[], Any]] = [
        lambda: recorded.control("/faults", {"kind": "duplicate", "count": 20}),
        lambda: recorded.control("/faults", {"kind": "reorder", "count": 20}),
        lambda: recorded.control("/faults", {"kind": "late", "count": 5}),
        lambda: recorded.control("/faults", {"kind": "corrupt", "count": 3}),
        lambda: recorded.control("/faults", {"kind": "nan", "count": 3}),
        lambda: recorded.control("/faults", {"kind": "drop_socket"}),
        lambda: recorded.control("/faults", {"kind": "http_503", "for_s": 2}),
        lambda: recorded.control("/accounts/acc_2/balance", {"kind": "withdrawal", "amount": -500}),
        lambda: recorded.control("/faults", {"kind": "connection_lost", "account": "acc_3", "for_s": 1}),
    ]
    monitor = recorded.start_monitor("monitor-0")
    equity = dict.fromkeys(ACCOUNTS, 100_000.0)
    for turn in range(2_000):
        account = chance.choice(ACCOUNTS)
        equity[account] = round(equity[account] + chance.uniform(-300, 290), 2)
        recorded.put_at(account, equity=equity[account])
        if not turn % 60:
            chance.choice(faults)()
        if turn == 600:
            tighten("acc_1")
        if turn == 1_200:
            published_anew(recorded)  # what led to an event is on the disk within milliseconds, not at once
            monitor.process.kill(signal.SIGKILL)
            monitor = recorded.start_monitor("monitor-1")
    recorded.control("/faults", method="DELETE")
    recorded.put_at("acc_3", equity=80_000.0)
    eventually(lambda: "breached" in kinds("acc_3"), what="the last breach is recorded")
    end(monitor)
    check(recorded)

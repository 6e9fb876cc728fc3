"""Accounts of the book with what a monitor says of them, for the tests of the pages."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from time import time
from typing import Any

import msgspec
from django.test import Client

from accounts import challenges
from accounts.models import Account, Role, Server, User
from monitoring.live.publish import AccountRow, ReadingRow, StandingRow
from monitoring.models import Enforcement, RiskEvent
from tests.monitoring.wire import SIZE, Wire, account

DAILY = (
    "The challenge fails when equity falls below the balance at the start of the day less 5% of the initial balance."
)
STATIC = "The challenge fails when equity falls below the initial balance less 10% of the initial balance."


def adopt(public_id: str, trader: User | None = None, group: str = "") -> Account:
    """An account of 100,000.00 USD on the server `sim`, under the plan two-step."""
    server, _ = Server.objects.get_or_create(name="sim", defaults={"kind": "simulator"})
    challenge = challenges.adopt(
        server,
        upstream_id=public_id,
        login=public_id.removeprefix("sim-"),
        group=group,
        holder="L. Fischer",
        currency="USD",
        balance=Decimal("100000.00"),
        at=datetime.now(UTC),
    )
    found = challenge.account
    Account.objects.filter(pk=found.pk).update(trader=trader)
    found.refresh_from_db()
    return found


def row(public_id: str, equity: int = SIZE, rev: int = 1, **changes: Any) -> AccountRow:
    """The account at an equity in cents, judged by the daily floor 95,000.00 and the static floor 90,000.00."""
    state = changes.pop("state", "breached" if equity < 9_500_000 else "ok")
    readings = [
        _reading("daily_loss", 0, equity, 9_500_000, DAILY, state),
        _reading("max_loss", 1, equity, 9_000_000, STATIC, "ok"),
    ]
    used = [reading.used for reading in readings]
    values: dict[str, Any] = {
        "equity": equity,
        "readings": readings,
        "daily_used": used[0],
        "max_used": used[1],
        "headroom": equity - 9_500_000,
        "day_pl": equity - SIZE,
        "open_pl": equity - SIZE,
        "next_reset_ms": int(time() * 1000) + 3_600_000,
        "state": state,
        **changes,
    }
    return account(public_id, rev, **values)


def _reading(rule: str, index: int, equity: int, floor: int, sentence: str, state: str) -> ReadingRow:
    used = max(0, (SIZE - equity) * 10_000 // (SIZE - floor))
    mode = "" if rule == "daily_loss" else "static"
    room = equity - floor
    return ReadingRow(rule, index, mode, state, floor, equity, SIZE, room, used, "<", "fail", sentence)


def standing(**changes: Any) -> StandingRow:
    """Where the profit target of the plan two-step stands: 1,200.00 of 10,000.00."""
    values: dict[str, Any] = {
        "rule": "profit_target",
        "index": 2,
        "state": "pending",
        "value": "1,200.00",
        "limit": "10,000.00",
        "share_points": 1200,
        "reason": "closed profit 1,200.00 of the target 10,000.00: 8,800.00 to go",
        "consequence": "",
        "due_ms": None,
    }
    return StandingRow(**{**values, **changes})


def history(wire: Wire, public_id: str, points: list[tuple[int, int]]) -> None:
    """Keep points (epoch ms, equity in cents) as the monitor does."""
    packed = [msgspec.msgpack.encode([at, equity, SIZE, 9_500_000, 9_000_000]) for at, equity in points]
    wire.client.rpush(f"riskdesk:{wire.shard}:history:{public_id}", *packed)


def breach(found: Account, key: str = "k-breach", **changes: Any) -> Enforcement:
    """A recorded breach of the daily loss with its proof."""
    at = datetime(2026, 11, 20, 8, 12, 4, 123000, UTC)
    event(found, key, "breached", at=at, severity=4, floor=Decimal("95000"), measured=Decimal("94812.00"))
    values: dict[str, Any] = {
        "state": "locked",
        "requested_at": at,
        "sent_at": at.replace(microsecond=125000),
        "accepted_at": at.replace(microsecond=150000),
        "flat_at": at.replace(microsecond=300000),
        "locked_at": at.replace(microsecond=310000),
        "attempts": 1,
        "equity_at_detection": Decimal("94812.00"),
        "lowest_equity": Decimal("94700.50"),
        "equity_after": Decimal("94750.25"),
        "commands": [{"at": at.isoformat(), "command": "close_all", "status": "done", "http_status": 200, "closed": 1}],
    }
    return Enforcement.objects.create(event_key=key, account=found, **{**values, **changes})


def event(found: Account, key: str, kind: str, **changes: Any) -> RiskEvent:
    """A recorded event of the daily loss."""
    values: dict[str, Any] = {
        "shard": "main",
        "epoch": 1,
        "account": found,
        "challenge": found.challenges.get(),
        "event": kind,
        "rule": "daily_loss",
        "severity": 2,
        "at": datetime.now(UTC),
        "operator": "<",
        "reason": f"equity 94,812.00 is below the daily floor 95,000.00 ({kind})",
    }
    return RiskEvent.objects.create(key=key, **{**values, **changes})


def signed_in(name: str, role: Role) -> Client:
    """A client signed in as a new user."""
    client = Client()
    user = User.objects.create_user(name, password="pw", role=role)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def get(client: Client, path: str, **headers: str) -> str:
    """The page at `path`, which must be there."""
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def text(html: str) -> str:
    """What a page says, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))

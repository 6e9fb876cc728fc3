"""A small book for the live path's tests."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from accounts.models import Account, Challenge, ChallengeState, Phase, Plan, RuleSet, Server

STARTED = datetime(2026, 11, 1, tzinfo=UTC)
_numbers = count(1)
DOCUMENT: dict[str, Any] = {
    "reset": {"time": "00:00", "zone": "Europe/Prague"},
    "rules": [
        {"rule": "daily_loss", "reference": "day_start_balance", "amount": {"percent": "5", "of": "initial"},
         "measured": "equity", "operator": "<", "consequence": "fail"},
        {"rule": "max_loss", "mode": "static", "amount": {"percent": "10", "of": "initial"},
         "measured": "equity", "operator": "<", "consequence": "fail"},
    ],
}  # fmt: skip
TRAILING = {
    "rule": "max_loss", "mode": "trailing", "high_water": "equity_intraday",
    "amount": {"percent": "10", "of": "initial"}, "measured": "equity", "operator": "<", "consequence": "fail",
}  # fmt: skip


def make_challenge(
    *,
    upstream_id: str | None = None,
    server: str = "main",
    state: ChallengeState = ChallengeState.ACTIVE,
    initial: str = "100000.00",
    document: dict[str, Any] | None = None,
) -> Challenge:
    """One account with a running challenge; unique names each time unless given."""
    number = next(_numbers)
    name = upstream_id or f"acc_{number}"
    home, _ = Server.objects.get_or_create(name=server, defaults={"kind": "fxsocket"})
    plan = Plan.objects.create(slug=f"plan-{number}", name=f"Plan {number}")
    phase = Phase.objects.create(plan=plan, slug="one", name="Phase 1", order=1)
    rule_set = RuleSet.objects.create(phase=phase, version=1, document=document or DOCUMENT)
    account = Account.objects.create(public_id=name, server=home, upstream_id=name, login=f"{9000 + number}")
    return Challenge.objects.create(
        account=account, rule_set=rule_set, initial_balance=Decimal(initial), state=state, started_at=STARTED
    )

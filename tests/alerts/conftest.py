"""Accounts, risk events and a Slack for the tests of alerting."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Account, Challenge, Phase, Plan, Role, RuleSet, Server, User
from monitoring.models import RiskEvent
from tests.alerts.fake_slack import FakeSlack, fake_slack

T0 = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
MakeAccount = Callable[..., Account]
MakeEvent = Callable[..., RiskEvent]


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    """A fake Slack that nobody is pointed at yet."""
    with fake_slack() as running:
        yield running


@pytest.fixture
def told(slack: FakeSlack, settings: Settings) -> FakeSlack:
    """The fake Slack as this process's destination."""
    settings.RISKDESK_SLACK_WEBHOOK_URL = slack.url
    return slack


@pytest.fixture
def make_account(db: None) -> MakeAccount:
    """Make accounts with a running challenge."""
    numbers = itertools.count(1)

    def make(login: str = "", **values: Any) -> Account:
        number = next(numbers)
        server, _ = Server.objects.get_or_create(name="MT5-2", kind="fxsocket")
        plan, _ = Plan.objects.get_or_create(slug="two-step", name="Two-step")
        phase, _ = Phase.objects.get_or_create(plan=plan, slug="one", name="Phase 1", order=1)
        rules, _ = RuleSet.objects.get_or_create(phase=phase, version=1, defaults={"document": {}})
        values = {"public_id": f"acc_{number}", "upstream_id": f"acc_{number}", "holder": "Jane Doe", **values}
        account = Account.objects.create(server=server, login=login or f"84100{number:02d}", **values)
        Challenge.objects.create(account=account, rule_set=rules, initial_balance=Decimal(100_000), started_at=T0)
        return account

    return make


@pytest.fixture
def account(make_account: MakeAccount) -> Account:
    """One account."""
    return make_account()


@pytest.fixture
def happen(db: None) -> MakeEvent:
    """Record a risk event as the monitor's recorder does, a millisecond after the one before."""
    numbers = itertools.count(1)
    start = timezone.now()

    def record(
        account: Account | None, event: str, *, after: float | None = None, index: int | str = 0, **more: Any
    ) -> RiskEvent:
        number = next(numbers)
        challenge = account.challenges.order_by("-pk").first() if account else None
        breach = event == "breached"
        values: dict[str, Any] = {
            "key": f"{account and account.public_id}:c{challenge and challenge.pk}:{index}:{event}:{number}",
            "shard": "main",
            "epoch": 1,
            "account": account,
            "challenge": challenge,
            "event": event,
            "rule": "" if event in {"resumed", "day_started", "stale", "fresh"} else "daily_loss",
            "severity": 4 if breach else 2,
            "at": start + timedelta(seconds=number * 0.001 if after is None else after),
            "used": Decimal("1.0200") if breach else Decimal("0.8312"),
            "reason": "equity 94,812.10 is below the daily floor 95,000.00"
            if breach
            else "equity 95,800.00 is 800.00 above",
            "consequence": "fail" if breach else "",
            "rule_set_version": 1,
        }
        return RiskEvent.objects.create(**{**values, **more})

    return record


@pytest.fixture
def people(db: None) -> dict[str, User]:
    """One user of each role, by role."""
    return {role.value: User.objects.create_user(role.value, role=role) for role in Role}


@pytest.fixture
def signed_in(people: dict[str, User]) -> Callable[[str], Client]:
    """A client that is signed in as the user of that role."""

    def sign_in(name: str) -> Client:
        client = Client(REMOTE_ADDR="192.0.2.7")
        client.force_login(people[name], backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in

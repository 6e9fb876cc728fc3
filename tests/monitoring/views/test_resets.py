"""The reset preview on the account page: the overnight trap seen before it closes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from accounts import challenges as book
from accounts.models import Account, Challenge, Role, User
from monitoring.engine.messages import AccountFigures, AccountUpdate, Link
from monitoring.engine.rules import process
from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.snapshot import Snapshot
from monitoring.live.checkpoint import pack_state
from monitoring.models import Checkpoint
from tests.monitoring.book import adopt, get, signed_in, text

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def stands(account: Account, balance: float, equity: float) -> None:
    """Its checkpoint after the monitor has seen these figures."""
    challenge = Challenge.objects.get(account=account)
    snapshot = Snapshot("sim")
    process(snapshot, Link(ts=NOW - timedelta(hours=1), state="connected"))
    rules = parse_rule_set(book.rule_set_document(challenge))
    live = snapshot.add(account.upstream_id, rules, challenge=f"c{challenge.pk}", created=NOW - timedelta(days=1))
    figures = AccountFigures(balance=balance, equity=equity)
    process(snapshot, AccountUpdate(account_id=account.upstream_id, ts=NOW, data=figures))
    packed = pack_state(live.dump())
    Checkpoint.objects.create(account=account, epoch=1, version=1, state=packed, saved_at=NOW)


@pytest.fixture
def officer() -> Client:
    return signed_in("risk", Role.RISK_OFFICER)


def test_a_floating_loss_under_a_higher_balance_is_a_trap(officer: Client) -> None:
    account = adopt("sim-1")
    stands(account, 104_000.0, 95_500.0)
    said = text(get(officer, "/accounts/sim-1/reset/"))
    assert "would be in breach at its reset without any move of the market" in said
    assert "95,500.00 95,000.00 99,000.00 −3,500.00 Breach (fail)" in said.replace("  ", " ")
    assert "2026-11-20 12:00:00" in said
    assert "Maximum loss, static 95,500.00" in said.replace("  ", " ")  # a rule set may have a trailing one too


def test_who_would_be_within_every_limit_is_told_so(officer: Client) -> None:
    account = adopt("sim-1")
    stands(account, 101_000.0, 100_500.0)
    said = text(get(officer, "/accounts/sim-1/reset/"))
    assert "in breach at its reset" not in said
    assert said.count("Within") == 2


def test_without_figures_it_says_that_there_is_nothing_to_compute(officer: Client) -> None:
    account = adopt("sim-1")
    assert "No data of this challenge have come yet." in get(officer, "/accounts/sim-1/reset/")
    Checkpoint.objects.create(account=account, epoch=1, version=1, state=b"\xc1", saved_at=NOW)
    assert "It cannot be computed" in get(officer, "/accounts/sim-1/reset/")


def test_a_trader_sees_his_own_only() -> None:
    client = signed_in("trader", Role.TRADER)
    stands(adopt("sim-1", User.objects.get(username="trader")), 104_000.0, 95_500.0)
    adopt("sim-2")
    assert "Breach (fail)" in text(get(client, "/accounts/sim-1/reset/"))
    assert client.get("/accounts/sim-2/reset/").status_code == 403
    assert Client().get("/accounts/sim-1/reset/").status_code == 302

"""What the live path tells the book."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import symbols
from accounts.models import Account, Role, Server, User
from monitoring.models import RiskEvent


@pytest.fixture
def server(db: None) -> Server:
    return Server.objects.create(name="main", kind="fxsocket")


def refused(server: Server, raw: str, number: int, days: int = 0) -> None:
    account, _ = Account.objects.get_or_create(
        server=server, upstream_id="a1", defaults={"public_id": f"{server.name}-a1", "login": "1"}
    )
    RiskEvent.objects.create(
        key=f"{server.name}:{number}",
        shard="main",
        epoch=1,
        account=account,
        event="refused",
        rule="symbols",
        at=timezone.now() - timedelta(days=days),
        reason=f"the symbol {raw} has no known base name: set it on the server's table",
    )


def test_names_that_the_engine_could_not_judge_reach_the_table_of_their_server(server: Server) -> None:
    other = Server.objects.create(name="other", kind="fxsocket")
    for number, raw in enumerate(["ZZZ.x", "GOLD spot", "ZZZ.x"]):
        refused(server, raw, number)
    refused(server, "LONGAGO", 9, days=40)
    refused(other, "ELSEWHERE", 1)
    assert symbols.unknown_names(server) == ["GOLD spot", "ZZZ.x"]
    officer = User.objects.create_user("risk", role=Role.RISK_OFFICER)
    symbols.set_names(server, {"ZZZ.x": "ZZZ"}, officer)
    assert symbols.unknown_names(server) == ["GOLD spot"]

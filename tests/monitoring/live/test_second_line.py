"""The firm's rules at an upstream that refuses orders itself: a real simulator, a real monitor."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from accounts import symbols
from accounts.models import Challenge, EnforcementMode, Role, RuleSet, Server, User
from monitoring.live.publish import ServerRow
from monitoring.models import RiskEvent
from tests.monitoring.live.desk import KEY, Desk
from tests.waiting import eventually

HEARD = ["account_update", "position_open", "position_close", "position_modified", "order_rejected", "rule_breach"]
CAPS = [
    {"rule": "max_lots_per_position", "lots": "2"},
    {"rule": "symbols", "deny": ["BTCUSD"]},
]


def rest(desk: Desk, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    """A call of the upstream as the firm's own systems and traders make it."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{desk.simulator_port}/v1{path}", method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def rules_there(desk: Desk, account: str) -> dict[str, Any]:
    return rest(desk, "GET", f"/accounts/{account}/risk-rules")[1]


def order(desk: Desk, account: str, symbol: str, volume: float) -> int:
    body = {"account_id": account, "symbol": symbol, "type": "BUY", "volume": volume}
    return rest(desk, "POST", "/orders", body)[0]


def feed(desk: Desk) -> ServerRow:
    head = desk.head()
    assert head is not None
    return head.servers[0]


def with_caps() -> None:
    """Before anybody is adopted: the default plan's first phase gets limits that the upstream can be told."""
    rule_set = RuleSet.objects.get(phase__plan__slug="two-step", phase__order=1)
    rule_set.document["rules"] += CAPS
    rule_set.save()


def test_the_upstream_gets_the_rules_in_its_own_words_and_what_it_says_of_them_is_only_shown(desk: Desk) -> None:
    with_caps()
    desk.make_account("acc_x")
    rest(desk, "PUT", "/accounts/acc_x/risk-rules", {"max_daily_loss_pct": 0.001, "max_open_positions": 1})
    rest(desk, "POST", "/accounts/acc_x/subscribe", {"events": HEARD})  # the stream of all leaves orders out
    desk.start_monitor()
    eventually(lambda: rules_there(desk, "acc_x")["max_lot_size"] == 2.0, what="the upstream has the limit")
    there = rules_there(desk, "acc_x")
    assert (there["blocked_symbols"], there["max_open_positions"], there["max_daily_loss_pct"]) == (
        ["BTCUSD"], None, 0.001,
    )  # fmt: skip
    eventually(lambda: (feed(desk).rules_in_step, feed(desk).rules_pending) == (1, 0), what="in step on the page")
    assert order(desk, "acc_x", "EURUSD", 2.5) == 422
    assert order(desk, "acc_x", "BTCUSD", 0.1) == 422
    assert order(desk, "acc_x", "EURUSD", 2.0) == 201
    eventually(lambda: feed(desk).orders_refused == 2, what="refusals are counted")
    desk.put_at("acc_x", equity=99_000.0)  # far within our limits, beyond the upstream's own
    eventually(lambda: feed(desk).rule_events >= 1, what="the upstream's breach is counted")
    assert desk.shown("acc_x").state == "ok"
    assert not RiskEvent.objects.filter(event="breached").exists()
    assert Challenge.objects.get().state == "active"


def test_what_somebody_changes_there_and_what_a_name_comes_to_mean_is_brought_in_step_again(desk: Desk) -> None:
    with_caps()
    desk.make_account("acc_x")
    desk.start_monitor()
    eventually(lambda: rules_there(desk, "acc_x")["max_lot_size"] == 2.0, what="the upstream has the limit")
    rest(desk, "PUT", "/accounts/acc_x/risk-rules", {"max_lot_size": 50.0, "max_daily_loss_pct": 0.01})
    eventually(lambda: rules_there(desk, "acc_x")["max_lot_size"] == 2.0, what="the limit stands again")
    assert rules_there(desk, "acc_x")["max_daily_loss_pct"] == 0.01
    head = User.objects.create(username="head", role=Role.HEAD_OF_RISK)
    symbols.set_names(Server.objects.get(name="main"), {"ETHUSD": "BTCUSD"}, head)
    eventually(
        lambda: rules_there(desk, "acc_x")["blocked_symbols"] == ["BTCUSD", "ETHUSD"], what="worded by the new name"
    )
    eventually(lambda: (feed(desk).rules_in_step, feed(desk).rules_pending) == (1, 0), what="in step on the page")


def test_dry_run_tells_the_upstream_nothing_until_it_is_live(desk: Desk) -> None:
    Server.objects.create(name="main", kind="fxsocket", enforcement=EnforcementMode.DRY_RUN)
    with_caps()
    desk.make_account("acc_x")
    desk.start_monitor()
    desk.shown("acc_x")
    eventually(lambda: desk.head() and feed(desk).accounts == 1, what="the feed is shown")
    assert rules_there(desk, "acc_x")["max_lot_size"] is None
    assert feed(desk).rules_pending == 0
    Server.objects.update(enforcement=EnforcementMode.LIVE)
    eventually(lambda: rules_there(desk, "acc_x")["max_lot_size"] == 2.0, what="told once it is live")


@pytest.mark.slow
def test_what_was_refused_while_the_key_was_not_valid_is_told_on_the_new_link(desk: Desk) -> None:
    with_caps()
    desk.make_account("acc_x")
    desk.control("/faults", {"kind": "http_503", "path": "risk-rules", "for_s": 600})
    desk.start_monitor()
    eventually(lambda: desk.head() and feed(desk).rules_pending == 1, what="it waits")
    eventually(lambda: "503" in feed(desk).rules_refusal, what="why it waits is said")
    desk.control("/faults", {"kind": "key_revoked"})
    eventually(lambda: feed(desk).rules_refused == 1, within=30, what="refused")
    assert "401" in feed(desk).rules_refusal
    desk.control("/faults", method="DELETE")
    eventually(lambda: (feed(desk).rules_in_step, feed(desk).rules_refused) == (1, 0), within=60, what="in step")
    assert rules_there(desk, "acc_x")["max_lot_size"] == 2.0

"""The live path whole: a real simulator, a real monitor, real PostgreSQL and Valkey."""

from __future__ import annotations

import signal

from accounts.models import Challenge, ChallengeState, EnforcementMode, Plan, Server
from monitoring.models import Enforcement, RiskEvent
from tests.monitoring.live.desk import Desk
from tests.waiting import eventually


def kinds(account: str) -> list[str]:
    """The recorded loss events of an account, in order."""
    told = {"warned", "stepped_up", "cleared", "breached", "resumed"}
    rows = RiskEvent.objects.filter(account__upstream_id=account, event__in=told).order_by("at", "ingested_at")
    return [row.event for row in rows]


def flat_and_locked(desk: Desk, account: str) -> bool:
    truth = desk.truth(account)
    return bool(truth["locked"]) and not truth["positions"]


def test_a_warning_then_a_breach_reach_the_table_the_broker_and_the_page(desk: Desk) -> None:
    desk.make_account("acc_x")
    desk.control("/accounts/acc_x/positions", {"symbol": "EURUSD", "type": "BUY", "volume": 1.0})
    monitor = desk.start_monitor()
    assert monitor.health()["accounts"] == 1

    desk.put_at("acc_x", equity=95_800.0)  # 84% of the daily limit
    eventually(lambda: kinds("acc_x") == ["warned"], what="the warning is recorded")
    eventually(lambda: (row := desk.row("acc_x")) and row.severity == 2 and row.state == "warned", what="the row warns")
    desk.put_at("acc_x", equity=94_000.0)
    eventually(lambda: flat_and_locked(desk, "acc_x"), what="flat and locked at the simulator")
    eventually(lambda: "breached" in kinds("acc_x"), what="the breach is recorded")

    names = [command["path"] for command in desk.commands("acc_x")]
    assert any("close" in name for name in names), names
    assert any("lock" in name for name in names), names
    eventually(lambda: desk.shown("acc_x").enforcement == "locked", what="the row says flat and locked")
    row = desk.shown("acc_x")
    assert (row.severity, row.state, row.locked) == (4, "breached", True)
    eventually(lambda: Enforcement.objects.filter(state="locked").exists(), what="recorded as done")
    enforcement = Enforcement.objects.get()
    assert enforcement.flat_at
    assert enforcement.locked_at
    assert enforcement.equity_at_detection is not None
    assert enforcement.equity_at_detection < 95_000
    assert kinds("acc_x").count("breached") == 1
    assert kinds("acc_x").count("warned") == 1
    assert Challenge.objects.get(account__upstream_id="acc_x").state == ChallengeState.FAILED
    assert monitor.process.kill(signal.SIGTERM) == 0


def test_an_account_beyond_a_floor_at_adoption_goes_to_review_and_is_left_alone(desk: Desk) -> None:
    desk.make_account("acc_late")
    desk.control("/accounts/acc_late/positions", {"symbol": "EURUSD", "type": "BUY", "volume": 1.0})
    desk.put_at("acc_late", equity=80_000.0)
    desk.start_monitor()
    row = desk.shown("acc_late")
    assert (row.state, row.enforcement) == ("review", "")
    assert Challenge.objects.get().state == ChallengeState.REVIEW
    assert not desk.truth("acc_late")["locked"]

    Challenge.objects.update(state=ChallengeState.ACTIVE)  # a person releases it
    eventually(lambda: flat_and_locked(desk, "acc_late"), what="judged after its release")


def test_dry_run_records_and_sends_nothing_until_somebody_turns_it_on(desk: Desk) -> None:
    Server.objects.create(name="main", kind="fxsocket", enforcement=EnforcementMode.DRY_RUN)
    desk.make_account("acc_dry")
    desk.control("/accounts/acc_dry/positions", {"symbol": "EURUSD", "type": "BUY", "volume": 1.0})
    desk.start_monitor()
    desk.put_at("acc_dry", equity=90_000.0)
    eventually(lambda: Enforcement.objects.filter(state="dry_run").exists(), what="what would be done is recorded")
    assert desk.commands("acc_dry") == []
    assert RiskEvent.objects.get(event="breached").mode == "dry_run"
    assert (row := desk.row("acc_dry"))
    assert (row.enforcement_mode, row.locked) == ("dry_run", False)

    Server.objects.update(enforcement=EnforcementMode.LIVE)
    eventually(lambda: flat_and_locked(desk, "acc_dry"), what="enforced once it is live")
    eventually(lambda: Enforcement.objects.get().state == "locked", what="the same enforcement comes to its end")


def test_an_account_that_appears_later_is_adopted(desk: Desk) -> None:
    desk.start_monitor()
    desk.make_account("acc_new", balance=50_000.0)
    row = desk.shown("acc_new")
    assert (row.size, row.daily_floor, row.max_floor) == (5_000_000, 4_750_000, 4_500_000)


def test_accounts_are_adopted_once_the_plan_that_was_missing_is_there(desk: Desk) -> None:
    """The monitor goes on; a quiet account sends no frames, so the list is read again although nothing calls for it."""
    assert desk.control("/accounts", {"id": "acc_x", "balance": 100_000.0, "group": "no-plan"})[0] in {200, 201}
    desk.env["RISKDESK_DEFAULT_PLAN"] = "later"
    monitor = desk.start_monitor()
    eventually(lambda: (head := desk.head()) and any("cannot be adopted" in line for line in head.warnings))
    assert monitor.health()["leader"]
    Plan.objects.update(slug="later")
    assert desk.shown("acc_x").size == 10_000_000

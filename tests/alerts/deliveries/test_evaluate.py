"""From risk events to alerts and outbox rows: once, in order, whoever asks."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Account
from alerts.deliveries import broken_link, evaluate, settle
from alerts.deliveries.messages import compose
from alerts.models import Alert, AlertTransition, Delivery, Destination
from alerts.transports.slack import payload
from monitoring.models import RiskEvent
from tests.alerts.conftest import MakeAccount, MakeEvent
from tests.alerts.fake_slack import FakeSlack


def route(*events: RiskEvent) -> None:
    for event in events:
        evaluate(event.pk)


def test_a_warning_opens_an_alert_and_one_delivery(account: Account, happen: MakeEvent, told: FakeSlack) -> None:
    event = happen(account, "warned", used=Decimal("0.8312"))
    route(event)
    alert = Alert.objects.get()
    assert (alert.kind, alert.severity, alert.state, alert.episode) == ("drawdown_warning", "warning", "firing", 1)
    assert alert.title == f"Warning: 83.1% of the daily loss used, account {account.login}"
    delivery = Delivery.objects.get()
    assert (delivery.kind, delivery.state, delivery.priority) == ("trigger", "pending", 5)
    event.refresh_from_db()
    assert event.routed_at is not None


def test_evaluating_an_event_again_changes_nothing(account: Account, happen: MakeEvent, told: FakeSlack) -> None:
    event = happen(account, "warned")
    assert [evaluate(event.pk) for _ in range(3)] == [1, 0, 0]
    assert (Alert.objects.count(), AlertTransition.objects.count(), Delivery.objects.count()) == (1, 1, 1)


def test_a_step_moves_the_same_episode_and_is_not_posted(account: Account, happen: MakeEvent, told: FakeSlack) -> None:
    route(happen(account, "warned"), happen(account, "stepped_up", used=Decimal("0.91"), step=2))
    alert = Alert.objects.get()
    assert (alert.severity, alert.step, alert.version) == ("critical", 2, 2)
    first, second = Delivery.objects.order_by("ordering_seq")
    assert (first.state, second.state, second.kind) == ("pending", "suppressed", "update")
    assert "cannot update its message" in second.reason


def test_a_breach_is_its_own_alert_and_leaves_the_warning_its_message(
    account: Account, happen: MakeEvent, told: FakeSlack
) -> None:
    route(happen(account, "warned"), happen(account, "breached"))
    breach, warning = Alert.objects.get(kind="breach"), Alert.objects.get(kind="drawdown_warning")
    assert (breach.state, breach.severity, warning.state, warning.resolved_by) == (
        "firing",
        "critical",
        "resolved",
        "source",
    )
    assert [Delivery.objects.get(alert=alert).state for alert in (warning, breach)] == ["pending", "pending"]


def test_a_breach_does_not_resolve_when_equity_recovers(account: Account, happen: MakeEvent, told: FakeSlack) -> None:
    route(happen(account, "breached"), happen(account, "cleared"), happen(account, "day_started"))
    settle()
    assert Alert.objects.get().state == "firing"


def test_the_end_of_a_pause_resolves_its_breach_and_not_a_fail(make_account: MakeAccount, happen: MakeEvent) -> None:
    paused, failed = make_account(), make_account()
    for account, consequence in ((paused, "pause"), (failed, "fail")):
        route(happen(account, "breached", consequence=consequence), happen(account, "resumed", index="-"))
    assert Alert.objects.get(account=paused).state == "resolved"
    assert Alert.objects.get(account=failed).state == "firing"


def test_every_breach_is_told_even_when_the_day_before_was_never_resolved(
    account: Account, happen: MakeEvent, told: FakeSlack
) -> None:
    route(happen(account, "breached", consequence="pause"), happen(account, "breached", consequence="pause"))
    assert list(Alert.objects.order_by("episode").values_list("episode", "state")) == [(1, "resolved"), (2, "firing")]
    assert Delivery.objects.count() == 2


def test_a_clear_waits_a_minute_before_it_resolves(account: Account, happen: MakeEvent) -> None:
    route(happen(account, "warned"), happen(account, "cleared", used=Decimal("0.74")))
    settle()
    alert = Alert.objects.get()
    assert alert.state == "firing"
    assert alert.clear_due_at is not None
    Alert.objects.update(clear_due_at=timezone.now() - timedelta(seconds=1))
    settle()
    alert.refresh_from_db()
    assert (alert.state, alert.resolved_by) == ("resolved", "source")


def test_a_flutter_around_the_limit_is_one_message(account: Account, happen: MakeEvent, told: FakeSlack) -> None:
    route(*[happen(account, event) for event in ("warned", "cleared", "warned", "cleared", "warned")])
    alert = Alert.objects.get()
    assert (alert.fired_count, alert.clear_due_at) == (3, None)
    assert Delivery.objects.filter(state="pending").count() == 1


def test_after_a_resolved_episode_a_new_one_is_told(account: Account, happen: MakeEvent, told: FakeSlack) -> None:
    route(happen(account, "warned", after=-300), happen(account, "cleared", after=-200))
    settle()
    route(happen(account, "warned"))
    assert list(Alert.objects.order_by("episode").values_list("state", flat=True)) == ["resolved", "firing"]
    assert Delivery.objects.filter(state="pending").count() == 2


def test_a_hint_for_a_later_event_routes_the_earlier_ones_first(
    account: Account, happen: MakeEvent, told: FakeSlack
) -> None:
    warned, breached = happen(account, "warned"), happen(account, "breached")
    assert evaluate(breached.pk) == 2
    assert evaluate(warned.pk) == 0
    kinds = Alert.objects.filter(deliveries__state="pending").order_by("first_fired_at").values_list("kind", flat=True)
    assert list(kinds) == ["drawdown_warning", "breach"]


def test_a_warning_from_before_its_breach_is_told_even_when_it_is_recorded_after(
    account: Account, happen: MakeEvent, told: FakeSlack
) -> None:
    route(happen(account, "breached", after=0))
    route(happen(account, "warned", after=-5))
    warning = Alert.objects.get(kind="drawdown_warning")
    assert (warning.state, Delivery.objects.get(alert=warning).state) == ("resolved", "pending")
    assert broken_link(warning.pk) is None


def test_a_warning_from_after_its_breach_is_kept_and_not_told(
    account: Account, happen: MakeEvent, told: FakeSlack
) -> None:
    route(happen(account, "breached", after=-5))
    route(happen(account, "warned", after=0))
    warning = Alert.objects.get(kind="drawdown_warning")
    assert warning.state == "resolved"
    delivery = Delivery.objects.get(alert=warning)
    assert (delivery.state, "inhibits" in delivery.reason) == ("suppressed", True)


def test_two_accounts_are_two_messages(make_account: MakeAccount, happen: MakeEvent, told: FakeSlack) -> None:
    route(happen(make_account(), "breached"), happen(make_account(), "breached"))
    assert Delivery.objects.filter(state="pending").count() == 2


def test_two_rules_of_one_name_are_two_alerts(account: Account, happen: MakeEvent) -> None:
    route(happen(account, "warned", index=0), happen(account, "warned", index=1))
    assert Alert.objects.count() == 2


def test_without_a_destination_nothing_is_delivered_and_the_history_says_so(
    account: Account, happen: MakeEvent
) -> None:
    route(happen(account, "breached"))
    assert (Delivery.objects.count(), Destination.objects.count()) == (0, 0)
    step = AlertTransition.objects.get(event="not_told")
    assert "RISKDESK_SLACK_WEBHOOK_URL is empty" in step.reason


def test_the_secret_is_not_in_the_database(account: Account, happen: MakeEvent, told: FakeSlack) -> None:
    route(happen(account, "breached"))
    row = Destination.objects.get()
    assert row.config_ref == "RISKDESK_SLACK_WEBHOOK_URL"
    assert "s3cret" not in str(vars(row))


def test_the_sweep_routes_what_no_hint_came_for(account: Account, happen: MakeEvent) -> None:
    warned, silent = happen(account, "warned"), happen(account, "day_started", index="-")
    RiskEvent.objects.update(ingested_at=timezone.now() - timedelta(seconds=1))
    assert settle() == 2
    assert not RiskEvent.objects.filter(pk__in=[warned.pk, silent.pk], routed_at=None).exists()
    assert settle() == 0


def test_an_event_that_cannot_be_routed_does_not_hold_up_the_others(
    make_account: MakeAccount, happen: MakeEvent, told: FakeSlack
) -> None:
    broken, sound = make_account(), make_account()
    event = happen(broken, "breached", also=5)  # not a list: no monitor writes that
    happen(sound, "breached")
    RiskEvent.objects.update(ingested_at=timezone.now() - timedelta(seconds=1))
    settle()
    assert Alert.objects.get().account == sound
    event.refresh_from_db()
    assert event.routed_at is None
    assert event.lease_until is not None
    assert settle() == 0  # put off, not tried each second
    RiskEvent.objects.filter(pk=event.pk).update(lease_until=None, also=[])
    assert settle() == 1


def test_an_event_without_account_is_routed(happen: MakeEvent) -> None:
    event = happen(None, "refused")
    assert evaluate(event.pk) == 1


@pytest.mark.parametrize("tamper", ["reason", "removed", "actor"])
def test_a_changed_history_shows(account: Account, happen: MakeEvent, tamper: str) -> None:
    route(happen(account, "warned"), happen(account, "stepped_up"), happen(account, "breached"))
    alert = Alert.objects.get(kind="drawdown_warning")
    assert broken_link(alert.pk) is None
    second = AlertTransition.objects.filter(alert=alert, version=2)
    if tamper == "removed":
        AlertTransition.objects.filter(alert=alert, version=alert.version).delete()
        assert broken_link(alert.pk) == alert.version
        return
    second.update(reason="all was well") if tamper == "reason" else second.update(actor_name="eve")
    assert broken_link(alert.pk) == 2


@pytest.mark.parametrize("change", [{"state": "resolved"}, {"severity": "info"}])
def test_an_alert_changed_past_its_history_shows(account: Account, happen: MakeEvent, change: dict[str, str]) -> None:
    route(happen(account, "breached"))
    alert = Alert.objects.get()
    Alert.objects.update(**change)
    assert broken_link(alert.pk) == alert.version


def test_a_deadline_that_comes_near_is_told_without_a_share_and_ends_by_itself(
    account: Account, happen: MakeEvent, told: FakeSlack
) -> None:
    event = happen(account, "warned", rule="flat_by", used=None, floor=None, measured=None, room=None, operator="",
                   reason="2 positions are open; all must be closed by Friday 21:00")  # fmt: skip
    route(event)
    alert = Alert.objects.get()
    assert alert.title == f"Warning: deadline to be flat, account {account.login}"
    said = json.dumps(payload(compose(Delivery.objects.get())))
    assert "all must be closed by Friday 21:00." in said
    assert "Limit used" not in said
    assert alert.clear_due_at == event.at + timedelta(days=1)
    Alert.objects.update(clear_due_at=timezone.now() - timedelta(seconds=1))
    settle()
    alert.refresh_from_db()
    assert alert.state == "resolved"
    assert AlertTransition.objects.filter(reason="A day has passed since it was announced.").count() == 1


def test_a_breach_of_a_rule_without_a_floor_reads_well(account: Account, happen: MakeEvent, told: FakeSlack) -> None:
    route(happen(account, "breached", rule="max_lots_total", used=None, floor=None, measured=None, room=None,
                 operator="", consequence="pause", also=["max_positions"],
                 reason="12.50 lots are open, more than 10.00"))  # fmt: skip
    alert = Alert.objects.get()
    assert alert.title == f"Breach of the limit on lots in total, account {account.login}"
    assert alert.text == (
        "12.50 lots are open, more than 10.00. Also crossed: limit on open positions. "
        "RiskDesk closes all positions and locks the account until the next trading day."
    )
    assert "None" not in json.dumps(payload(compose(Delivery.objects.get())))


def test_a_violation_that_is_only_flagged_waits_in_the_queue_and_alerts_nobody(
    account: Account, happen: MakeEvent, told: FakeSlack
) -> None:
    event = happen(account, "violated", rule="news_window", used=None, consequence="flag")
    route(event)
    event.refresh_from_db()
    assert event.routed_at is not None
    assert not Alert.objects.exists()

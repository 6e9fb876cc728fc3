"""One message once: claims, retries, doubt, deadlines, and what the rows say of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Account
from alerts.deliveries import deliver, dispatch_due, evaluate, settle, sweep
from alerts.deliveries.dispatch import backoff, claim
from alerts.models import Alert, Delivery, DeliveryAttempt, Destination
from alerts.transports import slack as transport
from tests.alerts.conftest import MakeAccount, MakeEvent
from tests.alerts.fake_slack import Answer, FakeSlack
from tests.waiting import eventually


@pytest.fixture
def breach(account: Account, happen: MakeEvent, told: FakeSlack) -> Delivery:
    evaluate(happen(account, "breached").pk)
    return Delivery.objects.get()


@pytest.fixture
def warning(account: Account, happen: MakeEvent, told: FakeSlack) -> Delivery:
    evaluate(happen(account, "warned").pk)
    return Delivery.objects.get()


def due_now(**more: Any) -> None:
    """Let every wait be over."""
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=past, **more)
    Destination.objects.update(paused_until=None)


def test_a_sent_message_is_on_record_and_never_sent_again(breach: Delivery, slack: FakeSlack) -> None:
    assert [deliver(breach.pk) for _ in range(3)] == [True, False, False]
    breach.refresh_from_db()
    attempt = DeliveryAttempt.objects.get()
    assert (breach.state, breach.attempts, attempt.outcome, attempt.http_status) == ("sent", 1, "ok", 200)
    assert len(slack.texts()) == 1
    assert breach.alert.account is not None
    assert breach.alert.account.login in slack.texts()[0]


@pytest.mark.django_db(transaction=True)
def test_of_many_racing_workers_one_sends(breach: Delivery, slack: FakeSlack) -> None:
    def one(_: int) -> bool:
        try:
            return deliver(breach.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(16))) == 1
    assert slack.received() == 1


@pytest.mark.django_db(transaction=True)
def test_an_outcome_outlives_a_lost_connection_to_postgresql(breach: Delivery, slack: FakeSlack) -> None:
    """Forgotten, it would be in doubt and go out a second time."""
    slack.script(Answer(shown=True, late=True))

    def one() -> bool:
        try:
            return deliver(breach.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(one)
        eventually(lambda: slack.received() == 1, what="the request")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        slack.release()
        assert sending.result(timeout=20)
    breach.refresh_from_db()
    assert (breach.state, slack.received()) == ("sent", 1)


def test_a_failure_is_tried_again_until_it_arrives(breach: Delivery, slack: FakeSlack) -> None:
    slack.script(Answer(500), Answer(503))
    for _ in range(3):
        due_now()
        deliver(breach.pk)
    breach.refresh_from_db()
    assert (breach.state, breach.attempts, len(slack.texts())) == ("sent", 3, 1)
    outcomes = list(DeliveryAttempt.objects.order_by("n").values_list("outcome", flat=True))
    assert outcomes == ["retry", "retry", "ok"]


def test_not_before_its_time(breach: Delivery, slack: FakeSlack) -> None:
    slack.script(Answer(500))
    assert deliver(breach.pk)
    assert not deliver(breach.pk)
    assert slack.received() == 1


def test_retry_after_rests_the_whole_destination(make_account: MakeAccount, happen: MakeEvent, told: FakeSlack) -> None:
    events = [happen(make_account(), "breached") for _ in range(2)]
    for event in events:
        evaluate(event.pk)
    told.script(Answer(429, headers=(("Retry-After", "30"),)))
    before = timezone.now()
    assert dispatch_due(limit=10, until=before + timedelta(seconds=20)) == 1
    destination = Destination.objects.get()
    assert destination.paused_until is not None
    assert destination.paused_until >= before + timedelta(seconds=30)
    assert told.received() == 1
    due_now()
    assert dispatch_due(limit=10, until=timezone.now() + timedelta(seconds=20)) == 2
    assert len(told.texts()) == 2


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_comes_late_does_not_shorten_the_rest(
    make_account: MakeAccount, happen: MakeEvent, told: FakeSlack
) -> None:
    """Two messages were under way when Slack asked for half a minute; the other's answer asks for a second."""
    for event in [happen(make_account(), "breached") for _ in range(2)]:
        evaluate(event.pk)
    first, second = Delivery.objects.values_list("pk", flat=True)
    told.script(Answer(429, headers=(("Retry-After", "1"),), late=True))
    before = timezone.now()

    def send(pk: UUID) -> bool:
        try:
            return deliver(pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(send, first)
        eventually(lambda: told.received() == 1)
        told.script(Answer(429, headers=(("Retry-After", "30"),)))
        assert deliver(second)
        told.release()
        assert late.result()
    rests_until = Destination.objects.get().paused_until
    assert rests_until is not None
    assert rests_until >= before + timedelta(seconds=30)


@pytest.mark.parametrize(("attempts", "wait"), [(1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (40, 300)])
def test_backoff_doubles_up_to_five_minutes(attempts: int, wait: float) -> None:
    assert backoff(attempts, None, 1.0) == wait
    assert backoff(attempts, None, 0.8) == pytest.approx(wait * 0.8)


def test_backoff_never_comes_before_the_providers_wish_and_caps_it() -> None:
    assert backoff(1, 7.0, 0.8) == 7.0
    assert backoff(1, 86_400.0, 1.0) == 900.0


def test_a_permanent_refusal_is_dead_and_said(breach: Delivery, slack: FakeSlack) -> None:
    slack.script(Answer(404, "no_service"))
    deliver(breach.pk)
    due_now()
    sweep()
    breach.refresh_from_db()
    assert (breach.state, breach.reason) == ("dead", "Slack refused the message: 404 no_service")
    assert Destination.objects.get().health == "degraded"
    assert slack.received() == 1


def test_a_breach_of_unknown_fate_goes_out_once_more_and_says_so(breach: Delivery, slack: FakeSlack) -> None:
    slack.script(Answer(reset=True), Answer(reset=True))
    deliver(breach.pk)
    breach.refresh_from_db()
    assert breach.state == "unknown"
    assert breach.next_attempt_at is not None
    assert not deliver(breach.pk)  # not before 30 s
    due_now()
    assert deliver(breach.pk)
    breach.refresh_from_db()
    assert breach.state == "unknown"
    assert not Delivery.objects.filter(next_attempt_at__isnull=False).exists()
    sweep()
    assert slack.received() == 2
    assert "may repeat" in slack.requests[1]["text"]


def test_a_high_warning_of_unknown_fate_is_not_sent_again_either(
    account: Account, happen: MakeEvent, told: FakeSlack
) -> None:
    evaluate(happen(account, "warned", used=Decimal("0.9312")).pk)
    told.script(Answer(reset=True, shown=True))
    sweep()
    due_now()
    sweep()
    high = Delivery.objects.get()
    assert (high.state, high.alert.severity, high.next_attempt_at, told.received()) == ("unknown", "critical", None, 1)


def test_a_warning_of_unknown_fate_is_not_sent_again(warning: Delivery, slack: FakeSlack) -> None:
    slack.script(Answer(reset=True, shown=True))
    deliver(warning.pk)
    due_now()
    sweep()
    warning.refresh_from_db()
    assert (warning.state, warning.next_attempt_at, slack.received()) == ("unknown", None, 1)
    assert "no answer" in warning.reason


def test_a_hanging_slack_is_left_after_the_limit(
    warning: Delivery, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "TOTAL_SECONDS", 0.3)
    slack.script(Answer(hang=True))
    deliver(warning.pk)
    warning.refresh_from_db()
    assert warning.state == "unknown"


def test_an_unreachable_slack_is_retried_as_surely_unsent(warning: Delivery, settings: Settings) -> None:
    settings.RISKDESK_SLACK_WEBHOOK_URL = "http://127.0.0.1:9/x"
    deliver(warning.pk)
    warning.refresh_from_db()
    assert warning.state == "pending"
    assert warning.next_attempt_at is not None


def test_a_worker_that_died_before_sending_leaves_it_to_the_next(breach: Delivery, slack: FakeSlack) -> None:
    assert claim(breach.pk, "dead:1:a", timezone.now() - timedelta(seconds=60)) is False  # not yet due then
    due_now()
    assert claim(breach.pk, "dead:1:a", timezone.now())
    sweep()
    assert slack.received() == 0  # the lease holds
    Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    sweep()
    breach.refresh_from_db()
    assert (breach.state, slack.received(), slack.requests[0]["text"].count("may repeat")) == ("sent", 1, 0)


def test_a_worker_that_died_while_sending_leaves_doubt(warning: Delivery, slack: FakeSlack) -> None:
    assert claim(warning.pk, "dead:1:a", timezone.now())
    Delivery.objects.update(send_started_at=timezone.now(), lease_until=timezone.now() - timedelta(seconds=1))
    sweep()
    warning.refresh_from_db()
    assert (warning.state, slack.received()) == ("unknown", 0)
    assert DeliveryAttempt.objects.get().outcome == "ambiguous"


def test_a_message_past_its_deadline_is_dead(warning: Delivery, slack: FakeSlack) -> None:
    Delivery.objects.update(deadline=timezone.now() - timedelta(seconds=1))
    assert not deliver(warning.pk)
    settle()
    warning.refresh_from_db()
    assert (warning.state, slack.received()) == ("dead", 0)


def test_a_warning_that_waits_for_its_retry_is_told_although_the_breach_came(
    warning: Delivery, account: Account, happen: MakeEvent, slack: FakeSlack
) -> None:
    slack.script(Answer(500))
    deliver(warning.pk)
    evaluate(happen(account, "breached").pk)
    due_now()
    sweep()
    warning.refresh_from_db()
    assert warning.state == "sent"
    assert [text[:9] for text in slack.texts()] == ["■ Breach ", "▲ Warning"]
    assert "has breached since" in slack.texts()[1]
    assert "has breached since" not in slack.texts()[0]


def test_the_message_tells_the_numbers_as_they_are_when_it_leaves(
    account: Account, happen: MakeEvent, told: FakeSlack
) -> None:
    evaluate(happen(account, "warned").pk)
    Alert.objects.update(text="Equity 95,100.00 is 100.00 above.")
    sweep()
    assert "95,100.00" in told.texts()[0]


def test_five_failures_degrade_a_destination_and_one_success_heals_it(breach: Delivery, slack: FakeSlack) -> None:
    slack.script(*[Answer(500)] * 5)
    for _ in range(5):
        due_now()
        deliver(breach.pk)
    assert Destination.objects.get().health == "degraded"
    due_now()
    deliver(breach.pk)
    destination = Destination.objects.get()
    assert (destination.health, destination.consecutive_failures) == ("ok", 0)

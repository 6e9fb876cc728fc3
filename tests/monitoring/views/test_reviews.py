"""The review queue: what waits is listed, filtered, exported, decided once, with a reason, by who may."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEntry, Challenge, Role
from monitoring.models import FlagReview, RiskEvent
from tests.monitoring.book import adopt, get, signed_in, text

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def flag(number: int, public_id: str = "sim-1", **changes: Any) -> RiskEvent:
    challenge = Challenge.objects.filter(account__public_id=public_id).first()
    account = challenge.account if challenge else adopt(public_id)
    values: dict[str, Any] = {
        "key": f"{public_id}:c1:2:violated:pos_{number}",
        "shard": "main",
        "epoch": 1,
        "account": account,
        "challenge": Challenge.objects.get(account=account),
        "event": "violated",
        "rule": "max_lots_per_position",
        "consequence": "flag",
        "reason": f"position pos_{number} has 12.00 lots, more than 10.00",
        "at": AT + timedelta(minutes=number),
        "rule_set_version": 1,
    }
    return RiskEvent.objects.create(**values | changes)


@pytest.fixture
def officer() -> Client:
    return signed_in("risk", Role.RISK_OFFICER)


def decide(client: Client, *events: RiskEvent, **changes: str) -> Any:
    values = {"decision": "upheld", "reason": "beyond the limit on purpose", "event": [str(one.pk) for one in events]}
    return client.post("/reviews/decide/", values | changes, follow=True)


def test_only_what_was_flagged_waits_here_newest_first(officer: Client) -> None:
    flag(1)
    flag(2)
    flag(3, consequence="close")
    flag(4, event="warned")
    html = get(officer, "/reviews/")
    assert html.index("pos_2 has") < html.index("pos_1 has")
    assert "pos_3 has" not in html
    assert "pos_4 has" not in html
    assert "1–2 of 2 violations" in text(html)


def test_an_empty_queue_says_so(officer: Client) -> None:
    assert "Nothing waits for a decision." in get(officer, "/reviews/")
    assert "No violation matches." in get(officer, "/reviews/?rule=symbols")


def test_a_decision_needs_a_reason_and_is_audited(officer: Client) -> None:
    event = flag(1)
    assert "Say why" in text(decide(officer, event, reason=" ").content.decode())
    assert not FlagReview.objects.exists()
    assert "1 violation upheld" in text(decide(officer, event).content.decode())
    review = FlagReview.objects.get()
    assert (review.event, review.decision, review.author.username) == (event, "upheld", "risk")
    entry = AuditEntry.objects.get(verb="violation_upheld")
    assert (entry.target, entry.detail["reason"]) == ("sim-1", "beyond the limit on purpose")


def test_a_decision_is_final(officer: Client) -> None:
    event = flag(1)
    decide(officer, event)
    said = text(decide(officer, event, decision="dismissed").content.decode())
    assert "decided meanwhile (upheld by risk)" in said
    assert FlagReview.objects.get().decision == "upheld"


def test_many_are_decided_together_or_none(officer: Client) -> None:
    events = [flag(number) for number in range(3)]
    decide(officer, events[0])
    decide(officer, *events, decision="dismissed")
    assert FlagReview.objects.count() == 1
    assert "2 violations dismissed" in text(decide(officer, *events[1:], decision="dismissed").content.decode())


@pytest.mark.parametrize("event", ["", "nonsense", "00000000-0000-0000-0000-000000000000"])
def test_what_is_no_violation_is_refused_with_a_reason(officer: Client, event: str) -> None:
    response = officer.post("/reviews/decide/", {"event": event, "decision": "upheld", "reason": "x"}, follow=True)
    assert response.status_code == 200
    assert "Nothing was decided." in text(response.content.decode())


def test_filters_find_by_state_rule_account_and_day(officer: Client) -> None:
    first, second = flag(1), flag(2, "sim-2", rule="symbols", at=AT + timedelta(days=1))
    decide(officer, first)
    assert "pos_1 has" not in get(officer, "/reviews/")
    for query in (
        "state=upheld",
        "state=all&rule=max_lots_per_position",
        "state=all&account=1",
        "state=all&until=2026-11-20",
    ):
        assert "pos_1 has" in get(officer, f"/reviews/?{query}"), query
        assert "pos_2 has" not in get(officer, f"/reviews/?{query}"), query
    assert str(second.pk) in get(officer, "/reviews/?since=2026-11-21")


@pytest.mark.parametrize("query", ["state=maybe", "rule=none", "sort=colour", "since=yesterday", "page=0"])
def test_a_wrong_filter_is_said(officer: Client, query: str) -> None:
    flag(1)
    assert 'role="alert"' in get(officer, f"/reviews/?{query}")
    assert officer.get(f"/reviews/?{query}&format=csv").status_code == 400


def test_the_export_has_the_decision(officer: Client) -> None:
    event = flag(1)
    decide(officer, event, reason="=cmd")
    response = officer.get("/reviews/?state=all&format=csv")
    (line,) = csv.DictReader(StringIO(b"".join(response).decode()))
    assert (line["account"], line["rule"], line["decision"], line["decision_reason"]) == (
        "sim-1", "max_lots_per_position", "upheld", "'=cmd",
    )  # fmt: skip


def test_an_auditor_reads_and_does_not_decide() -> None:
    event = flag(1)
    auditor = signed_in("auditor", Role.AUDITOR)
    assert 'name="event"' not in get(auditor, "/reviews/")
    assert decide(auditor, event).status_code == 403
    assert signed_in("trader", Role.TRADER).get("/reviews/").status_code == 403
    assert not FlagReview.objects.exists()

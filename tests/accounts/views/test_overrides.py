"""The pages of overrides: set by form for one account or many, listed, exported, ended, each with its reason."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import challenges, overrides, rulebooks
from accounts.models import Account, AuditEntry, Challenge, Role, RuleOverride, Server, User
from tests.monitoring.book import adopt, get, signed_in, text

pytestmark = pytest.mark.django_db
TIGHTER = {
    "rule": "daily_loss",
    "ordinal": "0",
    "rules-0-rule": "daily_loss",
    "rules-0-reference": "day_start_balance",
    "rules-0-amount-kind": "percent",
    "rules-0-amount-percent": "4",
    "rules-0-amount-of": "initial",
    "rules-0-measured": "equity",
    "rules-0-operator": "<",
    "rules-0-consequence": "fail",
}


@pytest.fixture
def officer() -> Client:
    return signed_in("risk", Role.RISK_OFFICER)


def set_apart(client: Client, account: str, **changes: str) -> Any:
    sent = {"account": account, "reason": "agreed with the trader", "do": "set", **TIGHTER, **changes}
    return client.post("/overrides/new/", sent, follow=True)


def judged_by(account: Account) -> list[dict[str, Any]]:
    challenge = Challenge.objects.get(account=account)
    return list(rulebooks.rulebook(challenge)["rules"])


def test_a_rule_is_chosen_from_those_of_the_account(officer: Client) -> None:
    adopt("sim-1")
    html = get(officer, "/overrides/new/?account=1")
    assert "The challenge fails" in text(html) or "Fail" in text(html)
    assert "rule=daily_loss&amp;ordinal=0" in html
    form = get(officer, "/overrides/new/?account=sim-1&rule=daily_loss&ordinal=0")
    assert 'name="rules-0-amount-percent" id="rules-0-amount-percent" value="5"' in form


def test_one_account_is_judged_by_the_tighter_rule_at_once(officer: Client) -> None:
    account, other = adopt("sim-1"), adopt("sim-2")
    said = text(set_apart(officer, "sim-1").content.decode())
    assert "Daily loss is set apart for 1." in said
    assert judged_by(account)[0]["amount"] == {"percent": "4", "of": "initial"}
    assert judged_by(other)[0]["amount"] == {"percent": "5", "of": "initial"}
    assert AuditEntry.objects.get(verb="override_set").detail["reason"] == "agreed with the trader"


def test_many_accounts_at_once_by_login_or_id(officer: Client) -> None:
    accounts = [adopt(f"sim-{number}") for number in range(3)]
    said = text(set_apart(officer, "sim-0, 1\n2").content.decode())
    assert "set apart for 3 accounts" in said
    assert {judged_by(account)[0]["amount"]["percent"] for account in accounts} == {"4"}


def test_a_rule_can_be_left_out_and_one_added(officer: Client) -> None:
    account = adopt("sim-1")
    set_apart(officer, "sim-1", mode="off")
    assert [rule["rule"] for rule in judged_by(account)] == ["max_loss", "profit_target"]
    added = {
        "rule": "max_positions", "rules-0-rule": "max_positions", "rules-0-positions": "3",
        "rules-0-consequence": "close",
    }  # fmt: skip
    set_apart(officer, "sim-1", **added)
    assert judged_by(account)[-1] == {"rule": "max_positions", "positions": 3, "consequence": "close"}


def test_it_ends_at_its_date_in_the_readers_zone(officer: Client) -> None:
    adopt("sim-1")
    set_apart(officer, "sim-1", ends_at="2099-07-01T18:00")
    assert RuleOverride.objects.get().ends_at == datetime(2099, 7, 1, 16, 0, tzinfo=UTC)  # Prague's summer
    set_apart(officer, "sim-1", ends_at="2099-07-01T18:00Z")  # it says its own
    assert RuleOverride.objects.get(ended_at=None).ends_at == datetime(2099, 7, 1, 18, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rules-0-amount-percent": "500"}, "at most 100"),
        ({"rules-0-amount-percent": "-1"}, "above 0"),
        ({"reason": " "}, "Say why"),
        ({"ends_at": "2001-01-01T00:00"}, "lies in the past"),
        ({"ends_at": "soon"}, "is no day and time"),
        ({"account": "sim-1 sim-9"}, "There is no account sim-9"),
        ({"account": ""}, "Accounts"),
        ({"rule": "colour"}, "There is no rule colour"),
        ({"ordinal": "7"}, "a further one has number 1"),
        ({"rules-0-rule": ""}, "rule"),
    ],
)
def test_what_cannot_be_set_is_said_and_nothing_is_set(officer: Client, changes: dict[str, str], said: str) -> None:
    adopt("sim-1")
    response = set_apart(officer, changes.pop("account", "sim-1"), **changes)
    assert response.status_code in {200, 422}
    assert said in text(response.content.decode())
    assert not RuleOverride.objects.exists()


def test_a_login_on_two_servers_must_be_named_by_id(officer: Client) -> None:
    first = adopt("sim-1")
    Account.objects.create(
        public_id="east-1",
        server=Server.objects.create(name="east", kind="fxsocket"),
        upstream_id="1",
        login=first.login,
    )
    assert "is on several servers" in text(set_apart(officer, first.login).content.decode())


def test_typing_is_judged_at_the_field_and_changes_nothing(officer: Client) -> None:
    adopt("sim-1")
    html = set_apart(officer, "sim-1", do="check", **{"rules-0-amount-percent": "500"}).content.decode()
    assert 'id="rules-0-amount-percent-says" hx-swap-oob="true"' in html
    assert "at most 100" in html
    assert "4%" in set_apart(officer, "sim-1", do="check").content.decode()
    assert not RuleOverride.objects.exists()


def test_the_list_shows_both_sentences_and_ends_the_chosen(officer: Client) -> None:
    account = adopt("sim-1")
    set_apart(officer, "sim-1")
    html = text(get(officer, "/overrides/"))
    assert "less 4% of the initial balance" in html
    assert "less 5% of the initial balance" in html
    key = str(RuleOverride.objects.get().pk)
    assert "Say why" in text(officer.post("/overrides/end/", {"override": key}, follow=True).content.decode())
    officer.post("/overrides/end/", {"override": key, "reason": "the agreement is over"})
    assert "max_positions" not in {rule["rule"] for rule in judged_by(account)}
    assert "Every account is judged by its plan alone." in get(officer, "/overrides/")
    assert "the agreement is over" in get(officer, "/overrides/?state=ended")
    again = officer.post("/overrides/end/", {"override": key, "reason": "again"}, follow=True)
    assert "has ended already" in text(again.content.decode())


def test_filters_and_export(officer: Client) -> None:
    adopt("sim-1")
    adopt("sim-2")
    set_apart(officer, "sim-1")
    set_apart(officer, "sim-2", reason="=1+1")
    (line,) = csv.DictReader(StringIO(b"".join(officer.get("/overrides/?q=sim-2&format=csv")).decode()))
    assert (line["account"], line["rule"], line["reason"]) == ("sim-2", "daily_loss", "'=1+1")
    assert "No override matches." in get(officer, "/overrides/?rule=symbols")
    assert 'role="alert"' in get(officer, "/overrides/?state=maybe")
    assert officer.get("/overrides/?sort=colour&format=csv").status_code == 400


def test_who_may(officer: Client) -> None:
    adopt("sim-1")
    auditor = signed_in("auditor", Role.AUDITOR)
    assert set_apart(auditor, "sim-1").status_code == 403
    assert "Set a rule apart" not in get(auditor, "/overrides/")
    assert signed_in("trader", Role.TRADER).get("/overrides/").status_code == 403
    assert not RuleOverride.objects.exists()


def test_an_override_that_a_challenge_failed_under_is_not_ended(officer: Client) -> None:
    account = adopt("sim-1")
    set_apart(officer, "sim-1")
    challenges.fail(Challenge.objects.get(), "Daily loss.", timezone.now())
    one = RuleOverride.objects.get()
    assert f'name="override" value="{one.pk}"' not in get(officer, "/overrides/?state=ended")
    sent = {"override": str(one.pk), "reason": "the agreement is over"}
    said = text(officer.post("/overrides/end/", sent, follow=True).content.decode())
    assert "Nothing was ended." in said
    assert "the challenge has ended" in said
    one.refresh_from_db()
    assert one.ended_at is None
    assert judged_by(account)[0]["amount"] == {"percent": "4", "of": "initial"}


def test_after_setting_one_goes_back_to_our_own_pages_only(officer: Client) -> None:
    adopt("sim-1")
    sent = {"account": "sim-1", "reason": "why", **TIGHTER}
    assert (
        officer.post("/overrides/new/", {**sent, "next": "/accounts/sim-1/"}).headers["Location"] == "/accounts/sim-1/"
    )
    for elsewhere in ("//evil.example/", "https://evil.example/", "javascript:alert(1)"):
        assert officer.post("/overrides/new/", {**sent, "next": elsewhere}).headers["Location"] == "/overrides/"


def test_an_end_date_that_has_passed_is_an_end(officer: Client) -> None:
    account, now = adopt("sim-1"), datetime.now(UTC)
    began, over = now - timedelta(days=2), now - timedelta(days=1)
    overrides.set_override(account, "max_positions", 0, {"positions": 1}, User.objects.get(), "r", over, began)
    assert "max_positions" not in {rule["rule"] for rule in judged_by(account)}
    assert "Every account is judged by its plan alone." in get(officer, "/overrides/")

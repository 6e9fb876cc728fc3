"""From the desk to an override: the accounts of a filter, and what an override would do to them before it is set."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import Challenge, Role, RuleOverride
from tests.accounts.views.test_overrides import TIGHTER
from tests.monitoring.book import adopt, get, row, signed_in, text
from tests.monitoring.views.test_resets import stands
from tests.monitoring.wire import Wire

pytestmark = pytest.mark.django_db(transaction=True)


def go_on(client: Client, view: str) -> Any:
    return client.post("/desk/apart/", {"view": view}, follow=True)


def preview(client: Client, accounts: str, **changes: str) -> str:
    answer = client.post("/overrides/preview/", {"account": accounts, "again": "1", **TIGHTER, **changes})
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_accounts_of_a_filter_are_chosen_without_a_word_in_the_address(wire: Wire, officer: Client) -> None:
    for number in (1, 2, 3):
        adopt(f"sim-{number}")
    wire.publish([row("sim-1", 9_550_000), row("sim-2", 9_560_000), row("sim-3")])
    assert "Set a rule apart for these 2 accounts" in text(get(officer, "/desk/?sev=watch"))
    answer = go_on(officer, "sev=watch")
    html = answer.content.decode()
    assert "2 accounts : Severity ≥ Watch" in text(html)
    named = {"account": "sim-1 sim-2", "do": "choose", "rule": "daily_loss", "next": "/desk/?sev=watch"}
    assert 'name="account" value="sim-2 sim-1"' in html or 'name="account" value="sim-1 sim-2"' in html
    form = officer.post("/overrides/new/", named).content.decode()
    assert "of 2 accounts" in text(form)
    assert not RuleOverride.objects.exists()
    sent = {**TIGHTER, **named, "do": "set", "reason": "a weekend with elections"}
    done = officer.post("/overrides/new/", sent)
    assert done.headers["Location"] == "/desk/?sev=watch"
    assert RuleOverride.objects.count() == 2


def test_accounts_without_a_running_challenge_are_left_out_and_counted(wire: Wire, officer: Client) -> None:
    adopt("sim-1")
    adopt("sim-2")
    Challenge.objects.filter(account__public_id="sim-2").update(ended_at="2026-11-20T10:00Z")
    wire.publish([row("sim-1"), row("sim-2")])
    said = text(go_on(officer, "").content.decode())
    assert "1 account : all of the desk. 1 more has no running challenge and is left out." in said


@pytest.mark.parametrize("view", ["q=nobody", "sev=evil"])
def test_a_filter_that_finds_nobody_or_makes_no_sense_is_said(wire: Wire, officer: Client, view: str) -> None:
    wire.publish([row("sim-1")])
    said = text(go_on(officer, view).content.decode())
    assert "No account passes these filters any more." in said or "There is no severity “evil”" in said


def test_an_auditor_is_not_offered_it_and_refused(wire: Wire) -> None:
    auditor = signed_in("auditor", Role.AUDITOR)
    wire.publish([row("sim-1")])
    assert "Set a rule apart" not in get(auditor, "/desk/")
    assert auditor.post("/desk/apart/").status_code == 403
    assert auditor.post("/overrides/preview/").status_code == 403


def test_the_preview_names_who_would_be_in_breach_and_sets_nothing(wire: Wire, officer: Client) -> None:
    stands(adopt("sim-1"), 100_000.0, 95_500.0)
    stands(adopt("sim-2"), 100_000.0, 99_000.0)
    html = preview(officer, "sim-1 sim-2")
    assert 'data-breaches="1"' in html
    assert 'data-account="sim-1" data-verdict="breach"' in html
    assert "sim-2" not in html
    assert "96,000.00" in html
    assert not RuleOverride.objects.exists()
    assert 'data-breaches="0"' in preview(officer, "sim-1 sim-2", mode="off")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rule": "evil"}, "There is no rule evil"),
        ({"ordinal": "-1"}, "There is no rule daily_loss number -1"),
        ({"account": "nobody"}, "There is no account nobody"),
        ({"account": ""}, "None of these accounts has a running challenge"),
        ({"rules-0-amount-percent": "500"}, "the rules cannot judge it"),
    ],
)
def test_a_wrong_form_has_no_preview_and_says_why(
    wire: Wire, officer: Client, changes: dict[str, str], said: str
) -> None:
    stands(adopt("sim-1"), 100_000.0, 95_500.0)
    answer = officer.post("/overrides/preview/", {"account": "sim-1", **TIGHTER, **changes})
    assert answer.status_code == 200
    assert said in text(answer.content.decode())

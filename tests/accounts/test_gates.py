"""Who gets through which gate, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import Account, AuditEntry, Role, User
from accounts.permissions import may_watch_account, may_watch_desk
from tests.accounts.urls import GATES

pytestmark = pytest.mark.urls("tests.accounts.urls")

OFFICER, HEAD, TRADER, AUDITOR = "risk_officer", "head_of_risk", "trader", "auditor"
TEAM = {OFFICER, HEAD, AUDITOR}
ALLOWED = {
    "access_desk": TEAM,
    "access_feeds": TEAM,
    "access_alerts": TEAM,
    "access_audit": TEAM,
    "access_plans": TEAM,
    "access_own_accounts": {TRADER},
    "access_acknowledge": {OFFICER, HEAD},
    "access_admin": {HEAD},
    "access_enforcement": {HEAD},
    "access_change_plans": {HEAD},
    "access_override": {OFFICER, HEAD},
    "access_calendar": TEAM,
    "access_calendar_change": {OFFICER, HEAD},
    "access_symbols": TEAM,
    "access_symbols_change": {OFFICER, HEAD},
    "access_tokens": {HEAD},
    "access_api_docs": TEAM,
    "access_lab": TEAM,
    "access_run_lab": {OFFICER, HEAD},
    "may_acknowledge": {OFFICER, HEAD},
    "may_enforce_server": {HEAD},
    "may_change_plans": {HEAD},
    "may_override": {OFFICER, HEAD},
    "may_change_calendar": {OFFICER, HEAD},
    "may_change_symbols": {OFFICER, HEAD},
    "may_give_tokens": {HEAD},
    "may_run_lab": {OFFICER, HEAD},
}
SignIn = Callable[[str], Client]


def test_every_gate_is_in_the_table() -> None:
    assert set(ALLOWED) == set(GATES)


@pytest.mark.parametrize("role", [role.value for role in Role])
@pytest.mark.parametrize("gate", sorted(ALLOWED))
def test_a_gate_lets_its_roles_through_and_refuses_the_others(signed_in: SignIn, gate: str, role: str) -> None:
    answer = signed_in(role).get(f"/probe/{gate}/")
    if role in ALLOWED[gate]:
        assert (answer.status_code, answer.content) == (200, b"inside")
        assert not AuditEntry.objects.filter(verb="access_refused").exists()
    else:
        assert answer.status_code == 403
        entry = AuditEntry.objects.get(verb="access_refused")
        assert (entry.actor_name, entry.target, entry.address) == (role, f"/probe/{gate}/", "192.0.2.7")
        assert entry.detail["reason"]


@pytest.mark.parametrize("gate", [*sorted(ALLOWED), "signed-in"])
def test_the_anonymous_are_sent_to_the_login_page_and_back(db: None, client: Client, gate: str) -> None:
    answer = client.get(f"/probe/{gate}/?sev=watch")
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/login/?next=/probe/{gate}/%3Fsev%3Dwatch"
    assert not AuditEntry.objects.exists()


def test_htmx_is_told_to_leave_the_page_when_the_session_is_gone(db: None, client: Client) -> None:
    answer = client.get(
        "/probe/access_desk/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/desk/?sev=watch"}
    )
    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"] == "/login/?next=/desk/%3Fsev%3Dwatch"


@pytest.mark.parametrize(
    ("name", "status"), [(OFFICER, 200), (HEAD, 200), (AUDITOR, 200), (TRADER, 200), ("other_trader", 403)]
)
def test_an_account_is_for_its_trader_and_the_team(
    signed_in: SignIn, own_account: Account, name: str, status: int
) -> None:
    assert signed_in(name).get("/probe/account/acc_1/").status_code == status


@pytest.mark.parametrize("public_id", ["acc_1", "unknown", "%00"])
def test_a_trader_cannot_tell_a_foreign_account_from_an_unknown_one(
    signed_in: SignIn, own_account: Account, public_id: str
) -> None:
    answer = signed_in("other_trader").get(f"/probe/account/{public_id}/")
    assert answer.status_code == 403
    assert b"your own accounts" in answer.content
    assert AuditEntry.objects.filter(verb="access_refused", actor_name="other_trader").count() == 1


def test_the_team_is_told_that_an_account_is_unknown(signed_in: SignIn) -> None:
    answer = signed_in(OFFICER).get("/probe/account/unknown/")
    assert answer.status_code == 404
    assert b"There is no such page" in answer.content


def test_somebody_switched_off_is_out_at_once(signed_in: SignIn, people: dict[str, User]) -> None:
    client = signed_in(OFFICER)
    User.objects.filter(pk=people[OFFICER].pk).update(is_active=False)
    assert client.get("/probe/access_desk/").status_code == 302


def test_a_changed_role_counts_from_the_next_request(signed_in: SignIn, people: dict[str, User]) -> None:
    client = signed_in(OFFICER)
    assert client.get("/probe/access_desk/").status_code == 200
    User.objects.filter(pk=people[OFFICER].pk).update(role=Role.TRADER)
    assert client.get("/probe/access_desk/").status_code == 403


def test_a_refusal_is_a_page_that_says_why(signed_in: SignIn) -> None:
    answer = signed_in(TRADER).get("/probe/access_desk/")
    assert b"The desk is for the risk team." in answer.content
    assert b"<h1>" in answer.content


def test_repeated_refusals_are_counted_in_one_entry(signed_in: SignIn) -> None:
    client = signed_in(TRADER)
    for _ in range(4):
        client.get("/probe/access_desk/")
    client.get("/probe/access_feeds/")
    entries = AuditEntry.objects.filter(verb="access_refused")
    assert entries.count() == 2
    assert entries.get(target="/probe/access_desk/").detail["repeats"] == 3


def test_a_refusal_from_elsewhere_is_a_403_page_too(signed_in: SignIn) -> None:
    answer = signed_in(OFFICER).get("/probe/forbidden/")
    assert answer.status_code == 403
    assert b"not today" in answer.content


def test_a_defect_is_a_plain_page_without_its_cause(signed_in: SignIn) -> None:
    client = signed_in(OFFICER)
    client.raise_request_exception = False
    answer = client.get("/probe/broken/")
    assert answer.status_code == 500
    assert b"Something went wrong" in answer.content
    assert b"a defect" not in answer.content


@pytest.mark.parametrize(
    ("role", "desk", "own", "foreign"),
    [
        *((role, True, True, True) for role in sorted(TEAM)),
        (TRADER, False, True, False),
        ("", False, False, False),
        ("root", False, False, False),
    ],
)
def test_sockets_follow_the_same_rules(role: str, desk: bool, own: bool, foreign: bool) -> None:
    assert may_watch_desk(role) is desk
    assert may_watch_account(role, 5, 5) is own
    assert may_watch_account(role, 5, 6) is foreign
    assert may_watch_account(role, 5, None) is foreign

"""Signing in, being locked out, signing out, changing one's password."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, User
from tests.accounts.conftest import PASSWORD

pytestmark = pytest.mark.urls("tests.accounts.urls")


def verbs() -> list[str]:
    return list(AuditEntry.objects.exclude(verb="user_created").order_by("at").values_list("verb", flat=True))


def attempt(client: Client, name: str, password: str, **more: str) -> int:
    return client.post("/login/", {"username": name, "password": password, **more}).status_code


def test_the_login_page_asks_password_managers_in_and_is_not_kept(db: None, client: Client) -> None:
    answer = client.get("/login/")
    page = answer.content.decode()
    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("name", "home"),
    [("trader", "/me/"), ("risk_officer", "/desk/"), ("head_of_risk", "/desk/"), ("auditor", "/desk/")],
)
def test_everybody_comes_to_his_own_page(people: dict[str, User], client: Client, name: str, home: str) -> None:
    assert attempt(client, name, PASSWORD) == 302
    assert client.get("/").headers["Location"] == home
    assert verbs() == ["logged_in"]


def test_the_anonymous_root_is_the_login_page(db: None, client: Client) -> None:
    assert client.get("/").headers["Location"].startswith("/login/")


@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("/desk/?sev=watch", "/desk/?sev=watch"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_the_way_back_never_leaves_the_desk(people: dict[str, User], client: Client, asked: str, location: str) -> None:
    answer = client.post("/login/", {"username": "auditor", "password": PASSWORD, "next": asked})
    assert answer.headers["Location"] == location


@pytest.mark.parametrize("name", ["risk_officer", "nobody"])
def test_a_wrong_pair_is_refused_without_saying_which_half(people: dict[str, User], client: Client, name: str) -> None:
    answer = client.post("/login/", {"username": name, "password": "guess-1"})
    assert b"The name and the password do not match." in answer.content
    entry = AuditEntry.objects.get(verb="login_failed")
    assert (entry.actor_name, entry.target) == (name, name)
    assert "guess-1" not in f"{entry.detail}{entry.actor_name}{entry.target}"


def test_who_is_switched_off_reads_the_same_words(people: dict[str, User], client: Client) -> None:
    User.objects.filter(username="auditor").update(is_active=False)
    answer = client.post("/login/", {"username": "auditor", "password": PASSWORD})
    assert b"The name and the password do not match." in answer.content


@pytest.mark.parametrize("name", ["", "\0", "x" * 500, "risk\0officer"])
def test_an_odd_name_is_refused_on_the_page(people: dict[str, User], client: Client, name: str) -> None:
    assert attempt(client, name, "guess") == 200


def test_five_failures_lock_the_name_and_even_the_right_password_waits(people: dict[str, User], client: Client) -> None:
    codes = [attempt(client, "risk_officer", f"guess-{n}") for n in range(5)]
    assert codes == [200, 200, 200, 200, 429]
    answer = client.post("/login/", {"username": "risk_officer", "password": PASSWORD})
    assert answer.status_code == 429
    assert b"Too many attempts" in answer.content
    assert "_auth_user_id" not in client.session
    assert "login_locked" in verbs()
    assert attempt(client, "auditor", PASSWORD) == 302


def test_the_lock_ends_after_a_quarter_of_an_hour(people: dict[str, User], client: Client) -> None:
    for n in range(5):
        attempt(client, "risk_officer", f"guess-{n}")
    assert attempt(client, "risk_officer", PASSWORD) == 429
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=15, seconds=1))
    assert attempt(client, "risk_officer", PASSWORD) == 302


def test_attempts_while_locked_do_not_prolong_the_lock(people: dict[str, User], client: Client) -> None:
    for n in range(5):
        attempt(client, "risk_officer", f"guess-{n}")
    locked_at = AccessAttempt.objects.get().attempt_time
    attempt(client, "risk_officer", "guess-again")
    assert AccessAttempt.objects.get().attempt_time == locked_at


def test_a_success_forgets_earlier_failures(people: dict[str, User], client: Client) -> None:
    for n in range(4):
        attempt(client, "risk_officer", f"guess-{n}")
    assert attempt(client, "risk_officer", PASSWORD) == 302
    client.post("/logout/")
    assert [attempt(client, "risk_officer", f"guess-{n}") for n in range(4)] == [200] * 4


def test_signing_out_is_a_post_and_ends_the_session(signed_in: Callable[[str], Client]) -> None:
    client = signed_in("auditor")
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").headers["Location"] == "/login/"
    assert client.get("/probe/access_desk/").status_code == 302
    assert verbs()[-1] == "logged_out"


def test_a_sign_in_without_the_form_token_is_refused_with_a_page(people: dict[str, User]) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/login/", {"username": "auditor", "password": PASSWORD})
    assert answer.status_code == 403
    assert b"The form has expired" in answer.content


def test_the_session_gets_a_new_key_at_the_sign_in(people: dict[str, User], client: Client) -> None:
    session = client.session
    session["before"] = 1
    session.save()
    client.cookies["sessionid"] = session.session_key or ""
    attempt(client, "auditor", PASSWORD)
    assert client.session.session_key != session.session_key


def test_a_time_zone_is_kept_and_an_unknown_one_refused(
    signed_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    client = signed_in("trader")
    assert client.post("/settings/", {"form": "zone", "zone-time_zone": "Mars/Olympus"}).status_code == 200
    assert client.post("/settings/", {"form": "zone", "zone-time_zone": "America/New_York"}).status_code == 302
    people["trader"].refresh_from_db()
    assert people["trader"].time_zone == "America/New_York"
    entry = AuditEntry.objects.get(verb="time_zone_changed")
    assert (entry.actor_name, entry.detail) == ("trader", {"from": "", "to": "America/New_York"})


def test_a_new_password_ends_the_other_sessions_only(signed_in: Callable[[str], Client]) -> None:
    here, elsewhere = signed_in("trader"), signed_in("trader")
    new = {"password-new_password1": "another long one", "password-new_password2": "another long one"}
    wrong = here.post("/settings/", {"form": "password", "password-old_password": "guess", **new})
    assert wrong.status_code == 200
    assert here.post("/settings/", {"form": "password", "password-old_password": PASSWORD, **new}).status_code == 302
    assert here.get("/probe/access_own_accounts/").status_code == 200
    assert elsewhere.get("/probe/access_own_accounts/").status_code == 302
    entry = AuditEntry.objects.get(verb="password_changed")
    assert entry.actor_name == "trader"
    assert "another long one" not in str(entry.detail)

"""The API opens to tokens only, through the gates of the pages, and not too often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from accounts import tokens
from accounts.api import auth
from accounts.models import ApiToken, AuditEntry, User
from tests.accounts.api.conftest import Caller
from tests.accounts.book import a_challenge

Make = Callable[[str], Caller]
TEAM = {"risk_officer", "head_of_risk", "auditor"}
DESK = {"risk_officer", "head_of_risk"}
HEAD = {"head_of_risk"}
CALLS = [
    ("GET", "/plans", TEAM, 200),
    ("GET", "/plans/presets", TEAM, 200),
    ("GET", "/plans/nowhere/export", TEAM, 404),
    ("POST", "/plans", HEAD, 422),
    ("POST", "/plans/import", HEAD, 422),
    ("POST", "/plans/nowhere/phases/x/versions", HEAD, 404),
    ("GET", "/accounts/acc_1/rulebook", TEAM | {"trader"}, 200),
    ("GET", "/accounts/acc_1/overrides", TEAM | {"trader"}, 200),
    ("POST", "/overrides", DESK, 422),
    ("GET", "/calendar/news", TEAM, 200),
    ("GET", "/calendar/holidays", TEAM, 200),
    ("GET", "/calendar/revisions", TEAM, 200),
    ("POST", "/calendar/news", DESK, 422),
    ("POST", "/calendar/holidays", DESK, 422),
    ("GET", "/symbols/main", TEAM, 200),
    ("POST", "/symbols/main", DESK, 422),
]
BODIES = {
    "/plans": {"slug": "x", "name": "X", "preset": "nobody"},
    "/plans/import": {"slug": "x"},
    "/plans/nowhere/phases/x/versions": {"document": {}, "reason": "r"},
    "/overrides": {"action": "set", "accounts": ["acc_1"], "rule": "x", "reason": "r"},
    "/calendar/news": {"news": []},
    "/calendar/holidays": {"holidays": []},
    "/symbols/main": {"names": {"x": ""}},
}


def answer(caller: Caller, method: str, path: str) -> int:
    made = caller.get(path) if method == "GET" else caller.post(path, BODIES[path])
    assert made.headers["Content-Type"].startswith("application/")
    return int(made.status_code)


@pytest.mark.parametrize("role", ["risk_officer", "head_of_risk", "auditor", "trader", "other_trader"])
def test_every_call_has_its_gate(caller: Make, people: dict[str, User], role: str) -> None:
    challenge = a_challenge()
    challenge.account.trader = people["trader"]
    challenge.account.save()
    one = caller(role)
    wrong = {}
    for method, path, allowed, status in CALLS:
        expected = status if role in allowed else 403
        if (found := answer(one, method, path)) != expected:
            wrong[f"{method} {path}"] = (found, expected)
    assert wrong == {}
    refused = sum(role not in allowed for _, _, allowed, _ in CALLS)
    entries = AuditEntry.objects.filter(verb="access_refused", actor_name=role)
    assert sum(1 + entry.detail.get("repeats", 0) for entry in entries) == refused


@pytest.mark.parametrize("path", ["/plans", "/accounts/acc_1/rulebook", "/nowhere", "/calendar/news"])
def test_without_a_token_nothing_opens(caller: Make, path: str) -> None:
    made = caller("").get(path)
    assert (made.status_code, made.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert made.headers["Content-Type"] == "application/problem+json"
    assert made.json()["status"] == 401


def test_a_session_is_no_token_so_no_other_site_can_use_it(signed_in: Callable[[str], Client], redis_url: str) -> None:
    client = signed_in("head_of_risk")
    assert client.get("/api/v1/plans").status_code == 401
    body = {"slug": "x", "name": "X", "preset": "ftmo-2-step"}
    assert client.post("/api/v1/plans", body, content_type="application/json").status_code == 401


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic abc", "rdk_x", "Bearer rdk_\x00", "Bearer rdk_ä"])
def test_odd_headers_are_no_token(db: None, redis_url: str, client: Client, header: str) -> None:
    assert client.get("/api/v1/plans", headers={"Authorization": header}).status_code == 401


def test_a_revoked_token_is_out_at_once(caller: Make, people: dict[str, User]) -> None:
    one = caller("auditor")
    assert one.get("/plans").status_code == 200
    tokens.revoke(ApiToken.objects.get(), people["head_of_risk"])
    assert one.get("/plans").status_code == 401


def test_a_token_follows_its_users_role(caller: Make, people: dict[str, User]) -> None:
    one = caller("auditor")
    people["auditor"].role = "trader"
    people["auditor"].save()
    assert one.get("/plans").status_code == 403


def first_refused(ask: Callable[[], Any]) -> Any:
    """The first answer that says 429; a minute may end meanwhile, two will not."""
    return next(answer for answer in (ask() for _ in range(12)) if answer.status_code == 429)


def test_one_token_may_not_come_too_often(caller: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "PER_MINUTE", 3)
    one, other = caller("auditor"), caller("risk_officer")
    assert [one.get("/plans").status_code for _ in range(3)] == [200] * 3
    late = first_refused(lambda: one.get("/plans"))
    assert 1 <= int(late.headers["Retry-After"]) <= 60
    assert other.get("/plans").status_code == 200


def test_guessing_is_slowed_down(caller: Make, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "WRONG_PER_MINUTE", 3)
    guess = {"Authorization": "Bearer rdk_guess"}
    assert client.get("/api/v1/plans", headers=guess, REMOTE_ADDR="192.0.2.66").status_code == 401
    first_refused(lambda: client.get("/api/v1/plans", headers=guess, REMOTE_ADDR="192.0.2.66"))
    one = caller("auditor")
    one.client.defaults["REMOTE_ADDR"] = "192.0.2.66"  # all of us have the proxy's address
    assert one.get("/plans").status_code == 200


def test_requests_are_counted_without_redis_too(caller: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = caller("auditor")
    monkeypatch.setattr(settings, "REDIS_URL", "unix:///nowhere/valkey.sock")
    monkeypatch.setattr(auth, "PER_MINUTE", 2)
    assert one.get("/plans").status_code == 200
    first_refused(lambda: one.get("/plans"))


def test_the_audit_log_says_which_system_it_was(caller: Make) -> None:
    caller("head_of_risk").post("/plans", {"slug": "x", "name": "X", "preset": "ftmo-2-step"})
    entry = AuditEntry.objects.get(verb="plan_created")
    assert (entry.actor_name, entry.address) == ("head_of_risk", "192.0.2.9")
    assert entry.detail["via"].startswith("API, test (rdk_")


def test_every_answer_that_refuses_is_documented(signed_in: Callable[[str], Client], people: dict[str, User]) -> None:
    schema = signed_in("auditor").get("/api/v1/openapi.json").json()
    for operations in schema["paths"].values():
        for operation in operations.values():
            assert {"401", "403", "404", "422", "429"} <= set(operation["responses"])
            assert "application/problem+json" in operation["responses"]["422"]["content"]
    assert "Problem" in schema["components"]["schemas"]


def test_the_document_and_its_page_are_for_the_team(
    signed_in: Callable[[str], Client], caller: Make, client: Client
) -> None:
    assert client.get("/api/docs").status_code == 302
    assert signed_in("trader").get("/api/docs").status_code == 403
    page = signed_in("auditor").get("/api/docs")
    assert page.status_code == 200
    assert b"/api/v1/overrides" in page.content
    schema = signed_in("auditor").get("/api/v1/openapi.json").json()
    assert schema["openapi"].startswith("3.")
    assert "/api/v1/accounts/{account}/rulebook" in schema["paths"]
    assert caller("auditor").get("/openapi.json").status_code == 200
    assert client.get("/api/v1/openapi.json", headers={"Authorization": "Bearer no"}).status_code == 401

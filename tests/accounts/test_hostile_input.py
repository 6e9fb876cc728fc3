"""Nonsense from outside, at every address and as every role: a clear answer, never a defect."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import get_resolver

from accounts.models import User
from tests.accounts.conftest import PASSWORD
from tests.accounts.test_every_page import pages

SignIn = Callable[[str], Client]
NONSENSE = ("\0", "-1", "9" * 400, "nan", "'; DROP TABLE accounts_user; --", "\U0001f4a5\u202e../", "[]%")
FIELDS = (
    "page", "sort", "format", "q", "state", "severity", "sev", "actor", "verb", "target", "since", "until", "next",
    "from", "to", "range", "tour", "version", "reason", "mode", "confirm", "form", "offset", "zone-time_zone",
)  # fmt: skip
METHODS = ("get", "post", "put", "patch", "delete", "head", "options", "trace")


@pytest.fixture
def ask(signed_in: SignIn, client: Client) -> Callable[[str], Client]:
    """A client of a role, or the anonymous one, that answers a defect as a browser sees it."""

    def of(role: str) -> Client:
        one = signed_in(role) if role else client
        one.raise_request_exception = False
        return one

    return of


def addresses() -> list[str]:
    """Every page of the desk outside the admin site."""
    return [address for _, address in pages(get_resolver().url_patterns)]


@pytest.mark.parametrize("role", ["", "trader", "risk_officer", "head_of_risk", "auditor"])
def test_no_query_no_form_and_no_method_makes_a_defect(ask: Callable[[str], Client], role: str) -> None:
    client, broken = ask(role), {}
    for address in addresses():
        if address in {"/logout/", "/metrics", "/healthz"}:
            continue
        for method in METHODS:
            if (code := getattr(client, method)(address).status_code) >= 500:
                broken[f"{method} {address}"] = code
        for bad in NONSENSE:
            query = "&".join(f"{field}={quote(bad)}" for field in FIELDS)
            form = {**dict.fromkeys(FIELDS, bad), "form": "zone"}
            for answer in (
                client.get(f"{address}?{query}"),
                client.get(f"{address}?{query}&format=csv"),
                client.post(address, form),
                client.post(address, bad.encode(), content_type="application/json"),
            ):
                if answer.status_code >= 500 or (answer.streaming and not list(answer)):
                    broken[f"{address} {bad!r}"] = answer.status_code
    assert broken == {}


@pytest.mark.parametrize("name", ["HX-Current-URL", "HX-Target", "HX-Request", "X-Forwarded-For", "Host", "Referer"])
def test_no_header_makes_a_defect(ask: Callable[[str], Client], name: str) -> None:
    broken = {}
    for role, bad in itertools.product(
        ("", "risk_officer"), ("http://[", "http://[::1", "//evil", "\U0001f4a5", "x" * 9000)
    ):
        for address in ("/desk/", "/alerts/", "/audit/", "/login/"):
            headers = {"HX-Request": "true", name: bad}
            if (code := ask(role).get(address, headers=headers).status_code) >= 500:
                broken[f"{role} {address} {bad[:20]!r}"] = code
    assert broken == {}


@pytest.mark.parametrize("key", ['"aaaaaaaaaaaaa\\000"', '"\\303\\050aaaaaaaaaaa"', "x" * 5000])
@pytest.mark.parametrize("address", ["/", "/login/", "/desk/"])
def test_no_session_cookie_makes_a_defect(db: None, client: Client, address: str, key: str) -> None:
    client.raise_request_exception = False
    answer = client.get(address, headers={"Cookie": f"sessionid={key}"})
    assert answer.status_code in {200, 302}


@pytest.mark.parametrize(
    "asked", ["alert", "foo", "account", "x" * 5000, "/x" * 3000, "/\r\nSet-Cookie: a=b", "///evil", "/\\evil"]
)
@pytest.mark.parametrize("already", [False, True])
def test_no_way_back_makes_a_defect(people: dict[str, User], client: Client, asked: str, already: bool) -> None:
    client.raise_request_exception = False
    if already:
        client.force_login(people["auditor"], backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post("/login/", {"username": "auditor", "password": PASSWORD, "next": asked})
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/")
    assert not answer.headers["Location"].startswith(("//", "/\\"))

"""Every address of the desk stands behind a gate, now and when somebody adds one."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import AuditEntry

PUBLIC = {"login", "logout", "healthz", "metrics"}
OF_EVERYBODY = PUBLIC | {"home", "settings", "password_change"}
OF_TRADERS = "me"  # the pages whose name begins with it
API = "/api/v1/"  # takes tokens only, and answers 401 where a page sends to the login
OPENAPI = "/api/v1/openapi.json"  # as a page: also for the team that is signed in
SAMPLES = {"uuid": str(uuid.UUID(int=7)), "int": "7", "slug": "unknown", "str": "unknown", "path": "unknown"}


def pages(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Name and address of every pattern outside the admin site, its parameters filled in with unknown objects."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            if pattern.app_name != "admin":
                yield from pages(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            for name, converter in pattern.pattern.converters.items():
                kind = type(converter).__name__.removesuffix("Converter").lower().replace("string", "str")
                route = route.replace(f"<{kind}:{name}>", SAMPLES[kind]).replace(f"<{name}>", "unknown")
            yield pattern.name or route, f"/{route}"


def ask(client: Client, address: str) -> Any:
    """The answer to a GET, or to a POST where only that is taken."""
    answer = client.get(address)
    return client.post(address) if answer.status_code == 405 else answer


def test_the_anonymous_reach_no_page_but_the_login(db: None, client: Client) -> None:
    open_doors = {}
    for name, address in pages(get_resolver().url_patterns):
        answer = ask(client, address)
        to_login = answer.status_code == 302 and answer.headers["Location"].startswith("/login/?next=")
        if address.startswith(API) and address != OPENAPI:
            to_login = answer.status_code in {401, 429}
        if name not in PUBLIC and not to_login:
            open_doors[address] = answer.status_code
    assert open_doors == {}


def test_a_trader_is_refused_everywhere_but_on_his_own_pages(signed_in: Callable[[str], Client]) -> None:
    client, open_doors, refused = signed_in("trader"), {}, 0
    for name, address in pages(get_resolver().url_patterns):
        if name in OF_EVERYBODY or name.startswith(OF_TRADERS):
            continue
        if address.startswith(API) and address != OPENAPI:
            assert ask(client, address).status_code in {401, 429}, address
            continue
        answer = ask(client, address)
        refused += answer.status_code == 403
        if answer.status_code != 403:
            open_doors[address] = answer.status_code
    assert open_doors == {}
    assert refused >= 5
    assert AuditEntry.objects.filter(verb="access_refused", actor_name="trader").count() == refused


@pytest.mark.parametrize("role", ["risk_officer", "auditor", "head_of_risk"])
def test_the_team_meets_no_defect_anywhere(signed_in: Callable[[str], Client], role: str) -> None:
    client, found = signed_in(role), {}
    for name, address in pages(get_resolver().url_patterns):
        if name not in PUBLIC and (status := client.get(address).status_code) >= 500:
            found[address] = status
    assert found == {}

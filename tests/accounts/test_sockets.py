"""Who a socket belongs to, asked anew each time, and the word that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import transaction
from django.test import Client
from pytest_django import Settings

from accounts import audit
from accounts.models import Account, AuditEntry, Role, User
from accounts.permissions import PEOPLE_STREAM, SocketUser, own_accounts, socket_user
from tests.accounts.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def officer() -> User:
    return User.objects.create_user("risk", password=PASSWORD, role=Role.RISK_OFFICER, time_zone="UTC")


@pytest.fixture
def scope(officer: User) -> dict[str, Any]:
    """A socket's scope with the cookies of the officer's session."""
    client = Client()
    client.force_login(officer, backend="django.contrib.auth.backends.ModelBackend")
    return {"type": "websocket", "cookies": {name: morsel.value for name, morsel in client.cookies.items()}}


def look(scope: dict[str, Any]) -> SocketUser | None:
    return async_to_sync(socket_user)(scope)


def test_a_session_has_its_user(officer: User, scope: dict[str, Any]) -> None:
    assert look(scope) == SocketUser(id=officer.pk, username="risk", role="risk_officer", time_zone="UTC")


@pytest.mark.parametrize(
    "cookies",
    [{}, {"sessionid": ""}, {"sessionid": "guess"}, {"sessionid": "gu\0ess\0gu\0ess"}, {"sessionid": "x" * 500}],
)
def test_without_a_session_there_is_nobody(officer: User, cookies: dict[str, str]) -> None:
    assert look({"cookies": cookies}) is None
    assert look({}) is None


def test_a_new_role_is_seen_at_the_next_look(officer: User, scope: dict[str, Any]) -> None:
    User.objects.filter(pk=officer.pk).update(role=Role.TRADER)
    user = look(scope)
    assert user is not None
    assert user.role == "trader"


def test_who_is_switched_off_signed_out_or_has_a_new_password_is_nobody(officer: User, scope: dict[str, Any]) -> None:
    User.objects.filter(pk=officer.pk).update(is_active=False)
    assert look(scope) is None
    User.objects.filter(pk=officer.pk).update(is_active=True)
    assert look(scope) is not None
    officer.refresh_from_db()
    officer.set_password("another long one")
    officer.save()
    assert look(scope) is None


def test_looking_never_ends_or_renews_a_session(officer: User, scope: dict[str, Any]) -> None:
    from django.contrib.sessions.models import Session

    before = list(Session.objects.values_list("session_key", "session_data", "expire_date"))
    look(scope)
    User.objects.filter(pk=officer.pk).update(is_active=False)
    look(scope)
    assert list(Session.objects.values_list("session_key", "session_data", "expire_date")) == before


def test_signing_out_ends_the_socket_too(officer: User, scope: dict[str, Any]) -> None:
    client = Client()
    client.cookies["sessionid"] = scope["cookies"]["sessionid"]
    client.session.flush()
    assert look(scope) is None


def test_a_trader_has_his_own_accounts(own_account: Account, people: dict[str, User]) -> None:
    assert async_to_sync(own_accounts)(people["trader"].pk) == {"acc_1"}
    assert async_to_sync(own_accounts)(people["other_trader"].pk) == frozenset()


def test_a_refused_socket_is_written_like_a_refused_page(officer: User, scope: dict[str, Any]) -> None:
    user = look(scope)
    assert user is not None
    for _ in range(2):
        audit.record_refusal(user, "/ws/desk/", "The desk is for the risk team.")
    entry = AuditEntry.objects.get(verb="access_refused")
    assert (entry.actor, entry.detail["repeats"]) == (officer, 1)


@pytest.fixture
def stream(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def announced(stream: redis.Redis) -> list[str]:
    entries: Any = stream.xrange(PEOPLE_STREAM)
    return [fields["user"] for _, fields in entries]


@pytest.mark.parametrize("change", [{"role": Role.AUDITOR}, {"is_active": False}, {"password": "!"}])
def test_a_change_that_matters_to_sockets_is_announced(
    stream: redis.Redis, officer: User, change: dict[str, Any]
) -> None:
    for name, value in change.items():
        setattr(officer, name, value)
    officer.save()
    assert announced(stream) == [str(officer.pk)]


def test_other_changes_are_not_announced(stream: redis.Redis, officer: User) -> None:
    officer.first_name = "Robin"
    officer.save()
    officer.save(update_fields=["last_login"])
    assert announced(stream) == []


def test_nothing_is_announced_before_it_is_true(stream: redis.Redis, officer: User) -> None:
    with transaction.atomic():
        officer.role = Role.TRADER
        officer.save()
        assert announced(stream) == []
    assert announced(stream) == [str(officer.pk)]


def test_signing_out_is_announced_once_the_session_is_gone(
    stream: redis.Redis, officer: User, scope: dict[str, Any]
) -> None:
    client = Client()
    client.cookies["sessionid"] = scope["cookies"]["sessionid"]
    client.post("/logout/")
    assert announced(stream) == [str(officer.pk)]
    assert look(scope) is None


def test_a_deleted_user_is_announced(stream: redis.Redis, officer: User) -> None:
    gone = officer.pk
    officer.delete()
    assert announced(stream) == [str(gone)]


def test_without_redis_the_change_is_made_all_the_same(officer: User, settings: Settings) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    officer.role = Role.TRADER
    officer.save()
    officer.refresh_from_db()
    assert officer.role == Role.TRADER


def test_the_stream_is_on_the_server_of_the_settings(redis_url: str) -> None:
    assert redis_url == settings.REDIS_URL

"""People and accounts for the tests of the book."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import Account, Role, Server, User

PASSWORD = "correct horse battery"


@pytest.fixture
def people(db: None) -> dict[str, User]:
    """One user of each role, by role, and a second trader."""
    made = {role.value: User.objects.create_user(role.value, password=PASSWORD, role=role) for role in Role}
    return {**made, "other_trader": User.objects.create_user("other_trader", password=PASSWORD, role=Role.TRADER)}


@pytest.fixture
def signed_in(people: dict[str, User]) -> Callable[[str], Client]:
    """A client that is signed in as the user of that name."""

    def sign_in(name: str) -> Client:
        client = Client(REMOTE_ADDR="192.0.2.7")
        client.force_login(people[name], backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in


@pytest.fixture
def own_account(people: dict[str, User]) -> Account:
    """An account of the user `trader`."""
    server = Server.objects.create(name="main", kind="fxsocket")
    return Account.objects.create(
        public_id="acc_1", upstream_id="acc_1", server=server, login="8410001", trader=people["trader"]
    )

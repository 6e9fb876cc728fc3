"""The page of the API's tokens: the text once, the end at once."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from accounts import tokens
from accounts.models import ApiToken, User

SignIn = Callable[[str], Client]


def test_a_token_is_shown_once(signed_in: SignIn, people: dict[str, User]) -> None:
    client = signed_in("head_of_risk")
    sent = {"user": people["risk_officer"].pk, "name": "CRM", "expires": "2036-12-31"}
    answer = client.post("/settings/tokens/", sent)
    assert answer.status_code == 201
    found = re.search(rb'value="(rdk_[^"]+)"', answer.content)
    assert found is not None
    token = tokens.authenticate(found[1].decode())
    assert token is not None
    assert (token.user, token.name) == (people["risk_officer"], "CRM")
    assert token.expires_at is not None
    assert token.expires_at.isoformat() == "2037-01-01T00:00:00+00:00"
    assert answer.headers["Cache-Control"].startswith("max-age=0")
    assert found[1] not in client.get("/settings/tokens/").content


def test_a_token_is_revoked(signed_in: SignIn, people: dict[str, User]) -> None:
    token, text = tokens.create(people["auditor"], "BI", people["head_of_risk"])
    client = signed_in("head_of_risk")
    assert b"is revoked" in client.post(f"/settings/tokens/{token.pk}/revoke/", follow=True).content
    assert tokens.authenticate(text) is None
    assert client.post("/settings/tokens/99999/revoke/").status_code == 404


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, b"This field is required."),
        ({"user": "99999"}, b"Select a valid choice"),
        ({"user": "x"}, b"Select a valid choice"),
        ({"expires": "2020-01-01"}, b"lies in the past"),
        ({"expires": "9999-12-31"}, b"lies too far ahead"),
        ({"name": "a\0b"}, b"Null characters"),
    ],
)
def test_a_wrong_form_gives_nothing(
    signed_in: SignIn, people: dict[str, User], changes: dict[str, str], said: bytes
) -> None:
    sent = {"user": str(people["auditor"].pk), "name": "CRM", "expires": ""}
    answer = signed_in("head_of_risk").post("/settings/tokens/", {**sent, **changes})
    assert answer.status_code == 422
    assert said in answer.content
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("role", ["risk_officer", "auditor", "trader"])
def test_only_the_head_gives_access(signed_in: SignIn, role: str) -> None:
    assert signed_in(role).get("/settings/tokens/").status_code == 403
    assert signed_in(role).post("/settings/tokens/1/revoke/").status_code == 403

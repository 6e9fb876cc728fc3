"""A token is shown once, kept as a digest, and ends when it should."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest
from django.utils import timezone

from accounts import tokens
from accounts.models import ApiToken, AuditEntry, User
from accounts.tokens import TokenError


@pytest.fixture
def head(people: dict[str, User]) -> User:
    return people["head_of_risk"]


def test_only_a_digest_is_kept(head: User, people: dict[str, User]) -> None:
    token, text = tokens.create(people["risk_officer"], "CRM", head)
    assert token.digest == sha256(text.encode()).hexdigest()
    assert text.startswith(token.prefix)
    assert len(text) > 40
    assert all(text not in str(row) for row in ApiToken.objects.values())
    entry = AuditEntry.objects.get(verb="api_access_given")
    assert (entry.actor, entry.target, entry.detail["prefix"]) == (head, "risk_officer", token.prefix)
    assert text not in str(entry.detail)


def test_it_stands_for_its_user_while_it_holds(head: User, people: dict[str, User]) -> None:
    token, text = tokens.create(people["risk_officer"], "CRM", head, timezone.now() + timedelta(days=1))
    found = tokens.authenticate(text)
    assert found is not None
    assert found.user == people["risk_officer"]
    assert tokens.authenticate(text, timezone.now() + timedelta(days=2)) is None
    assert tokens.revoke(token, head) is True
    assert tokens.revoke(token, head) is False
    assert tokens.authenticate(text) is None


def test_somebody_switched_off_has_no_token_any_more(head: User, people: dict[str, User]) -> None:
    officer = people["risk_officer"]
    _, text = tokens.create(officer, "CRM", head)
    User.objects.filter(pk=officer.pk).update(is_active=False)
    assert tokens.authenticate(text) is None
    officer.refresh_from_db()
    with pytest.raises(TokenError, match="switched off"):
        tokens.create(officer, "CRM", head)


def test_the_last_use_is_kept_to_the_minute(head: User) -> None:
    token, text = tokens.create(head, "CRM", head)
    first = timezone.now()
    for seconds in (0, 30, 61):
        tokens.authenticate(text, first + timedelta(seconds=seconds))
        token.refresh_from_db()
        assert token.last_used_at == first + timedelta(seconds=0 if seconds < 60 else 61)


@pytest.mark.parametrize("text", ["", "rdk_", "rdk_x\0", "rdk_\ud800", "x" * 10_000, "rdk_" + "ä" * 20])
def test_nonsense_is_nobody(db: None, text: str) -> None:
    assert tokens.authenticate(text) is None


def test_a_name_and_a_future_are_needed(head: User) -> None:
    for name, expires in (("", None), ("x" * 81, None), ("CRM", timezone.now())):
        with pytest.raises(TokenError):
            tokens.create(head, name, head, expires)

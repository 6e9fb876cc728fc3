"""Bearer tokens of the API: made, shown once, kept as a digest, revoked."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from accounts import audit
from accounts.models import ApiToken, User
from accounts.refusals import Refusal, text_errors

MARK = "rdk_"  # what makes a leaked one easy to find
SHOWN = 12  # its first signs, kept to tell tokens apart
LONGEST_SECRET = 200
USED_EVERY = timedelta(minutes=1)  # how exactly the last use is kept


class TokenError(Refusal):
    """The token cannot be made."""


def create(
    user: User, name: str, actor: User, expires_at: datetime | None = None, *, request: HttpRequest | None = None
) -> tuple[ApiToken, str]:
    """A token that acts as `user`, and its text, which nobody can read again."""
    errors = text_errors("name", name, longest=80)
    if expires_at is not None and expires_at <= timezone.now():
        errors.append(("expires_at", "lies in the past"))
    if not user.is_active:
        errors.append(("user", f"{user} is switched off"))
    if errors:
        raise TokenError(errors)
    text = MARK + secrets.token_urlsafe(32)
    with transaction.atomic():
        token = ApiToken.objects.create(
            user=user, name=name.strip(), prefix=text[:SHOWN], digest=_digest(text), expires_at=expires_at
        )
        detail = {"name": token.name, "prefix": token.prefix, "expires_at": expires_at and expires_at.isoformat()}
        audit.record(actor, "api_access_given", user, detail, request)
    return token, text


def authenticate(text: str, now: datetime | None = None) -> ApiToken | None:
    """The token, if it holds and its user may sign in; its last use is noted once a minute."""
    instant = now or timezone.now()
    if not text.startswith(MARK) or len(text) > LONGEST_SECRET:
        return None
    token = ApiToken.objects.select_related("user").filter(digest=_digest(text), user__is_active=True).first()
    if token is None or not holds(token, instant):
        return None
    stale = Q(last_used_at=None) | Q(last_used_at__lt=instant - USED_EVERY)
    ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=instant)
    return token


def holds(token: ApiToken, now: datetime) -> bool:
    """Neither revoked nor expired."""
    return token.revoked_at is None and (token.expires_at is None or now < token.expires_at)


def revoke(token: ApiToken, actor: User, *, request: HttpRequest | None = None) -> bool:
    """End it at once; whether it had not been already."""
    with transaction.atomic():
        ended = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
        if ended:
            audit.record(actor, "api_access_revoked", token.user, {"name": token.name, "prefix": token.prefix}, request)
    return bool(ended)


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

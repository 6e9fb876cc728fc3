"""The gate of sockets: who is at the other end, read anew from the database, and word when that changes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import redis
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import transaction
from django.db.models.signals import post_delete, post_save, pre_save
from django.dispatch import Signal
from django.utils.crypto import constant_time_compare

from accounts.models import Account, User

PEOPLE_STREAM = "riskdesk:people"  # entries {"user": primary key}: sockets of that user must ask again
PEOPLE_STREAM_LENGTH = 1000
WATCHED = ("role", "is_active", "password")

person_changed = Signal()  # user, changes: {"created": role} or {what changed: (before, after)}, no password in it

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SocketUser:
    """Who a socket belongs to, as of the last look."""

    id: int
    username: str
    role: str
    time_zone: str = ""

    @property
    def pk(self) -> int:
        """As a user has it, so that `audit.record` takes either."""
        return self.id


async def socket_user(scope: Mapping[str, Any]) -> SocketUser | None:
    """The user of a socket's session, read anew: None when signed out, switched off or the password changed."""
    key = scope.get("cookies", {}).get(settings.SESSION_COOKIE_NAME)
    found: SocketUser | None = await database_sync_to_async(_session_user)(key) if key else None
    return found


async def own_accounts(user_id: int) -> frozenset[str]:
    """The public ids of the accounts that a trader owns."""
    owned: frozenset[str] = await database_sync_to_async(_own_accounts)(user_id)
    return owned


def announce_change(user_id: int) -> None:
    """Tell every web process, once the transaction is through, to ask anew who that user's sockets belong to."""
    transaction.on_commit(lambda: _publish(user_id), robust=True)


def connect() -> None:
    """Announce every user whose role, activity or password changes."""
    pre_save.connect(_remember, sender=User, dispatch_uid="people.before")
    post_save.connect(_compare, sender=User, dispatch_uid="people.after")
    post_delete.connect(_deleted, sender=User, dispatch_uid="people.deleted")


def _session_user(key: str) -> SocketUser | None:
    """The user that a session key stands for; the session is only read, never renewed or ended."""
    if not key.isalnum():  # no key that Django makes; PostgreSQL would choke on a NUL
        return None
    session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    if session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = User.objects.filter(pk=session.get(SESSION_KEY), is_active=True).first()
    if user is None:
        return None
    known = session.get(HASH_SESSION_KEY) or ""
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    if not any(constant_time_compare(known, one) for one in hashes):
        return None
    return SocketUser(id=user.pk, username=user.username, role=user.role, time_zone=user.time_zone)


def _own_accounts(user_id: int) -> frozenset[str]:
    owned: Iterable[str] = Account.objects.filter(trader_id=user_id).values_list("public_id", flat=True)
    return frozenset(owned)


def _remember(sender: type[User], instance: User, update_fields: frozenset[str] | None, **_: object) -> None:
    """Keep what the row says before it is saved; a login, which only saves its time, costs no query."""
    watched = instance.pk is not None and (update_fields is None or not update_fields.isdisjoint(WATCHED))
    instance.__dict__["_before"] = User.objects.filter(pk=instance.pk).values(*WATCHED).first() if watched else None


def _compare(sender: type[User], instance: User, created: bool, **_: object) -> None:
    before = instance.__dict__.pop("_before", None)
    changes = {name: (old, getattr(instance, name)) for name, old in (before or {}).items()}
    changes = {name: pair for name, pair in changes.items() if pair[0] != pair[1]}
    if changes:
        announce_change(instance.pk)
    if "password" in changes:
        changes["password"] = ("", "")
        if getattr(instance, "_password", None) is None:  # Django renewed the hash at a login: the same password
            del changes["password"]
    if created or changes:
        person_changed.send(sender, user=instance, changes={"created": instance.role} if created else changes)


def _deleted(sender: type[User], instance: User, **_: object) -> None:
    announce_change(instance.pk)


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)


def _publish(user_id: int) -> None:
    """Best effort: without Redis the sockets find out at their next regular look."""
    try:
        _client(settings.REDIS_URL).xadd(PEOPLE_STREAM, {"user": user_id}, maxlen=PEOPLE_STREAM_LENGTH)
    except redis.RedisError as error:
        log.warning("sockets of user %s were not told of the change at once: %s", user_id, error)

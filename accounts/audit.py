"""Who did what: the one way to write the audit log, and the entries that sign-ins and refusals write by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import Any, Protocol

from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import AuditEntry, User

REPEATS_WITHIN = timedelta(seconds=10)
_SECRET = re.compile(r"password|secret|token|authorization|cookie|api_?key|session", re.IGNORECASE)


class Actor(Protocol):
    """Who acted: a user, a socket's user, or Django's anonymous one (no key, no name)."""

    @property
    def pk(self) -> Any: ...

    @property
    def username(self) -> str: ...


def record(
    actor: Actor | str | None,
    verb: str,
    target: object = "",
    detail: Mapping[str, Any] | None = None,
    request: HttpRequest | None = None,
) -> AuditEntry:
    """Write one entry. `actor` is a user, a bare name (a process, an attempted login) or None; secrets are masked."""
    entry = _entry(actor, verb, target, detail, request)
    entry.save(force_insert=True)
    return entry


def record_many(
    actor: Actor | str | None,
    verb: str,
    targets: Iterable[tuple[object, Mapping[str, Any]]],
    request: HttpRequest | None = None,
) -> None:
    """One entry for each (target, detail) of one act on many, in few statements."""
    entries = [_entry(actor, verb, target, detail, request) for target, detail in targets]
    AuditEntry.objects.bulk_create(entries, batch_size=1000)


def record_refusal(actor: Actor, target: str, reason: str, request: HttpRequest | None = None) -> None:
    """Write that access to `target` (a path) was refused; repeats within 10 s are counted in the first entry."""
    verb, target = "access_refused", _text(target, 200)
    with transaction.atomic():
        same = AuditEntry.objects.filter(
            verb=verb, actor_id=actor.pk, target=target, at__gte=timezone.now() - REPEATS_WITHIN
        )
        if entry := same.select_for_update().first():
            entry.detail = {**entry.detail, "repeats": entry.detail.get("repeats", 0) + 1}
            entry.save(update_fields=["detail"])
        else:
            record(actor, verb, target, {"reason": reason}, request)


def record_person_change(user: User, changes: Mapping[str, Any]) -> None:
    """Write what changed about a user; who did it is `user.changed_by`, when the changer said so."""
    verbs = {"created": "user_created", "role": "role_changed", "password": "password_changed"}
    for name, change in changes.items():
        verb = verbs.get(name) or ("user_activated" if user.is_active else "user_deactivated")
        if name == "created":
            detail = {"role": change}
        else:
            detail = {} if name != "role" else {"from": change[0], "to": change[1]}
        record(user.changed_by, verb, user, detail)


def connect() -> None:
    """Have every login, failed login, lockout and logout write its entry."""
    user_logged_in.connect(_logged_in, dispatch_uid="audit.logged_in")
    user_logged_out.connect(_logged_out, dispatch_uid="audit.logged_out")
    user_login_failed.connect(_login_failed, dispatch_uid="audit.login_failed")
    user_locked_out.connect(_locked_out, dispatch_uid="audit.locked_out")


def _entry(
    actor: Actor | str | None,
    verb: str,
    target: object,
    detail: Mapping[str, Any] | None,
    request: HttpRequest | None,
) -> AuditEntry:
    token = getattr(request, "auth", None)  # a call of the API: which system it was
    via = {"via": f"API, {token}"} if token is not None else {}
    return AuditEntry(
        actor_id=None if actor is None or isinstance(actor, str) else actor.pk,
        actor_name=_text(actor if isinstance(actor, str) else actor.username if actor else "", 150),
        verb=verb,
        target=_text(target, 200),
        detail=_clean({**(detail or {}), **via}),
        address=_address(request),
    )


def _logged_in(sender: object, request: HttpRequest, user: User, **_: object) -> None:
    record(user, "logged_in", user, request=request)


def _logged_out(sender: object, request: HttpRequest, user: User | None, **_: object) -> None:
    if user is not None:
        record(user, "logged_out", user, request=request)


def _login_failed(
    sender: object, credentials: Mapping[str, Any], request: HttpRequest | None = None, **_: object
) -> None:
    name = str(credentials.get("username", ""))
    record(name, "login_failed", name, request=request)


def _locked_out(sender: object, request: HttpRequest, username: str | None, **_: object) -> None:
    record(username, "login_locked", username or "", request=request)


def _text(value: object, length: int) -> str:
    """Text that PostgreSQL takes (it refuses NUL), cut to its column."""
    return str(value).replace("\0", "\ufffd")[:length]


def _clean(value: Any, name: str = "") -> Any:
    """A JSON value without secrets and without what PostgreSQL refuses."""
    if _SECRET.search(name):
        return "***"
    if isinstance(value, Mapping):
        return {_text(key, 100): _clean(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    if value is None or isinstance(value, bool | int):
        return value
    return _text(value, 2000)


def _address(request: HttpRequest | None) -> str | None:
    """The client's address as the login throttle sees it; None when there is none (a unix socket)."""
    if request is None:
        return None
    raw = getattr(request, "axes_ip_address", None) or request.META.get("REMOTE_ADDR", "")
    try:
        return str(ip_address(raw))
    except ValueError:
        return None

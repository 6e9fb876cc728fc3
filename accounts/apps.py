"""The app `accounts`: the book."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig

if TYPE_CHECKING:  # models can only be loaded once the apps are
    from django.http import HttpRequest

    from accounts.audit import Actor
    from accounts.models import User


class AccountsConfig(AppConfig):
    """Users, roles, gates, plans, challenges and the audit log."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tie the audit log and the sockets to what changes about people."""
        from accounts import audit, permissions
        from accounts.permissions import sockets

        audit.connect()
        sockets.connect()
        permissions.access_was_refused.connect(_audit_refusal, dispatch_uid="accounts.refusal")
        sockets.person_changed.connect(_audit_person, dispatch_uid="accounts.person")


class BookAdminConfig(AdminConfig):
    """Django's admin site behind the desk's gate."""

    default_site = "accounts.permissions.site.DeskAdminSite"


# Rooms of one layer do not know each other: the app hands what the gate tells on to the log.


def _audit_refusal(sender: object, actor: Actor, target: str, reason: str, request: HttpRequest, **_: object) -> None:
    from accounts import audit

    audit.record_refusal(actor, target, reason, request)


def _audit_person(sender: object, user: User, changes: dict[str, Any], **_: object) -> None:
    from accounts import audit

    audit.record_person_change(user, changes)

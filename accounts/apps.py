"""The app `accounts`: the book."""

from __future__ import annotations

from django.apps import AppConfig


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


def _audit_refusal(sender: object, **told: object) -> None:
    """Rooms of one layer do not know each other: the app hands the refusal from the gate to the log."""
    from accounts import audit

    audit.record_refusal(told["actor"], told["target"], told["reason"], told["request"])  # type: ignore[arg-type]

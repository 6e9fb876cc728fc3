"""Trading servers: whether RiskDesk acts on one or only says what it would do; and the word to their monitors."""

from __future__ import annotations

from django.db import connection, transaction
from django.http import HttpRequest

from accounts import audit
from accounts.models import EnforcementMode, Server, User

BOOK_CHANGED = "riskdesk_book"  # the channel of PostgreSQL's NOTIFY; its payload is a server's name, or "" for all


def switch_enforcement(
    server: Server, mode: EnforcementMode, actor: User, reason: str, request: HttpRequest | None = None
) -> Server:
    """Store the server's mode and write who switched it and why; the monitor follows within seconds."""
    with transaction.atomic():
        held = Server.objects.select_for_update().get(pk=server.pk)
        before, held.enforcement = held.enforcement, mode.value
        held.save(update_fields=["enforcement"])
        detail = {"from": before or "as configured", "to": mode.value, "reason": reason.strip()}
        audit.record(actor, "enforcement_switched", held.name, detail, request)
    return held


def book_changed(server: str = "") -> None:
    """Wake the monitors of a server (empty: of all) when the current transaction commits.

    Call it inside the transaction of whatever changes by what, or whether, accounts are judged: they read it at once
    instead of at their next look. PostgreSQL tells the same word only once a transaction; one that fails tells nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [BOOK_CHANGED, server])

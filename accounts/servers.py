"""Trading servers: whether RiskDesk acts on one or only says what it would do."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest

from accounts import audit
from accounts.models import EnforcementMode, Server, User


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

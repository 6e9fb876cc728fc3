"""`manage.py seed_demo`: the demo's users and the default plan; safe to repeat."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from accounts import plans
from accounts.models import AuditEntry, Role, User

OURS = "seed_demo"  # who it was, in the audit
PEOPLE = (
    ("risk", Role.RISK_OFFICER, ("Robin", "Risk")),
    ("head", Role.HEAD_OF_RISK, ("Hana", "Head")),
    ("trader", Role.TRADER, ("Toni", "Trader")),
    ("auditor", Role.AUDITOR, ("Alex", "Auditor")),
)


class Command(BaseCommand):
    """Make what is missing. A password that somebody changed stays, unless RISKDESK_DEMO_PASSWORD says another.

    One that this command gave follows what is printed: the kept one may be lost and made anew while the tables stay.
    """

    help = "Make the demo's users (risk, head, trader, auditor) and the plan two-step, where missing."

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan and users; the password is RISKDESK_DEMO_PASSWORD or the one kept in the state dir."""
        plans.ensure_default_plans()
        password = settings.RISKDESK_DEMO_PASSWORD or kept_password(settings.RISKDESK_DEMO_PASSWORD_FILE)
        made = [username for username, role, names in PEOPLE if _ensure(username, role, names, password)]
        if options["verbosity"]:
            self.stdout.write(f"made {', '.join(made)}" if made else "the demo's users are there already")


def _ensure(username: str, role: Role, names: tuple[str, str], password: str) -> bool:
    """Whether the user had to be made."""
    head = role == Role.HEAD_OF_RISK  # the head of risk may use the admin site
    user = User.objects.filter(username=username).first()
    if user is None:
        user = User(username=username, role=role, is_staff=head, is_superuser=head)
        user.first_name, user.last_name = names
    elif user.check_password(password) or not (settings.RISKDESK_DEMO_PASSWORD or _is_ours(user)):
        return False
    made = user.pk is None
    user.changed_by = OURS
    user.set_password(password)
    user.save()
    return made


def _is_ours(user: User) -> bool:
    """Whether the user's password is one that this command gave: by the audit, nobody else has changed it."""
    entries = AuditEntry.objects.filter(target=str(user))
    changed = entries.filter(verb="password_changed").exclude(actor_name=OURS).exists()
    return entries.filter(verb="user_created", actor_name=OURS).exists() and not changed


def kept_password(path: Path) -> str:
    """The generated password, made at the first call and readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(9) + "\n", encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()

"""What root's servers keep outside the state dir belongs to one state dir: one that is made anew does not inherit it.

The place is named after the state dir's path. Whoever deletes a clone and makes it again at the same path gets new
secrets and a new demo password, with which nobody could sign in to the old tables.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from pathlib import Path

from riskdesk.env import kept_secret
from riskdesk.services import Services

MARK = "services_id"  # the same word in the state dir and beside the data
USED = ("static", "journal", "demo_password")  # what a desk of a release without that mark leaves in its state dir


def claim(state_dir: Path, services: Services, now: datetime) -> Path | None:
    """Mark the servers' data as this state dir's; those of another one are set aside, under the name returned.

    Nothing is deleted. Call it while nobody else starts these servers; raises OSError.
    """
    data = services.where.data
    if data.is_relative_to(state_dir):
        return None  # they go with it
    aside = None
    if services.where.postgres_data.exists() and not _ours(state_dir, data):
        services.clear_stale("postgres")
        aside = data.with_name(f"{data.name}-left-{now:%Y%m%d%H%M%S}")
        data.rename(aside)
    mark = kept_secret(state_dir / MARK, lambda: secrets.token_hex(8))
    data.mkdir(parents=True, exist_ok=True)
    (data / MARK).write_text(mark + "\n", encoding="ascii")
    return aside


def _ours(state_dir: Path, data: Path) -> bool:
    mark, theirs = state_dir / MARK, data / MARK
    if theirs.exists():
        return mark.exists() and mark.read_bytes() == theirs.read_bytes()
    return any((state_dir / name).exists() for name in USED)

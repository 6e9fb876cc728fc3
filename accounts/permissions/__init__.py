"""The only gate: roles and what they may (`roles`), pages (`pages`), sockets (`sockets`)."""

from accounts.permissions.pages import access_was_refused, gate
from accounts.permissions.roles import (
    AccessRefused,
    AnyUser,
    access_account,
    access_acknowledge,
    access_alerts,
    access_audit,
    access_desk,
    access_enforcement,
    access_feeds,
    access_own_accounts,
    access_plans,
    may_acknowledge,
    may_enforce_server,
    may_watch_account,
    may_watch_desk,
    role_of,
)
from accounts.permissions.sockets import PEOPLE_STREAM, SocketUser, announce_change, own_accounts, socket_user

__all__ = [
    "PEOPLE_STREAM",
    "AccessRefused",
    "AnyUser",
    "SocketUser",
    "access_account",
    "access_acknowledge",
    "access_alerts",
    "access_audit",
    "access_desk",
    "access_enforcement",
    "access_feeds",
    "access_own_accounts",
    "access_plans",
    "access_was_refused",
    "announce_change",
    "gate",
    "may_acknowledge",
    "may_enforce_server",
    "may_watch_account",
    "may_watch_desk",
    "own_accounts",
    "role_of",
    "socket_user",
]

"""What the handlers share: the world, the hub, the faults, the keys, the memory of commands and keys."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from aiohttp import web

from monitoring.upstream.simulator.errors import Refused
from monitoring.upstream.simulator.faults import Fault, Faults
from monitoring.upstream.simulator.hub import Hub
from monitoring.upstream.simulator.ledger import Account
from monitoring.upstream.simulator.people import FIRST_LOGIN
from monitoring.upstream.simulator.world import World

IDEMPOTENCY_SECONDS = 15 * 60
COMMANDS_KEPT = 20_000


class RateLimit:
    """Requests a minute for each key, in fixed windows."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._windows: dict[str, tuple[int, int]] = {}

    def take(self, key: str) -> tuple[int, int]:
        """Count one request; (remaining, seconds to the reset), remaining below zero when it is one too many."""
        window, passed = divmod(time.time(), 60)
        begun, used = self._windows.get(key, (int(window), 0))
        used = used + 1 if begun == int(window) else 1
        self._windows[key] = (int(window), used)
        return self.limit - used, 60 - int(passed)


@dataclass(slots=True)
class Remembered:
    """The answer to a request with an Idempotency-Key; `status` 0 while it is under way."""

    request: str
    expires: float
    status: int = 0
    body: bytes = b""


@dataclass(slots=True)
class Service:
    """One running simulator."""

    world: World
    hub: Hub
    faults: Faults
    keys: dict[str, frozenset[str] | None]
    limit: RateLimit
    heartbeat: float = 20
    pong_within: float = 30.0
    account_cap: int = 100_000
    commands: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=COMMANDS_KEPT))
    remembered: dict[str, Remembered] = field(default_factory=dict)
    names: Iterator[int] = field(default_factory=lambda: count(1))
    logins: Iterator[int] = field(default_factory=lambda: count(FIRST_LOGIN + 400_000))
    requests: int = 0
    sessions: int = 0

    def account(self, account_id: str, scope: frozenset[str] | None) -> Account:
        """The account, if the key may see it: 404 or 403 otherwise."""
        account = self.world.account(account_id)
        if scope is not None and account_id not in scope:
            raise Refused(403, "forbidden", f"the key has no access to account {account_id}")
        return account

    def visible(self, scope: frozenset[str] | None) -> list[Account]:
        """The accounts that the key may see, in the order of their making."""
        return [a for a in self.world.accounts.values() if scope is None or a.id in scope]

    def recall(self, key: str, request: str) -> Remembered | None:
        """What is remembered for this Idempotency-Key: None for a new one; 409 in flight, 422 for another request."""
        now = time.monotonic()
        for old in [k for k, item in self.remembered.items() if item.expires <= now]:
            del self.remembered[old]
        found = self.remembered.get(key)
        if found is None:
            self.remembered[key] = Remembered(request, now + IDEMPOTENCY_SECONDS)
            return None
        if found.request != request:
            raise Refused(422, "idempotency_key_reused", "this Idempotency-Key came with another request")
        if not found.status:
            raise Refused(409, "idempotency_in_flight", "the first request with this Idempotency-Key is under way")
        return found

    def begin(self, fault: Fault) -> None:
        """Do what a socket or link fault does at its start."""
        accounts = [self.world.account(fault.account)] if fault.account else list(self.world.accounts.values())
        match fault.kind:
            case "drop_socket":
                for reader in self._readers(fault):
                    reader.transport.abort()
                    fault.hits += 1
            case "half_open":
                for reader in self._readers(fault):
                    reader.half_open = True
                    fault.hits += 1
            case "close_socket" | "key_revoked":
                for reader in self._readers(fault):
                    reader.close(int(fault.extra.get("code", 4401 if fault.kind == "key_revoked" else 1012)))
                    fault.hits += 1
            case "connection_restored":
                self._restore(accounts)
            case "stale_account":
                for account in accounts:
                    account.stale = True
            case "connection_lost" | "maintenance" | "auth_failed":
                for account in accounts:
                    self._lose(account, fault)
            case _:
                for account in accounts if fault.account else ():
                    for _ in range(4 if fault.kind in ("late", "repeat") else 1):
                        self.world.events.update(account)

    def end(self, fault: Fault) -> None:
        """Undo what a fault did, when it is over."""
        accounts = [self.world.accounts.get(fault.account)] if fault.account else list(self.world.accounts.values())
        found = [account for account in accounts if account is not None]
        if fault.kind == "half_open":
            for reader in self._readers(fault):  # what it missed is lost: the peer sees the gap
                reader.half_open = False
        elif fault.kind == "stale_account":
            for account in found:
                account.stale = False
                self.world.events.update(account)
        elif fault.kind in ("connection_lost", "maintenance", "auth_failed"):
            self._restore(found)

    def _lose(self, account: Account, fault: Fault) -> None:
        reason = str(fault.extra.get("reason") or {"maintenance": "maintenance", "auth_failed": "auth_failed"}.get(
            fault.kind, "broker_offline"))  # fmt: skip
        if fault.kind == "auth_failed":
            data = {"id": account.id, "code": "invalid_credentials", "message": "the broker refused the password"}
            self.world.events.emit(account, "auth_failed", data, force=True)
        self.world.lose(account, reason, "error" if fault.kind == "auth_failed" else "disconnected")

    def _restore(self, accounts: list[Account]) -> None:
        """Restored accounts report again, and the faults that held them are over."""
        ids = {account.id for account in accounts}
        everybody = len(ids) >= len(self.world.accounts)
        self.faults.active = [
            fault for fault in self.faults.active
            if fault.kind not in ("connection_lost", "maintenance", "auth_failed")
            or not (everybody or fault.account in ids)
        ]  # fmt: skip
        for account in accounts:
            self.world.restore(account)

    def _readers(self, fault: Fault) -> list[Any]:
        return [r for r in self.hub.readers if fault.account is None or r.watches(fault.account)]


SERVICE = web.AppKey("service", Service)

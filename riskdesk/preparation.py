"""What must be in order before the processes start: one desk a clone, free ports, tables, static files."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class NotPossible(Exception):
    """The desk cannot start; the message says why and what to do."""


@contextmanager
def only_one(state_dir: Path) -> Iterator[None]:
    """Hold the clone's lock; refuses while another run_desk holds it (the kernel frees a killed one's)."""
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "run.lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise NotPossible(
                f"RiskDesk already runs in this clone (process {lock.read().strip() or 'unknown'}). Stop it with "
                "Ctrl-C. For a second desk set RISKDESK_STATE_DIR, PORT, RISKDESK_MONITOR_PORT, "
                "RISKDESK_SIMULATOR_PORT and RISKDESK_SIMULATOR_CONTROL_PORT."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def ports_of(settings: Any) -> dict[str, tuple[str, int]]:
    """Every address that this desk will listen on, by the variable that moves it."""
    ports = {"PORT": (settings.RISKDESK_BIND, settings.PORT)}
    if settings.RISKDESK_MONITOR_PORT:
        ports["RISKDESK_MONITOR_PORT"] = ("127.0.0.1", settings.RISKDESK_MONITOR_PORT)
    if settings.RISKDESK_UPSTREAM.is_simulator:
        ports["RISKDESK_SIMULATOR_PORT"] = ("127.0.0.1", settings.RISKDESK_SIMULATOR_PORT)
        ports["RISKDESK_SIMULATOR_CONTROL_PORT"] = ("127.0.0.1", settings.RISKDESK_SIMULATOR_CONTROL_PORT)
    return ports


def require_free_ports(ports: dict[str, tuple[str, int]]) -> None:
    """Refuse to start when a port is taken, naming the port and the variable to set."""
    seen: dict[int, str] = {}
    for variable, (host, port) in ports.items():
        if port in seen:
            raise NotPossible(f"{seen[port]} and {variable} are both {port}: give one of them another port.")
        seen[port] = variable
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except (OSError, UnicodeError) as error:  # a name may be no name at all
                if getattr(error, "errno", None) == errno.EADDRINUSE:
                    raise NotPossible(
                        f"Port {port} on {host} is taken by another program. Free it, or set {variable} to a free "
                        f"port, for example: {variable}={port + 80} make run"
                    ) from None
                names = f"RISKDESK_BIND, {variable}" if variable == "PORT" else variable
                raise NotPossible(f"Cannot listen on {host}:{port} ({names}): {error}") from None


def migrate() -> bool:
    """Bring the tables up to date; False when they already were."""
    from django.core.management import call_command
    from django.db import OperationalError, connections
    from django.db.migrations.executor import MigrationExecutor

    try:
        connections["default"].ensure_connection()
    except OperationalError as error:
        raise NotPossible(f"PostgreSQL does not answer (DATABASE_URL): {error}") from error
    try:
        executor = MigrationExecutor(connections["default"])
        if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return False
        call_command("migrate", interactive=False, verbosity=0)
        return True
    finally:
        connections.close_all()


def collect_static(settings: Any) -> bool:
    """Collect the static files if one of them changed since the last time; False when none did."""
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

    digest = hashlib.sha256(settings.STORAGES["staticfiles"]["BACKEND"].encode())
    for finder in get_finders():
        for path, storage in sorted(finder.list([]), key=lambda found: found[0]):
            info = Path(storage.path(path)).stat()
            digest.update(f"{path}|{info.st_size}|{info.st_mtime_ns}\n".encode())
    root = Path(settings.STATIC_ROOT)
    stamp = root / ".collected"
    if stamp.exists() and stamp.read_text(encoding="ascii") == digest.hexdigest():
        return False
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp.write_text(digest.hexdigest(), encoding="ascii")
    return True

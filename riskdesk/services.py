"""The embedded PostgreSQL and Valkey: where they live, how they start, stop and recover (unix sockets only)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import psutil

from riskdesk.binaries import Binaries, MissingServer, packaged, readable
from riskdesk.processes import Identity, spawn, stop_process

SOCKET_PATH_LIMIT = 107  # bytes that a unix socket's address may have
LONGEST_SOCKET = ".s.PGSQL.5432.lock"
DATABASE = "riskdesk"
START_TIMEOUT = 60.0


class ServiceError(Exception):
    """An embedded server could not be made or started; the message says why and where to look."""


@dataclass(frozen=True, slots=True)
class ServiceUrls:
    """How to reach the two servers: Django and psycopg, redis-py, Celery."""

    database_url: str
    redis_url: str
    broker_url: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the servers' data and sockets are; pure paths, nothing is made."""

    data: Path
    sockets: Path

    @property
    def postgres_data(self) -> Path:
        """PostgreSQL's cluster."""
        return self.data / "postgres"

    @property
    def valkey_data(self) -> Path:
        """Valkey's working folder."""
        return self.data / "valkey"

    @property
    def valkey_socket(self) -> Path:
        """Valkey's socket."""
        return self.sockets / "valkey.sock"

    @property
    def urls(self) -> ServiceUrls:
        """The servers' addresses, known before they run and the same after every restart."""
        host, socket = quote(str(self.sockets), safe=""), self.valkey_socket
        return ServiceUrls(
            database_url=f"postgresql://{DATABASE}@/{DATABASE}?host={host}",
            redis_url=f"unix://{socket}?db=0",
            broker_url=f"redis+socket://{socket}?virtual_host=0",
        )


def layout(state_dir: Path) -> Layout:
    """The layout for a state dir: inside it, but elsewhere for root and where a socket's path would be too long."""
    mark = hashlib.sha256(str(state_dir).encode()).hexdigest()[:12]
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root; its own user must not need a way through root's private folders.
        data = Path("/var/lib") / f"riskdesk-{mark}"
        return Layout(data=data, sockets=data / "run")
    data = state_dir / "services"
    sockets = data / "run"
    if len(os.fsencode(sockets / LONGEST_SOCKET)) > SOCKET_PATH_LIMIT:
        sockets = Path(tempfile.gettempdir()) / f"riskdesk-{os.getuid()}-{mark}"
        if len(os.fsencode(sockets / LONGEST_SOCKET)) > SOCKET_PATH_LIMIT:
            sockets = Path("/tmp") / sockets.name
    return Layout(data=data, sockets=sockets)


def service_identity() -> Identity | None:
    """Whom the servers run as when we are root: the user `riskdesk` if there is one, else `nobody`."""
    if os.geteuid() != 0:
        return None
    for name in ("riskdesk", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Identity(entry.pw_uid, entry.pw_gid)
    raise ServiceError("Running as root needs a user for PostgreSQL: add one with `useradd --system riskdesk`.")


def private_dir(path: Path, owner: Identity | None) -> None:
    """Make a folder that only its owner may enter; refuses one that somebody else put there."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    info = path.lstat()
    if owner is not None and stat.S_ISDIR(info.st_mode) and info.st_uid == 0:
        os.chown(path, owner.uid, owner.gid)
        info = path.lstat()
    expected = owner.uid if owner else os.getuid()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != expected:
        raise ServiceError(f"{path} belongs to somebody else; remove it, or set RISKDESK_STATE_DIR to another folder")
    path.chmod(0o700)


class Services:
    """One embedded PostgreSQL and one Valkey. `prepare` makes what they need; `start` and `stop` run them."""

    def __init__(self, where: Layout, *, durable: bool = True) -> None:
        self.where = where
        self.durable = durable  # False: no fsync, for tests whose data is thrown away
        self.identity = service_identity()
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    @cached_property
    def binaries(self) -> Binaries:
        """The servers' programs; root's are copied first where their user could not reach them."""
        try:
            found = packaged()
        except MissingServer as error:
            raise ServiceError(str(error)) from error
        return found if self.identity is None else readable(found, self.where.data / "bin")

    # -- what to run ---------------------------------------------------------------------------------------------

    def postgres_command(self) -> list[str]:
        """PostgreSQL in the foreground, on its unix socket only."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.where.sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "100",
            "shared_buffers": "64MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "fsync": "on" if self.durable else "off",
        }
        settings = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        return [str(self.binaries.postgres / "bin" / "postgres"), "-D", str(self.where.postgres_data), *settings]

    def valkey_command(self) -> list[str]:
        """Valkey in the foreground, on its unix socket only, nothing on disk: its loss is survivable by design."""
        return [
            str(self.binaries.valkey), "--port", "0", "--unixsocket", str(self.where.valkey_socket),
            "--unixsocketperm", "700", "--dir", str(self.where.valkey_data), "--save", "", "--appendonly", "no",
            "--daemonize", "no", "--loglevel", "warning",
        ]  # fmt: skip

    # -- before a start ------------------------------------------------------------------------------------------

    def prepare(self, postgres: bool = True) -> None:
        """Folders, binaries that the servers' user can read and (if wanted) PostgreSQL's cluster. Safe to repeat."""
        if self.identity is not None:
            self.where.data.mkdir(parents=True, exist_ok=True)
            self.where.data.chmod(0o711)
        for folder in (self.where.data, self.where.valkey_data, self.where.sockets):
            if folder is not self.where.data or self.identity is None:
                private_dir(folder, self.identity)
        if postgres:
            self.clear_stale("postgres")
            self._initialise_cluster()

    def clear_stale(self, name: str) -> None:
        """Stop what a killed parent left running, and remove a lock file whose number now belongs to another."""
        if name != "postgres":
            return  # Valkey keeps no lock and replaces a stale socket itself
        lock = self.where.postgres_data / "postmaster.pid"
        try:
            pid = abs(int(lock.read_text(encoding="ascii").split("\n", 1)[0]))  # negative while initdb is at work
        except (FileNotFoundError, ValueError):
            return
        try:
            process = psutil.Process(pid)
            ours = str(self.where.postgres_data) in process.cmdline()
        except psutil.NoSuchProcess:
            return  # PostgreSQL removes the lock of a dead process itself
        if ours and process.status() != psutil.STATUS_ZOMBIE:
            stop_process(process, signal.SIGINT, 20.0)
        elif not ours:
            lock.unlink()

    def _initialise_cluster(self) -> None:
        """Make the cluster if there is none; a half-made one (no finished mark) is made again."""
        data, mark = self.where.postgres_data, self.where.data / "postgres.ready"
        if mark.exists() and (data / "PG_VERSION").exists():
            return
        if data.exists():
            shutil.rmtree(data)
        private_dir(data, self.identity)
        command = [
            str(self.binaries.postgres / "bin" / "initdb"), "-D", str(data), "-U", DATABASE, "--auth=trust",
            "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            *([] if self.durable else ["--no-sync"]),
        ]  # fmt: skip
        done = self._run(command)
        if done.returncode:
            raise ServiceError(f"PostgreSQL's initdb failed:\n{done.stdout}")
        mark.touch()

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a helper program of a server as the servers' user."""
        who = self.identity
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=START_TIMEOUT, check=False,
            cwd="/", user=who.uid if who else None, group=who.gid if who else None,
            extra_groups=[] if who else None, env=server_environment(),
        )  # fmt: skip

    # -- running them without a supervisor -----------------------------------------------------------------------

    def start(self) -> ServiceUrls:
        """Prepare and start both as children of this process; returns when both answer."""
        self.prepare()
        self.start_one("postgres")
        self.start_one("valkey")
        self.wait_until_ready()
        return self.where.urls

    def start_one(self, name: str) -> None:
        """Start one of them (after a kill, for instance) under the same address."""
        self.clear_stale(name)
        command = self.postgres_command() if name == "postgres" else self.valkey_command()
        with (self.where.data / f"{name}.log").open("ab") as log:
            self.running[name] = spawn(
                command, identity=self.identity, cwd="/", env=server_environment(), output=log,
                death_signal=signal.SIGINT if name == "postgres" else signal.SIGTERM,
            )  # fmt: skip

    def wait_until_ready(self, timeout: float = START_TIMEOUT) -> None:
        """Wait until both answer and the database exists; ServiceError if one ends or time is up."""
        deadline = time.monotonic() + timeout
        while not self.ready():
            for name, process in self.running.items():
                if process.poll() is not None and time.monotonic() > deadline - timeout + 10:
                    raise ServiceError(f"{name} ended with code {process.returncode}; see {self.where.data}/{name}.log")
                if process.poll() is not None:
                    self.start_one(name)  # a predecessor's memory may need a moment to be given back
                    break
            if time.monotonic() > deadline:
                raise ServiceError(f"the embedded servers did not answer within {timeout:.0f} s")
            time.sleep(0.05)

    def ready(self, postgres: bool = True, redis: bool = True) -> bool:
        """Whether those of them that are wanted answer."""
        return (not redis or self.valkey_ready()) and (not postgres or self.postgres_ready())

    def postgres_ready(self) -> bool:
        """Whether PostgreSQL answers; makes the database if it is not there yet."""
        import psycopg  # here: the settings import this module, and a page needs no second driver set-up

        with contextlib.suppress(psycopg.OperationalError):
            with psycopg.connect(
                host=str(self.where.sockets), user=DATABASE, dbname="postgres", connect_timeout=2, autocommit=True
            ) as connection:
                if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
            return True
        return False

    def valkey_ready(self) -> bool:
        """Whether Valkey answers."""
        import redis

        try:
            with redis.Redis(unix_socket_path=str(self.where.valkey_socket), socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def stop(self) -> None:
        """Stop both: PostgreSQL by fast shutdown, so that no client can hold it up."""
        for name, process in self.running.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                stop_process(psutil.Process(process.pid), signal.SIGINT if name == "postgres" else signal.SIGTERM, 20.0)
            process.wait()
        self.running.clear()


def server_environment() -> dict[str, str]:
    """A small environment for the servers: nothing of ours, no secrets, no foreign locale."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def remove(state_dir: Path) -> None:
    """Remove the data that lies outside the state dir (make clean)."""
    where = layout(state_dir)
    for path in (where.data, where.sockets):
        if path.exists():
            shutil.rmtree(path)

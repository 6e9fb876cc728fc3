"""A whole desk as its user starts it: `run_desk` with servers of its own, on free ports, and a Slack of ours.

`whole_desk(directory, …)` gives a ready `WholeDesk` and ends it by SIGTERM; a process that outlives it fails the test.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psutil
import psycopg
import redis
from playwright.sync_api import Browser, Page
from psycopg.rows import dict_row

from monitoring.live.publish import AccountRow, Batch, ServerRow
from riskdesk import services
from tests.alerts.fake_slack import FakeSlack, fake_slack
from tests.e2e.conftest import Visit, Web
from tests.monitoring.live.desk import ask
from tests.ports import free_ports
from tests.riskdesk.test_run_desk import all_gone
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "a-password-of-the-test"
NAMES = ("postgres", "valkey", "simulator", "monitor", "web", "critical", "worker", "jobs", "beat")
READY = "RiskDesk is ready at http://127.0.0.1:"
START_WITHIN = 150.0  # seconds, on a machine with better things to do
_batch = msgspec.msgpack.Decoder(Batch)
_row = msgspec.msgpack.Decoder(AccountRow)


class WholeDesk:
    """A running desk: its pages, its processes, its simulator's control API, its tables, its Slack."""

    def __init__(self, directory: Path, slack: FakeSlack, accounts: int, **env: str) -> None:
        self.state, self.slack = (directory / "state").resolve(), slack
        self.port, simulator, self.control_port, monitor = free_ports(4)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RISKDESK_")}
        self.env = {
            **{name: value for name, value in kept.items() if name not in {"DATABASE_URL", "REDIS_URL"}},
            "DJANGO_SETTINGS_MODULE": "riskdesk.settings",
            "RISKDESK_ENV_FILE": "",
            "RISKDESK_STATE_DIR": str(self.state),
            "RISKDESK_DEMO_ACCOUNTS": str(accounts),
            "RISKDESK_DEMO_PASSWORD": PASSWORD,
            "RISKDESK_SLACK_WEBHOOK_URL": slack.url,
            "PORT": str(self.port),
            "RISKDESK_SIMULATOR_PORT": str(simulator),
            "RISKDESK_SIMULATOR_CONTROL_PORT": str(self.control_port),
            "RISKDESK_MONITOR_PORT": str(monitor),
            **env,
        }
        self.lines: list[str] = []
        self.ready_at = 0.0  # time.monotonic() of the ready line
        self.process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where its pages are."""
        return f"http://127.0.0.1:{self.port}"

    # -- the processes ---------------------------------------------------------------------------------------------

    def command(self) -> subprocess.Popen[str]:
        """`run_desk` with this desk's environment, as a terminal would start it: in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-u", "manage.py", "run_desk"],
            cwd=ROOT, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            process_group=0,
        )  # fmt: skip

    def start(self) -> None:
        """Start it and wait for the ready line."""
        self.process = self.command()
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()
        process = self.process
        eventually(lambda: self.said(READY) or process.poll() is not None, within=START_WITHIN, what="the ready line")
        assert self.said(READY), "\n".join(self.lines[-60:])
        self.ready_at = time.monotonic()
        # The ready line waits for the web and the monitor only; alerts of the first seconds are sent a little later.
        eventually(lambda: self.said("The alert worker is ready"), within=60, what="the alert worker")

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(line.rstrip())

    def said(self, text: str) -> bool:
        """Whether the console has shown this."""
        return any(text in line for line in self.lines)

    def family(self) -> list[psutil.Process]:
        """Every process below run_desk, and itself."""
        assert self.process is not None
        mine = psutil.Process(self.process.pid)
        return [mine, *mine.children(recursive=True)]

    def pid(self, name: str) -> int | None:
        """The process of a child by its name (monitor, web, valkey, postgres, critical, …), None while it has none."""
        entries = json.loads((self.state / "run" / "children.json").read_text(encoding="utf-8"))
        pid = int(entries[name][0]) if name in entries else None
        return pid if pid is not None and psutil.pid_exists(pid) else None

    def whole(self) -> bool:
        """Whether every process lives, both servers answer, and the web says that the monitor is ready."""
        if not all(self.pid(name) for name in NAMES):
            return False
        try:
            with redis.Redis.from_url(services.layout(self.state).urls.redis_url, socket_timeout=5) as client:
                client.ping()
            self.query("SELECT 1")
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return bool(json.load(answer)["ready"])
        except (redis.RedisError, psycopg.OperationalError, OSError):
            return False

    def kill(self, name: str) -> int | None:
        """kill -9 the child, if it lives; returns whom it hit."""
        pid = self.pid(name)
        if pid is not None:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return None
        return pid

    @contextmanager
    def held_down(self, name: str) -> Iterator[None]:
        """kill -9 the child, and each that is started in its place, until the block ends."""
        over = threading.Event()

        def keep_killing() -> None:
            while not over.wait(0.02):
                self.kill(name)

        assert self.kill(name) is not None
        killer = threading.Thread(target=keep_killing, daemon=True)
        killer.start()
        try:
            yield
        finally:
            over.set()
            killer.join()

    def stop(self, sent: signal.Signals = signal.SIGTERM, *, group: bool = False) -> int:
        """End it and see every process gone; `group` signals as a terminal's Ctrl-C does. Returns the exit code."""
        assert self.process is not None
        assert self._reader is not None
        family = self.family()
        (os.killpg if group else os.kill)(self.process.pid, sent)
        try:
            code = self.process.wait(60)
            eventually(lambda: all_gone(family), what=f"no process left of {family}")
        finally:
            for one in family:
                if one.is_running():
                    one.kill()
        self._reader.join(5)
        self.process = None
        return code

    # -- the simulator's control API -------------------------------------------------------------------------------

    def control(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        """One call; the answer's JSON."""
        code, answer = ask(f"http://127.0.0.1:{self.control_port}{path}", body, method)
        assert code in {200, 201, 204}, f"{path} answered {code}: {answer}"
        return answer

    def make_account(self, account: str, balance: float = 100_000.0, group: str = "two-step/phase-1") -> None:
        """A new account with no trader of its own, adopted by the desk, then with one small open position."""
        self.make_accounts([account], balance, group)

    def make_accounts(self, accounts: list[str], balance: float = 100_000.0, group: str = "two-step/phase-1") -> None:
        """As `make_account`, for several; the desk shows each with its position."""
        for account in accounts:
            self.control("/accounts", {"id": account, "balance": balance, "group": group})
        for account in accounts:
            eventually(partial(self.row, account), within=30, what=f"{account} is adopted")
            self.control(f"/accounts/{account}/positions", {"symbol": "EURUSD", "type": "BUY", "volume": 0.05})
        for account in accounts:
            eventually(partial(self._has_position, account), within=30, what=f"{account} is shown with its position")

    def _has_position(self, account: str) -> bool:
        row = self.row(account)
        return row is not None and row.open_positions == 1 and not row.stale

    def push(self, account: str, equity: float) -> None:
        """Put the account's equity there; the update leaves at once."""
        self.control(f"/accounts/{account}/state", {"equity": equity})

    def truth(self, account: str) -> dict[str, Any]:
        """The simulator's own word on an account."""
        return dict(self.control(f"/accounts/{account}"))

    def flat_and_locked(self, account: str) -> bool:
        """Whether the simulator itself says so."""
        truth = self.truth(account)
        return bool(truth["locked"]) and not truth["positions"]

    def commands(self, account: str) -> list[dict[str, Any]]:
        """What the simulator was told to do with an account."""
        return list(self.control(f"/commands?account={account}")["data"])

    # -- what the desk knows ---------------------------------------------------------------------------------------

    @property
    def database_url(self) -> str:
        """The desk's own PostgreSQL."""
        return services.layout(self.state).urls.database_url

    def query(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of the desk's PostgreSQL."""
        with psycopg.connect(self.database_url, row_factory=dict_row, connect_timeout=5) as connection:
            found = connection.execute(sql.encode(), values)
            return found.fetchall() if found.description else []

    def events(self, account: str, *kinds: str) -> list[dict[str, Any]]:
        """The recorded risk events of an account, oldest first."""
        return self.query(
            "SELECT e.* FROM monitoring_riskevent e JOIN accounts_account a ON a.id = e.account_id "
            "WHERE a.upstream_id = %s AND e.event = ANY(%s) ORDER BY e.at",
            account, list(kinds),
        )  # fmt: skip

    def row(self, account: str) -> AccountRow | None:
        """The account as it was published last; none while Redis is away."""
        try:
            with redis.Redis.from_url(services.layout(self.state).urls.redis_url, socket_timeout=5) as client:
                packed: Any = client.hget("riskdesk:main:rows", account)
        except (redis.ConnectionError, redis.TimeoutError):
            return None
        return None if packed is None else _row.decode(packed)

    def feed(self) -> ServerRow:
        """The simulator's feed as it was published last."""
        with redis.Redis.from_url(services.layout(self.state).urls.redis_url, socket_timeout=5) as client:
            packed: Any = client.hget("riskdesk:main:meta", "head")
        server: ServerRow = _batch.decode(packed).servers[0]
        return server

    def login(self, account: str) -> str:
        """The account's login, as pages and messages name it."""
        return str(self.truth(account)["login"])

    def messages(self, account: str) -> list[str]:
        """What Slack was told of an account."""
        return [text for _, text in self.told(account)]

    def told(self, account: str) -> list[tuple[float, str]]:
        """What Slack was told of an account, each with its time (epoch seconds)."""
        mark = f"account {self.login(account)} "
        shown = list(zip(list(self.slack.shown_at), self.slack.texts(), strict=False))
        return [(at, text) for at, text in shown if mark in f"{text} "]


@contextmanager
def whole_desk(directory: Path, *, accounts: int = 30, **env: str) -> Iterator[WholeDesk]:
    """A ready desk; afterwards nothing of it is left."""
    with fake_slack() as slack:
        desk = WholeDesk(directory, slack, accounts, **env)
        try:
            desk.start()
            yield desk
        finally:
            print("\n".join(["the end of what run_desk said:", *desk.lines[-80:]]))
            if desk.process is not None and desk.process.poll() is None:
                assert desk.stop() == 0
            services.remove(desk.state)


@contextmanager
def visiting(browser: Browser, desk: WholeDesk) -> Iterator[Visit]:
    """Opens pages of this desk, not signed in; complaints of the browser fail the test."""
    web = Web({}, desk.state)
    web.port = desk.port
    visit = Visit(browser, web)
    yield visit
    visit.check()


def sign_in(visit: Visit, name: str, path: str) -> Page:
    """A new window at `path`, through the login page."""
    page = visit(path, None)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    return page

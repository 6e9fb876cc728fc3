"""Real processes for the live path's tests: a simulator and monitors against the test's PostgreSQL and Valkey."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import redis

from monitoring.live.publish import AccountRow, Batch
from tests.ports import free_port
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
KEY = "test-key"
_row = msgspec.msgpack.Decoder(AccountRow)
_batch = msgspec.msgpack.Decoder(Batch)


def ask(url: str, body: dict[str, Any] | None = None, method: str | None = None) -> tuple[int, Any]:
    """Status and JSON of a request; (0, None) when nothing answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")
    except OSError:
        return 0, None


class Process:
    """A manage.py command in a process of its own; its output goes to a file that a failing test shows."""

    def __init__(self, arguments: list[str], env: dict[str, str], log: Path) -> None:
        self.log = log
        self.file = log.open("ab")
        self.popen = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=env, cwd=ROOT, stdout=self.file, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def kill(self, sent: signal.Signals = signal.SIGKILL) -> int:
        """Signal it, wait for its end; returns the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(sent)
        code = self.popen.wait(timeout=60)
        self.file.close()
        return code


class Desk:
    """A simulator with its control API, and as many monitors as a test starts."""

    def __init__(self, env: dict[str, str], directory: Path, redis_url: str, *, accounts: int = 0) -> None:
        self.directory = directory
        self.simulator_port, self.control_port = free_port(), free_port()
        self.env = env | {
            "RISKDESK_UPSTREAM_REST_URL": f"http://127.0.0.1:{self.simulator_port}/v1",
            "RISKDESK_UPSTREAM_WS_URL": f"ws://127.0.0.1:{self.simulator_port}/v1/stream?accounts=all",
            "RISKDESK_UPSTREAM_KEY": KEY,
            "RISKDESK_ENFORCEMENT": "live",
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        self.redis = redis.Redis.from_url(redis_url)
        self.accounts = accounts
        self.processes: list[Process] = []

    def start_simulator(self) -> Process:
        """Start it and wait until its control API answers."""
        process = self._start(
            "simulator", ["run_simulator", "--port", str(self.simulator_port), "--control-port", str(self.control_port),
                          "--accounts", str(self.accounts), "--key", KEY],
        )  # fmt: skip
        eventually(lambda: self.control("/health")[0] == 200, what="the simulator answers")
        return process

    def start_monitor(self, name: str = "monitor", *, port: int | None = None, wait: bool = True) -> Monitor:
        """Start a monitor, and wait until it is ready unless told otherwise."""
        port = port or free_port()
        monitor = Monitor(self._start(name, ["run_monitor", "--port", str(port)]), port)
        if wait:
            monitor.wait_ready()
        return monitor

    def _start(self, name: str, arguments: list[str]) -> Process:
        process = Process(arguments, self.env, self.directory / f"{name}.log")
        self.processes.append(process)
        return process

    def control(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> tuple[int, Any]:
        """One call of the simulator's control API."""
        return ask(f"http://127.0.0.1:{self.control_port}{path}", body, method)

    def put_at(self, account: str, **state: float) -> None:
        """Put an account at a balance or an equity."""
        code, answer = self.control(f"/accounts/{account}/state", dict(state))
        assert code == 200, answer

    def make_account(self, account: str, balance: float = 100_000.0) -> None:
        """Create an account with a chosen id."""
        code, answer = self.control("/accounts", {"id": account, "balance": balance})
        assert code in {200, 201}, answer

    def truth(self, account: str) -> dict[str, Any]:
        """The simulator's own word on an account."""
        return dict(self.control(f"/accounts/{account}")[1])

    def commands(self, account: str) -> list[dict[str, Any]]:
        """The commands that the simulator received for an account."""
        answer = self.control(f"/commands?account={account}")[1]
        return list(answer["data"] if isinstance(answer, dict) and "data" in answer else answer)

    def row(self, account: str) -> AccountRow | None:
        """The account as published last."""
        packed: Any = self.redis.hget("riskdesk:main:rows", account)
        return None if packed is None else _row.decode(packed)

    def shown(self, account: str) -> AccountRow:
        """The account's row, which is there or soon will be."""
        eventually(lambda: self.row(account), what=f"{account} is published")
        row = self.row(account)
        assert row is not None
        return row

    def head(self) -> Batch | None:
        """The newest batch without its rows."""
        packed: Any = self.redis.hget("riskdesk:main:meta", "head")
        return None if packed is None else _batch.decode(packed)

    def logs(self) -> str:
        """The end of every process's output."""
        parts = [f"--- {path.name}\n{path.read_text()[-6000:]}" for path in sorted(self.directory.glob("*.log"))]
        return "\n".join(parts)

    def stop(self) -> None:
        """End everything that was started."""
        for process in self.processes:
            process.kill()
        self.redis.close()


class Monitor:
    """One monitor process and its HTTP door."""

    def __init__(self, process: Process, port: int) -> None:
        self.process, self.port = process, port

    def health(self) -> dict[str, Any]:
        """What /healthz says; empty when nothing answers."""
        return ask(f"http://127.0.0.1:{self.port}/healthz")[1] or {}

    def wait_ready(self, within: float = 60.0) -> None:
        """Until /healthz answers 200."""
        eventually(
            lambda: ask(f"http://127.0.0.1:{self.port}/healthz")[0] == 200, within=within, what="the monitor is ready"
        )

"""run_desk as a whole: refusals before the start, then a real desk that is hurt, recovers and ends without a trace."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from riskdesk import services
from riskdesk.health import is_ready
from riskdesk.preparation import NotPossible, only_one, require_free_ports
from tests.ports import free_ports
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
READY = "RiskDesk is ready at http://127.0.0.1:"


def desk_env(state: Path, ports: list[int], **env: str) -> dict[str, str]:
    """A small desk of its own: state dir, ports, embedded servers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RISKDESK_")}
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "riskdesk.settings",
        "RISKDESK_ENV_FILE": "",
        "RISKDESK_STATE_DIR": str(state),
        "RISKDESK_DEMO_ACCOUNTS": "10",
        "RISKDESK_DEMO_PASSWORD": "a-password-of-the-test",
        "PORT": str(ports[0]),
        "RISKDESK_SIMULATOR_PORT": str(ports[1]),
        "RISKDESK_SIMULATOR_CONTROL_PORT": str(ports[2]),
        "RISKDESK_MONITOR_PORT": "0",
        **env,
    }


class RunningDesk:
    """A run_desk process and what it has said."""

    def __init__(self, state: Path, ports: list[int], **env: str) -> None:
        self.state = state
        self.process = subprocess.Popen(
            [sys.executable, "-u", "manage.py", "run_desk"],
            cwd=ROOT,
            env=desk_env(state, ports, **env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def said(self, text: str) -> bool:
        """Whether it has shown this."""
        return any(text in line for line in self.lines)

    def wait_until_ready(self) -> None:
        """Wait for the ready line."""
        eventually(
            lambda: self.said(READY) or self.process.poll() is not None,
            within=110,
            what="the ready line",
        )
        assert self.said(READY), "\n".join(self.lines[-40:])

    def children(self) -> dict[str, psutil.Process]:
        """The running children by name, as the register has them."""
        entries = json.loads((self.state / "run" / "children.json").read_text(encoding="utf-8"))
        running = {}
        for name, (pid, _) in entries.items():
            with suppress(psutil.NoSuchProcess):
                running[name] = psutil.Process(pid)
        return running

    def kill(self, name: str) -> int:
        """Kill the child that runs under this name now; its process number."""

        def killed() -> int:
            process = self.children().get(name)
            if process is None:
                return 0
            try:
                process.kill()
            except psutil.NoSuchProcess:  # it ended by itself just now: the next one is meant
                return 0
            return process.pid

        return eventually(killed, what=f"{name} runs and is killed")

    def runs_again(self, name: str, killed: int) -> bool:
        """Whether a child has a new process."""
        now = self.children().get(name)
        return now is not None and now.pid != killed

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """Stop it in order; its exit code."""
        self.process.send_signal(sent)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()
            self.reader.join(5)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state dir, and root's data outside it, gone after the test."""
    yield tmp_path / "state"
    services.remove((tmp_path / "state").resolve())


@contextmanager
def desk(state: Path, ports: list[int], **env: str) -> Iterator[RunningDesk]:
    """A ready desk that has certainly ended afterwards."""
    running = RunningDesk(state, ports, **env)
    try:
        running.wait_until_ready()
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


def all_gone(processes: list[psutil.Process]) -> bool:
    """Whether none of them lives."""
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


def family(running: RunningDesk) -> list[psutil.Process]:
    """Every process below run_desk."""
    return psutil.Process(running.process.pid).children(recursive=True)


def test_a_second_desk_in_the_same_clone_is_refused_with_the_first_ones_number(state: Path) -> None:
    with only_one(state):
        second = subprocess.run(
            [sys.executable, "manage.py", "run_desk"],
            cwd=ROOT, env=desk_env(state, free_ports(3)), capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert second.returncode == 1
    assert f"RiskDesk already runs in this clone (process {os.getpid()})" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_taken_port_is_named_with_its_variable(state: Path) -> None:
    ports = free_ports(3)
    with socket.create_server(("127.0.0.1", ports[1])):
        done = subprocess.run(
            [sys.executable, "manage.py", "run_desk"],
            cwd=ROOT, env=desk_env(state, ports), capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert f"Port {ports[1]} on 127.0.0.1 is taken" in done.stderr
    assert "RISKDESK_SIMULATOR_PORT" in done.stderr


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"RISKDESK_DEFAULT_PLAN": "no-such-plan"}, "RISKDESK_DEFAULT_PLAN names 'no-such-plan'"),
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}, "PostgreSQL does not answer (DATABASE_URL)"),
    ],
)
def test_what_only_the_database_can_tell_is_told_before_the_processes_start(
    state: Path, setting: dict[str, str], says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "run_desk"],
        cwd=ROOT, env=desk_env(state, free_ports(3)) | setting, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "simulator" not in done.stdout


def test_two_variables_with_one_port_are_refused() -> None:
    with pytest.raises(NotPossible, match="PORT and RISKDESK_SIMULATOR_PORT are both"):
        require_free_ports(dict.fromkeys(("PORT", "RISKDESK_SIMULATOR_PORT"), ("127.0.0.1", free_ports(1)[0])))


@pytest.mark.parametrize("bind", ["no host at all", "x" * 70, "192.0.2.1"])
def test_an_address_that_is_not_this_machine_s_is_named_with_its_variable(bind: str) -> None:
    with pytest.raises(NotPossible, match="RISKDESK_BIND"):
        require_free_ports({"PORT": (bind, free_ports(1)[0])})


def test_a_state_dir_that_cannot_be_written_is_said_in_one_line() -> None:
    """Where no secret has to be kept, the run's lock is the first file."""
    upstream = {
        "RISKDESK_UPSTREAM_REST_URL": "http://127.0.0.1:9/v1",
        "RISKDESK_UPSTREAM_WS_URL": "ws://127.0.0.1:9/v1/stream",
        "RISKDESK_UPSTREAM_KEY": "key",
        "RISKDESK_SECRET_KEY": "secret",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "run_desk"],
        cwd=ROOT, env=desk_env(Path("/sys/riskdesk"), free_ports(3)) | upstream, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "/sys/riskdesk; RISKDESK_STATE_DIR moves it" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("code", "answer", "ready"),
    [
        (200, {"monitor": {"ready": True}, "live": "connected"}, True),
        (200, {"monitor": {"ready": True}, "live": "stale"}, False),
        (200, {"monitor": {"ready": False}, "live": "connected"}, False),
        (200, {"monitor": None}, False),
        (200, {}, False),
        (503, {"monitor": {"ready": True}, "live": "connected"}, False),
        (0, {"error": "refused"}, False),
    ],
)
def test_ready_means_that_the_web_serves_and_the_monitor_is_ready(
    code: int, answer: dict[str, object], ready: bool
) -> None:
    assert is_ready(code, answer) is ready


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_desk_survives_the_death_of_each_of_its_processes_and_ends_without_a_trace(state: Path) -> None:
    with desk(state, free_ports(3)) as running:
        everybody = {"postgres", "valkey", "simulator", "monitor", "web", "critical", "worker", "jobs", "beat"}
        # The workers start with the web; the ready line does not wait for them.
        eventually(lambda: set(running.children()) == everybody, what="every process runs")
        for name in sorted(everybody):
            killed = running.kill(name)
            again = partial(running.runs_again, name, killed)
            eventually(again, what=f"{name} runs again")
            assert running.said(f"{name} was killed by SIGKILL")
        print(*running.lines, sep="\n")  # shown when what follows fails: who ended when
        eventually(lambda: set(running.children()) == everybody, what="every process runs again")
        processes = family(running)
        assert running.stop(signal.SIGINT) == 0
        eventually(lambda: all_gone(processes), what="every process has ended")
    assert running.said("riskdesk  | stopped")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_desk_that_was_killed_takes_its_children_along_and_starts_again_quickly(state: Path) -> None:
    ports = free_ports(3)
    with desk(state, ports) as first:
        processes = family(first)
        first.process.kill()
        first.process.wait()
    with desk(state, ports) as second:
        eventually(lambda: all_gone(processes), what="the first desk's processes have ended")
        started = next(line for line in second.lines if "started in" in line)
        seconds = re.search(r"started in ([\d.]+) s", started)
        assert seconds is not None
        assert float(seconds[1]) < 30
        assert second.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_printed_password_lets_in_whoever_made_the_state_dir_anew(state: Path) -> None:
    ports = free_ports(3)
    with desk(state, ports, RISKDESK_DEMO_PASSWORD="") as first:
        assert lets_in(first, ports[0])
        processes = family(first)
        first.process.kill()
        first.process.wait()
    eventually(lambda: all_gone(processes), what="the first desk's processes have ended")
    shutil.rmtree(state)
    with desk(state, ports, RISKDESK_DEMO_PASSWORD="") as second:
        assert lets_in(second, ports[0])
        assert second.stop() == 0


def lets_in(running: RunningDesk, port: int) -> bool:
    """Whether the head of risk signs in with the password that the desk printed."""
    eventually(lambda: running.said("; password: "), what="the demo logins")
    password = next(line for line in running.lines if "; password: " in line).rsplit(" ", 1)[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        client.get("/login/")
        form = {"username": "head", "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        return client.post("/login/", data=form).status_code == 302

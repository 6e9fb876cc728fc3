"""The supervisor keeps children running, says what happened, and leaves nothing behind."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from riskdesk.console import Console, LogFile
from riskdesk.supervisor import Backoff, Child, Supervisor
from tests.waiting import aeventually, eventually

QUICK = Backoff(first=0.02, cap=0.1, steady=60.0)


def python(script: str) -> tuple[str, ...]:
    """A child that runs this script."""
    return (sys.executable, "-u", "-c", textwrap.dedent(script))


class Desk:
    """A supervisor with what it has said."""

    def __init__(self, state: Path) -> None:
        self.out = io.StringIO()
        self.console = Console(self.out)
        self.supervisor = Supervisor(self.console, state, QUICK)

    def said(self, text: str) -> bool:
        """Whether the console has shown this."""
        return text in self.out.getvalue()

    def pid(self, name: str) -> int:
        """The number of a running child, 0 when there is none."""
        process = self.supervisor.kept[name].process
        return process.pid if process is not None else 0


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A supervisor of dummy children."""
    made = Desk(tmp_path)
    yield made
    made.console.close()


SLEEPER = python("import signal; print('up'); signal.pause()")


async def test_a_killed_child_is_started_again_and_said_so(desk: Desk) -> None:
    desk.supervisor.start(Child("sleeper", SLEEPER))
    await aeventually(lambda: desk.said("sleeper   | up"))
    first = desk.pid("sleeper")
    os.kill(first, signal.SIGKILL)
    await aeventually(lambda: desk.pid("sleeper") not in {0, first}, what="a new process")
    await aeventually(lambda: desk.said("sleeper was killed by SIGKILL; starting it again in 0.02 s"))
    await desk.supervisor.stop()


async def test_a_child_that_ends_by_itself_is_restarted_with_growing_pauses(desk: Desk) -> None:
    desk.supervisor.start(Child("failing", python("raise SystemExit(3)")))
    await aeventually(lambda: desk.said("failing ended with code 3; starting it again in 0.1 s"))
    assert desk.said("starting it again in 0.02 s")
    assert desk.said("starting it again in 0.04 s")
    await desk.supervisor.stop()


async def test_a_state_dir_that_takes_no_file_costs_no_child_its_supervisor(desk: Desk, tmp_path: Path) -> None:
    """As on a full disk: neither the register nor a log can be written."""
    desk.supervisor.start(Child("sleeper", SLEEPER))
    await aeventually(lambda: desk.said("sleeper   | up"))
    shutil.rmtree(tmp_path / "run")
    shutil.rmtree(tmp_path / "logs")
    for lives in (2, 3):
        killed = desk.pid("sleeper")
        os.kill(killed, signal.SIGKILL)
        await aeventually(lambda lives=lives: desk.out.getvalue().count("sleeper   | up") == lives, what="a new life")  # type: ignore[misc]  # bound now
    assert desk.said("cannot write")
    last = desk.pid("sleeper")
    await desk.supervisor.stop()
    assert not is_running(last)


async def test_a_program_that_does_not_exist_is_told_not_raised(desk: Desk) -> None:
    desk.supervisor.start(Child("missing", ("/no/such/program",)))
    await aeventually(lambda: desk.said("missing could not be started"))
    await desk.supervisor.stop()


def test_the_pause_doubles_to_its_cap_and_begins_anew_after_a_steady_minute() -> None:
    backoff, pauses, pause = Backoff(), [], 0.0
    for _ in range(7):
        pause = backoff.after(pause, alive=1.0)
        pauses.append(pause)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert backoff.after(pause, alive=60.0) == 0.5


async def test_stop_ends_the_stages_from_the_highest_down(desk: Desk) -> None:
    script = """
        import signal, sys
        signal.signal(signal.SIGTERM, lambda *_: (print("ended", flush=True), sys.exit(0)))
        print("up", flush=True)
        while True: signal.pause()
    """
    for stage, name in enumerate(("store", "source", "front")):
        desk.supervisor.start(Child(name, python(script), stage=stage))
    await aeventually(lambda: all(desk.said(f"{name:<9} | up") for name in ("store", "source", "front")))
    await desk.supervisor.stop()
    desk.console.close()
    ends = [line.split()[0] for line in desk.out.getvalue().splitlines() if line.endswith("ended")]
    assert ends == ["front", "source", "store"]


async def test_a_child_that_ignores_the_stop_signal_is_killed_with_its_children(desk: Desk) -> None:
    script = """
        import signal, subprocess, sys
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        grandchild = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        print("grandchild", grandchild.pid, flush=True)
        while True: signal.pause()
    """
    desk.supervisor.start(Child("deaf", python(script), patience=0.3))
    await aeventually(lambda: desk.said("grandchild "))
    grandchild = int(desk.out.getvalue().split("grandchild ")[1].split()[0])
    await desk.supervisor.stop()
    await aeventually(lambda: desk.said("deaf did not stop within 0.3 s: killed"))
    await aeventually(lambda: not is_running(grandchild), what="the grandchild is gone")


async def test_a_grandchild_does_not_outlive_a_killed_child(desk: Desk) -> None:
    script = """
        import signal, subprocess, sys
        grandchild = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        print("grandchild", grandchild.pid, flush=True)
        while True: signal.pause()
    """
    desk.supervisor.start(Child("parent", python(script)))
    await aeventually(lambda: desk.said("grandchild "))
    grandchild = int(desk.out.getvalue().split("grandchild ")[1].split()[0])
    os.kill(desk.pid("parent"), signal.SIGKILL)
    await aeventually(lambda: not is_running(grandchild), what="the grandchild is gone")
    await desk.supervisor.stop()


async def test_lines_of_any_length_and_any_bytes_reach_the_log(desk: Desk, tmp_path: Path) -> None:
    script = """
        import sys
        sys.stdout.buffer.write(b"x" * 300_000 + b"\\n" + b"\\xff\\xfe broken\\n" + b"no newline")
        sys.stdout.flush()
        import signal; signal.pause()
    """
    desk.supervisor.start(Child("noisy", python(script)))
    log = tmp_path / "logs" / "noisy.log"
    await aeventually(lambda: log.exists() and "broken" in log.read_text())
    await desk.supervisor.stop()
    text = log.read_text()
    assert text.count("x") == 300_000
    assert text.endswith("no newline\n")


def is_running(pid: int) -> bool:
    """Whether the process lives (a zombie does not)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


SUPERVISED = """
    import asyncio, sys
    from pathlib import Path
    from riskdesk.console import Console
    from riskdesk.supervisor import Child, Supervisor
    from tests.waiting import aeventually

    async def main():
        supervisor = Supervisor(Console(), Path(sys.argv[1]))
        supervisor.start(Child("sleeper", (sys.executable, "-c", "import signal; signal.pause()")))
        await aeventually(lambda: supervisor.kept["sleeper"].process is not None)
        print("pid", supervisor.kept["sleeper"].process.pid, flush=True)
        await asyncio.Event().wait()

    asyncio.run(main())
"""


def supervised_sleeper(state: Path) -> tuple[subprocess.Popen[str], int]:
    """A supervisor in a process of its own, and the number of its child."""
    command = [*python(SUPERVISED), str(state)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert parent.stdout is not None
    for line in parent.stdout:
        if line.startswith("pid "):
            return parent, int(line.split()[1])
    raise AssertionError("the supervisor ended early")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has died")
def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    parent, child = supervised_sleeper(tmp_path)
    with parent:
        parent.kill()
        parent.wait()
        eventually(lambda: not is_running(child), what="the child is gone")


def test_the_next_start_ends_what_a_killed_supervisor_left(desk: Desk) -> None:
    deaf = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
    created = psutil.Process(deaf.pid).create_time()
    desk.supervisor.register.write_text(f'{{"web": [{deaf.pid}, {created}], "gone": [999999999, 1.0]}}')
    assert desk.supervisor.end_leftovers() == ["web"]
    assert not is_running(deaf.pid)
    deaf.wait()
    assert not desk.supervisor.register.exists()


def test_a_number_that_another_process_has_now_is_left_alone(desk: Desk) -> None:
    desk.supervisor.register.write_text(f'{{"web": [{os.getpid()}, 1.0]}}')
    assert desk.supervisor.end_leftovers() == []


def test_a_terminal_that_stalls_or_goes_away_stops_nobody() -> None:
    reading, writing = os.pipe()
    console = Console(os.fdopen(writing, "w"))
    os.close(reading)
    for number in range(5000):
        console.relay("web", f"line {number}")
    console.close()  # returns, although nobody read a line


def test_a_log_file_keeps_one_predecessor(tmp_path: Path) -> None:
    with LogFile(tmp_path / "web.log", size=100) as log:
        for number in range(10):
            log.write(f"a line of some length, number {number}")
    assert "number 9" in (tmp_path / "web.log").read_text() + (tmp_path / "web.log.1").read_text()
    assert len(list(tmp_path.iterdir())) == 2

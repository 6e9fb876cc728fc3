"""Keeps child processes running: restart with backoff, prefixed logs, and an end that leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from riskdesk.console import Console, LogFile
from riskdesk.processes import Identity, ended, signal_group, spawn, stop_process

LINE_LIMIT = 64 * 1024  # a longer line of a child is cut into pieces


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep running. `stage` orders the end: the highest ends first."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] | None = None
    cwd: str | None = None
    identity: Identity | None = None
    stage: int = 2
    stop_signal: signal.Signals = signal.SIGTERM
    patience: float = 15.0  # seconds from the stop signal to the kill
    before_start: Callable[[], None] | None = None
    shown: bool = True  # False: what it says goes to its log file only


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds between a child's end and its restart: doubling, capped, from the beginning again once it was steady."""

    first: float = 0.5
    cap: float = 10.0
    steady: float = 60.0

    def after(self, previous: float, alive: float) -> float:
        """The pause after a life of `alive` seconds, when the last pause was `previous` (0 for none)."""
        if not previous or alive >= self.steady:
            return self.first
        return min(self.cap, previous * 2)


@dataclass(slots=True)
class _Kept:
    child: Child
    task: asyncio.Task[None]
    process: subprocess.Popen[bytes] | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


async def next_line(reader: asyncio.StreamReader) -> bytes:
    """The next line, or a piece of one that is too long; empty at the end."""
    try:
        return await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as rest:
        return rest.partial
    except asyncio.LimitOverrunError as over:
        return await reader.read(over.consumed or LINE_LIMIT)


class Supervisor:
    """Starts children and restarts those that die, until `stop`. Runs in the main thread's event loop."""

    def __init__(self, console: Console, state_dir: Path, backoff: Backoff | None = None) -> None:
        self.console = console
        self.logs = state_dir / "logs"
        self.register = state_dir / "run" / "children.json"
        self.backoff = backoff or Backoff()
        self.kept: dict[str, _Kept] = {}
        self.logs.mkdir(parents=True, exist_ok=True)
        self.register.parent.mkdir(parents=True, exist_ok=True)

    def start(self, child: Child) -> None:
        """Keep this child running from now on."""
        self.kept[child.name] = _Kept(child, asyncio.create_task(self._keep(child), name=child.name))

    async def stop(self) -> None:
        """End all children, stage by stage; one that does not go in time is killed with its whole group."""
        for stage in sorted({kept.child.stage for kept in self.kept.values()}, reverse=True):
            group = [kept for kept in self.kept.values() if kept.child.stage == stage]
            await asyncio.gather(*(self._end(kept) for kept in group))
        self.register.unlink(missing_ok=True)

    def kill(self) -> None:
        """End all children at once (a second Ctrl-C)."""
        for kept in self.kept.values():
            kept.stopping.set()
            if kept.process is not None:
                signal_group(kept.process.pid, signal.SIGKILL)

    async def _keep(self, child: Child) -> None:
        """Run the child again and again until it is told to stop."""
        await asyncio.sleep(0)  # lets `start` enter the child into `kept`
        kept, pause = self.kept[child.name], 0.0
        while not kept.stopping.is_set():
            began = time.monotonic()
            ending = await self._run_once(kept)
            if kept.stopping.is_set():
                return
            pause = self.backoff.after(pause, time.monotonic() - began)
            self.console.say(f"{child.name} {ending}; starting it again in {pause:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(kept.stopping.wait(), pause)

    async def _run_once(self, kept: _Kept) -> str:
        """One life of the child, from its start to its end; returns how it ended, in words."""
        child = kept.child
        try:
            if child.before_start is not None:
                await asyncio.to_thread(child.before_start)
            process = spawn(
                child.command, cwd=child.cwd, env=child.env, identity=child.identity, death_signal=child.stop_signal
            )
        except Exception as error:  # whatever keeps it from starting is told, and tried again
            return f"could not be started ({error})"
        kept.process = process
        self._register()
        if kept.stopping.is_set():  # told to stop while it was being made
            process.send_signal(child.stop_signal)
        pump = asyncio.create_task(self._pump(child, process))
        code = await ended(process)
        signal_group(process.pid, signal.SIGKILL)  # what the dead child left of its group must not live on
        _, late = await asyncio.wait([pump], timeout=2.0)
        for task in late:  # somebody outside the group holds the pipe
            task.cancel()
        kept.process = None
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    async def _pump(self, child: Child, process: subprocess.Popen[bytes]) -> None:
        """Copy what the child says to its log file and to the console."""
        reader = asyncio.StreamReader(limit=LINE_LIMIT)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), process.stdout)
        try:
            with LogFile(self.logs / f"{child.name}.log") as log:
                while line := await next_line(reader):
                    text = line.decode("utf-8", "replace").rstrip()
                    log.write(text)
                    if child.shown and text:
                        self.console.relay(child.name, text)
        finally:
            transport.close()

    async def _end(self, kept: _Kept) -> None:
        """Tell one child to stop and see it gone."""
        kept.stopping.set()
        if kept.process is not None:
            with contextlib.suppress(ProcessLookupError):
                kept.process.send_signal(kept.child.stop_signal)
        _, late = await asyncio.wait([kept.task], timeout=kept.child.patience)
        if late and kept.process is not None:
            self.console.say(f"{kept.child.name} did not stop within {kept.child.patience:g} s: killed")
            signal_group(kept.process.pid, signal.SIGKILL)
        await kept.task

    # -- what a killed supervisor leaves -------------------------------------------------------------------------

    def _register(self) -> None:
        """Write down who runs, so that the next start can end them if we are killed."""
        running = {}
        for name, kept in self.kept.items():
            if kept.process is not None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    running[name] = [kept.process.pid, psutil.Process(kept.process.pid).create_time()]
        draft = self.register.with_suffix(".draft")
        try:
            draft.write_text(json.dumps(running), encoding="utf-8")
            draft.replace(self.register)
        except OSError as error:  # a full disk must not cost a child its supervisor
            self.console.say(f"cannot write {self.register}: {error.strerror or error}")

    def end_leftovers(self) -> list[str]:
        """End the children of a predecessor that was killed; returns their names."""
        try:
            entries = json.loads(self.register.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return []
        ended = []
        for name, (pid, created) in entries.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if abs(process.create_time() - created) < 1.0 and process.status() != psutil.STATUS_ZOMBIE:
                    stop_process(process, signal.SIGINT if name == "postgres" else signal.SIGTERM, 10.0)
                    ended.append(name)
                    signal_group(pid, signal.SIGKILL)
        self.register.unlink()
        return ended

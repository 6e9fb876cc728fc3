"""Starting and ending child processes so that none outlives its parent."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import psutil

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Identity(NamedTuple):
    """A user and a group by number."""

    uid: int
    gid: int


def die_with_parent(sent: signal.Signals) -> Callable[[], None]:
    """What a child runs before its program: the kernel sends it `sent` when the parent dies (Linux; else nothing)."""
    parent = os.getpid()

    def arrange() -> None:
        if _libc is None:
            return
        _libc.prctl(PR_SET_PDEATHSIG, int(sent), 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the request
            os._exit(1)

    return arrange


def child_options(identity: Identity | None, death_signal: signal.Signals) -> dict[str, Any]:
    """What every child gets: no terminal input, a process group of its own, the user, and an end with ours."""
    return {
        "stdin": subprocess.DEVNULL,
        "stderr": subprocess.STDOUT,
        "start_new_session": True,
        "user": identity.uid if identity else None,
        "group": identity.gid if identity else None,
        "extra_groups": [] if identity else None,
        "preexec_fn": die_with_parent(death_signal),  # runs after the change of user, which would undo it
    }


def spawn(
    command: Sequence[str],
    *,
    identity: Identity | None = None,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    output: int | IO[bytes] = subprocess.PIPE,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a child that ends when we do. Call it from a thread that lives on: the kernel watches the thread."""
    return subprocess.Popen(command, cwd=cwd, env=env, stdout=output, **child_options(identity, death_signal))


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for a child's end; its code. (asyncio's own `wait` also waits for the pipe, which a grandchild may hold.)"""
    loop = asyncio.get_running_loop()
    code: asyncio.Future[int] = loop.create_future()

    def tell(found: int) -> None:
        if not code.done():
            code.set_result(found)

    def watch() -> None:
        found = process.wait()
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody asks any more
            loop.call_soon_threadsafe(tell, found)

    threading.Thread(target=watch, name=f"wait-{process.pid}", daemon=True).start()
    return await code


def stop_process(process: psutil.Process, sent: signal.Signals, patience: float) -> None:
    """Ask a process to end, and kill it after `patience` seconds."""
    try:
        process.send_signal(sent)
        process.wait(patience)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(5)
    except psutil.NoSuchProcess:
        return


def signal_group(group: int, sent: signal.Signals) -> bool:
    """Signal a whole process group; False if none of it is left."""
    try:
        os.killpg(group, sent)
    except ProcessLookupError:
        return False
    return True

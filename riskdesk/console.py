"""What run_desk shows: progress lines and the children's lines. A terminal that stalls must not stall a child."""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import TextIO

WAITING_LINES = 2000
LOG_SIZE = 5_000_000


class Console:
    """Prints from a thread of its own; when the terminal does not keep up, children's lines are dropped (counted)."""

    def __init__(self, out: TextIO | None = None, *, quiet: bool = False) -> None:
        self.out = out or sys.stdout
        self.quiet = quiet
        self.dropped = 0
        self._lines: queue.Queue[str | None] = queue.Queue(WAITING_LINES)
        self._thread = threading.Thread(target=self._print, name="console", daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        """A line of our own."""
        self._put(f"riskdesk  | {text}", wait=1.0)

    def plain(self, text: str) -> None:
        """A line without a prefix: what people and programs look for."""
        self._put(text, wait=1.0)

    def relay(self, name: str, text: str) -> None:
        """A child's line."""
        if not self.quiet:
            self._put(f"{name:<9} | {text}")

    def close(self, timeout: float = 2.0) -> None:
        """Print what waits, at most `timeout` seconds long."""
        self._put(None, wait=timeout)
        self._thread.join(timeout)

    def _put(self, line: str | None, wait: float = 0.0) -> None:
        if not self._thread.is_alive():
            return
        try:
            self._lines.put(line, block=wait > 0, timeout=wait or None)
        except queue.Full:
            self.dropped += 1

    def _print(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                if self.dropped:
                    line, self.dropped = f"(… {self.dropped} lines dropped: the terminal did not keep up)\n{line}", 0
                print(line, file=self.out, flush=True)
            except (OSError, ValueError):
                return  # the reader has gone (`make run | head`): the desk goes on, the log files have everything


class LogFile:
    """A child's log file, with one predecessor (`.1`) once it is full. What cannot be written costs no child."""

    def __init__(self, path: Path, size: int = LOG_SIZE) -> None:
        self.path, self.size = path, size
        self._file: TextIO | None = None

    def __enter__(self) -> LogFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def write(self, line: str) -> None:
        """Append a line; a full disk costs the line, not the child."""
        try:
            if self._file is None:
                self._file = self.path.open("a", encoding="utf-8")
            self._file.write(line + "\n")
            self._file.flush()
            if self._file.tell() > self.size:
                self._close()
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        except OSError as error:
            print(f"cannot write {self.path}: {error}", file=sys.stderr)
            self._close()

    def _close(self) -> None:
        """Let go of the file; the next line opens it anew."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # what could not be written before cannot be written now
                file.close()

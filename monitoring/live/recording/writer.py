"""The thread that encodes, packs and writes what the recording hands over; the loop never waits for it."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import date
from pathlib import Path

import structlog

from monitoring.engine.tape import Line, encode
from monitoring.live.recording.blocks import member
from monitoring.live.recording.files import file_of

log = structlog.get_logger(__name__)
EVERY = 1.0  # seconds: what a kill -9 costs at most; nothing that led to an event some milliseconds before
TEXT_BYTES = 1 << 20  # a member is written sooner than that if so much has come together
LEVEL = 3
Item = tuple[date, Line | bytes | None]  # None: nothing more of this day comes


class Writer:
    """Writes items in order into one file a day. `error` says what the disk complained of; then nothing is taken."""

    def __init__(
        self, directory: Path, shard: str, *, every: float = EVERY, wrote: Callable[[int], None] = lambda _: None
    ) -> None:
        self.directory, self.shard, self.every = directory, shard, every
        self.error: str | None = None
        self.bytes_written = 0
        self._wrote = wrote
        self.queue: deque[Item] = deque()  # what is handed over; appended to by `put`, and by who must be quick
        self._texts: dict[date, bytearray] = {}
        self._files: dict[date, int] = {}
        self._unwritten = 0
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Items that are not encoded yet."""
        return len(self.queue)

    def put(self, day: date, entry: Line | bytes | None) -> None:
        """Hand over; never blocks."""
        self.queue.append((day, entry))

    def hurry(self) -> None:
        """Write what waits as soon as the thread is awake."""
        self._wake.set()

    def forget(self) -> int:
        """Let go of what waits, and of the disk's complaint; how many items that were."""
        lost = len(self.queue) + self._unwritten
        self.queue.clear()
        self._unwritten = 0
        self.error = None
        return lost

    def close(self, patience: float = 5.0) -> None:
        """Write what waits, then stop."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout=patience)

    def _run(self) -> None:
        due = time.monotonic() + self.every
        while not self._closing:
            self._wake.wait(min(0.05, self.every))
            hurried = self._wake.is_set()  # not what `wait` says: set after its time was up, it says no
            if hurried:
                self._wake.clear()
            if self.error is not None:
                continue
            self._encode()
            if hurried or time.monotonic() >= due:
                due = time.monotonic() + self.every
                self._flush()
        if self.error is None:
            self._encode()
            self._flush()
        for day in list(self._files):
            self._close(day)

    def _encode(self) -> None:
        while self.queue and self.error is None:
            day, entry = self.queue.popleft()
            if entry is None:
                self._flush(day)
                self._close(day)
                continue
            text = self._texts.setdefault(day, bytearray())
            text += entry if isinstance(entry, bytes) else encode(entry)
            text += b"\n"
            self._unwritten += 1
            if len(text) >= TEXT_BYTES:
                self._flush(day)

    def _flush(self, only: date | None = None) -> None:
        for day in [only] if only else list(self._texts):
            text = self._texts.pop(day, None)
            if not text or self.error is not None:
                continue
            data = member(bytes(text), LEVEL)
            try:
                self._write(self._file(day), data)
            except OSError as error:
                self._fail(error)
            else:
                self._unwritten = 0 if not self._texts else self._unwritten
                self.bytes_written += len(data)
                self._wrote(len(data))

    def _write(self, fd: int, data: bytes) -> None:
        written = os.write(fd, data)
        if written < len(data):
            raise OSError(f"only {written} of {len(data)} bytes were written")

    def _file(self, day: date) -> int:
        if day not in self._files:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = file_of(self.directory, self.shard, day)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                raise OSError(f"another monitor writes {path.name}") from None
            self._files[day] = fd
        return self._files[day]

    def _close(self, day: date) -> None:
        fd = self._files.pop(day, None)
        if fd is not None:
            os.close(fd)

    def _fail(self, error: OSError) -> None:
        """Nothing more is taken until `forget`: what is missing must be said in the file first."""
        text = f"{error.strerror or error}"
        log.error("recording_cannot_write", shard=self.shard, error=text)
        for day in list(self._files):
            self._close(day)
        self._texts.clear()
        self.error = text

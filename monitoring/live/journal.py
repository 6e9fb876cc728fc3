"""The monitor's own memory on disk: every event, command and raised high-water mark, appended before it takes effect.

One file a shard and epoch, JSON lines, each with its checksum: `crc32 {"n", "kind", "at", "body"}`. A written line
survives the process (the page cache keeps it), `fdatasync` in a thread beside the loop makes it survive the machine.
A torn or damaged line is skipped and counted. A disk that refuses is an alarm and stops no command: `append` never
raises. `n` rises by one over all files of a shard, so that a reader can say "everything after n".
"""

from __future__ import annotations

import os
import re
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import structlog

log = structlog.get_logger(__name__)
SEGMENT_BYTES = 64 * 1024 * 1024
SUFFIX = ".jsonl"
GATHER = 0.005  # one sync for what comes together


class Record(msgspec.Struct, frozen=True):
    """One line; `body` is the JSON of the struct that belongs to `kind`."""

    n: int
    kind: str  # event | state | command | answer | enforcement | challenge | recorded
    at: datetime
    body: msgspec.Raw


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


def encode_line(record: Record) -> bytes:
    """The record as its line, checksum first."""
    text = _encoder.encode(record)
    return b"%08x %b\n" % (zlib.crc32(text), text)


def decode_line(line: bytes) -> Record | None:
    """The line's record; None if the line is torn or damaged."""
    checksum, _, text = line.partition(b" ")
    if len(checksum) != 8 or not line.endswith(b"\n"):
        return None
    text = text[:-1]
    try:
        if int(checksum, 16) != zlib.crc32(text):
            return None
        return _decoder.decode(text)
    except (ValueError, msgspec.DecodeError):
        return None


def segments(directory: Path, shard: str) -> list[Path]:
    """A shard's files, oldest record first; those of a shard whose name only begins alike are not among them."""
    ours = re.compile(rf"{re.escape(shard)}-\d{{8,}}-\d{{12,}}{re.escape(SUFFIX)}")
    found = directory.iterdir() if directory.is_dir() else ()
    return sorted((file for file in found if ours.fullmatch(file.name)), key=first_of)


def first_of(segment: Path) -> int:
    """The number of a file's first record."""
    return int(segment.name.removesuffix(SUFFIX).rsplit("-", 1)[1])


def read(directory: Path, shard: str, after: int = 0) -> Iterator[Record]:
    """Every whole record with n > `after`, in order."""
    found = segments(directory, shard)
    for index, segment in enumerate(found):
        if index + 1 < len(found) and first_of(found[index + 1]) <= after + 1:
            continue  # all of it is older
        try:
            yield from _records(segment, after)
        except OSError as error:  # the other files and memories make up for it as far as they can
            log.error("journal_file_unreadable", file=segment.name, error=str(error))


def _records(segment: Path, after: int) -> Iterator[Record]:
    damaged = 0
    with segment.open("rb") as lines:
        for line in lines:
            record = decode_line(line)
            if record is None:
                damaged += 1
            elif record.n > after:
                yield record
    if damaged:
        log.warning("journal_lines_skipped", file=segment.name, lines=damaged)


class Journal:
    """Appends for one leader. One thread writes; `error` says what the disk complained of last, None when it works."""

    def __init__(self, directory: Path, shard: str, epoch: int, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.directory, self.shard, self.epoch, self.segment_bytes = directory, shard, epoch, segment_bytes
        self.error: str | None = None
        self.errors = 0
        self.bytes_written = 0
        self.last_n = max((record.n for record in self._newest_records()), default=0)
        self._fd: int | None = None
        self._size = 0
        self._torn = False
        self._gathered: list[bytes] | None = None
        self._wanted = threading.Event()
        self._closing = False
        self._lock = threading.Lock()
        self._syncer = threading.Thread(target=self._sync_forever, name="journal-sync", daemon=True)
        self._syncer.start()

    def append(self, kind: str, at: datetime, body: Any) -> int:
        """Write one record now (to the page cache); returns its number even if the disk refused it."""
        return self.append_all([(kind, at, body)])[0]

    def append_all(self, items: Sequence[tuple[str, datetime, Any]]) -> list[int]:
        """Write several records in one go; returns their numbers."""
        lines, numbers = [], []
        for kind, at, body in items:
            self.last_n += 1
            raw = body if isinstance(body, msgspec.Raw) else msgspec.Raw(_encoder.encode(body))
            lines.append(encode_line(Record(self.last_n, kind, at, raw)))
            numbers.append(self.last_n)
        if self._gathered is not None:
            self._gathered += lines
        elif lines:
            self._write(b"".join(lines), numbers[0])
        return numbers

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is appended inside becomes one write at the end (nothing may await inside)."""
        first = self.last_n + 1
        self._gathered = []
        try:
            yield
        finally:
            lines, self._gathered = self._gathered, None
            if lines:
                self._write(b"".join(lines), first)

    def read(self, after: int = 0) -> Iterator[Record]:
        """Every record of the shard with n > `after`."""
        return read(self.directory, self.shard, after)

    def prune(self, before: int) -> int:
        """Remove files whose records are all older than `before`; returns how many."""
        found = segments(self.directory, self.shard)
        doomed = [old for old, newer in pairwise(found) if first_of(newer) <= before]
        for segment in doomed:
            segment.unlink(missing_ok=True)
        return len(doomed)

    def close(self) -> None:
        """Sync what was written and close."""
        self._closing = True
        self._wanted.set()
        self._syncer.join(timeout=5)
        with self._lock:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None

    def _newest_records(self) -> Iterator[Record]:
        found = segments(self.directory, self.shard)
        for segment in reversed(found):
            floor = first_of(segment) - 1
            records = list(read(self.directory, self.shard, floor))
            if records:
                return iter(records)
        return iter(())

    def _write(self, data: bytes, first: int) -> None:
        try:
            fd = self._open(first)
            if self._torn:
                data = b"\n" + data  # what a full disk cut off stays a line of its own
            written = os.write(fd, data)
            self._size += written
            self.bytes_written += written
            self._torn = written < len(data)
            if self._torn:
                raise OSError(f"only {written} of {len(data)} bytes were written")
        except OSError as error:
            self._complain(error)
            return
        if self.error is not None:
            log.info("journal_writes_again", shard=self.shard)
            self.error = None
        self._wanted.set()

    def _open(self, first: int) -> int:
        if self._fd is not None and self._size >= self.segment_bytes:
            with self._lock:
                os.close(self._fd)
                self._fd = None
        if self._fd is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            path = self.directory / f"{self.shard}-{self.epoch:08d}-{first:012d}{SUFFIX}"
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._size = os.fstat(self._fd).st_size
        return self._fd

    def _complain(self, error: OSError) -> None:
        self.errors += 1
        text = f"{error.strerror or error}"
        if self.error != text:
            log.error("journal_cannot_write", shard=self.shard, directory=str(self.directory), error=text)
        self.error = text

    def _sync_forever(self) -> None:
        while True:
            self._wanted.wait()
            if not self._closing:
                time.sleep(GATHER)
            self._wanted.clear()
            try:
                with self._lock:
                    fd = os.dup(self._fd) if self._fd is not None else None
                if fd is not None:
                    try:
                        os.fdatasync(fd)
                    finally:
                        os.close(fd)
            except OSError as error:
                self._complain(error)
            if self._closing:
                return

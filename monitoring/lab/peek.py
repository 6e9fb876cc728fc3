"""A first look at uploaded frames: whether they can be read at all, and whether they say their rules themselves."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from monitoring.engine.tape import Header
from monitoring.lab.frames import BadLine, Frames
from monitoring.live.recording.blocks import GZIP

LINES = 200  # of which one at least must be sound
TEXT = 1 << 20  # bytes


class NoFrames(Exception):
    """Nothing in it can be read; the message says why."""


def says_rules(start: bytes) -> bool:
    """Whether a file that begins so is a recording of the monitor; NoFrames when none of its first lines is sound."""
    lines = _text(start).split(b"\n")
    shown = lines[:LINES] if len(lines) > 1 else lines
    complaint = "it is empty"
    for found in Frames([_complete(shown)]):
        if not isinstance(found, BadLine):
            return isinstance(found, Header)
        if complaint == "it is empty":
            complaint = f"{found.place}: {found.refusal.reason}: {found.refusal.detail}"
    raise NoFrames(complaint)


def _complete(lines: list[bytes]) -> Iterable[bytes]:
    """The lines without the last one where it may have been cut off."""
    return lines[:-1] if len(lines) > 1 else lines


def _text(start: bytes) -> bytes:
    if not start.startswith(GZIP):
        return start[:TEXT]
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, TEXT)
    except zlib.error as error:
        raise NoFrames(f"it begins like a gzip file and is none: {error}") from None

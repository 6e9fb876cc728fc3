"""A first look at uploaded frames: whether they can be read at all, and whether they say their rules themselves."""

from __future__ import annotations

import zlib

from monitoring.engine.tape import Header
from monitoring.lab.frames import BadLine, Frames
from monitoring.live.recording.blocks import GZIP

LINES = 200  # of which one at least must be sound
TEXT = 1 << 20  # bytes


class NoFrames(Exception):
    """Nothing in it can be read; the message says why."""


def says_rules(start: bytes) -> bool:
    """Whether a file that begins so is a recording of the monitor; NoFrames when none of its first lines is sound."""
    complaint = "it is empty"
    for found in Frames([_text(start).split(b"\n")[:LINES]]):
        if not isinstance(found, BadLine):
            return isinstance(found, Header)
        if complaint == "it is empty":
            complaint = f"{found.place}: {found.refusal.reason}: {found.refusal.detail}"
    raise NoFrames(complaint)


def _text(start: bytes) -> bytes:
    """The beginning of the text; of gzip, of as many members as it takes."""
    if not start.startswith(GZIP):
        return start[:TEXT]
    text = b""
    while start.startswith(GZIP) and len(text) < TEXT:
        inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            text += inflate.decompress(start, TEXT - len(text))
        except zlib.error as error:
            if text:
                break
            raise NoFrames(f"it begins like a gzip file and is none: {error}") from None
        start = inflate.unused_data
    return text

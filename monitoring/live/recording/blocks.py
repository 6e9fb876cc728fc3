"""A recording's bytes: gzip members of a second or less, each whole in one write, each stating its own length.

Any gzip tool reads such a file. What a crash cut off costs its own member at most: the next one is found by its head.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import BinaryIO

# gzip with an extra field "RD" of four bytes: the length of the whole member, little endian.
HEAD = b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff\x08\x00RD\x04\x00"
LENGTH = 4
FULL_HEAD = len(HEAD) + LENGTH
LARGEST_MEMBER = 64 << 20
GZIP = b"\x1f\x8b"
PIECE, STEP, TEXT = 1 << 16, 1 << 12, 1 << 20  # bytes read, inflated and given at once
LARGEST_LINE = 8 << 20  # bytes: a state with ten thousand positions fits
Pieces = Iterator[bytes | None]  # text; None: here something was cut off


def member(data: bytes, level: int) -> bytes:
    """The data as one gzip member."""
    deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(data) + deflate.flush()
    length = len(HEAD) + LENGTH + len(body) + 8
    return HEAD + length.to_bytes(LENGTH, "little") + body + tail_of(zlib.crc32(data), len(data))


class Lines:
    """The lines of a file of JSON lines, plain or gzip, ours or anybody's.

    `position` of `size` bytes have been read; `torn` counts the places where something was cut off or damaged. While a
    line of a recording is given, `position` is where its member begins: another reading may begin there, at `begin`.
    """

    def __init__(self, path: Path, begin: int = 0) -> None:
        self.path = path
        self.size = path.stat().st_size
        self.position = begin
        self.torn = 0
        self.recorded = False  # whether its members are ours; known with the first line
        # Called with each piece: a megabyte may hold no line, or a million.
        self.look: Callable[[], None] = lambda: None

    def __iter__(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            start = file.read(PIECE)
            file.seek(self.position)
            self.recorded = HEAD in start  # not at once where a crash left half a head
            if self.recorded:
                pieces = self._ours(file)
            elif start.startswith(GZIP):
                pieces = self._anybodys(file)
            else:
                pieces = self._plain(file)
            yield from self._lines(pieces)

    def _lines(self, pieces: Pieces) -> Iterator[bytes]:
        """Cut the text into lines; after None (damage) the unfinished line is let go."""
        rest = b""
        for piece in pieces:
            self.look()
            if piece is None:
                self.torn += 1
                rest = b""
                continue
            if len(rest) > LARGEST_LINE:
                yield rest[: 1 << 10]  # far too long: refused as what it is, without keeping all of it
                rest = b""
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
        if rest:
            yield rest

    def _plain(self, file: BinaryIO) -> Pieces:
        while piece := file.read(PIECE):
            self.position += len(piece)
            yield piece

    def _anybodys(self, file: BinaryIO) -> Pieces:
        """Any gzip, of one member or many; its text comes in bounded pieces."""
        inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        data = self._next(file)
        while data:
            try:
                yield inflate.decompress(data, TEXT)
            except zlib.error:
                yield None
                return
            data = inflate.unconsumed_tail or (inflate.unused_data.lstrip(b"\0") if inflate.eof else b"")
            data = data or self._next(file)
            if inflate.eof and data:
                inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        if not inflate.eof:
            yield None

    def _next(self, file: BinaryIO) -> bytes:
        data = file.read(PIECE)
        self.position += len(data)
        return data

    def _ours(self, file: BinaryIO) -> Pieces:
        """Member by member; a torn one gives what it has, and the next begins at the next head."""
        buffer = file.read(PIECE)
        while buffer:
            begin = buffer.find(HEAD)
            if begin:
                yield None
                kept = buffer[begin:] if begin > 0 else buffer[1 - len(HEAD) :]
                self.position += len(buffer) - len(kept)
                buffer = kept if begin > 0 else self._more(file, kept)
                continue
            if len(buffer) < FULL_HEAD:
                buffer += file.read(FULL_HEAD)
            length = int.from_bytes(buffer[len(HEAD) : FULL_HEAD], "little")
            if len(buffer) < length <= LARGEST_MEMBER:
                buffer += file.read(length - len(buffer))
            following = buffer.find(HEAD, 1)
            whole = FULL_HEAD < length <= len(buffer) and not 0 < following < length
            end = length if whole else following if following > 0 else len(buffer)
            sound = yield from inflated(buffer[FULL_HEAD:end])
            if not (whole and sound):
                yield None
            self.position += end
            buffer = buffer[end:] or file.read(PIECE)

    def _more(self, file: BinaryIO, kept: bytes) -> bytes:
        """The kept bytes and what follows them; nothing at the end of the file."""
        more = file.read(PIECE)
        if not more:
            self.position += len(kept)
        return kept + more if more else b""


def inflated(rest: bytes) -> Generator[bytes, None, bool]:
    """The text of a member behind its head, as far as it goes, in bounded pieces; whether all of it is what was packed.

    What a damaged member says is given all the same: only behind its text can it be known for damaged.
    """
    inflate, crc, size = zlib.decompressobj(-zlib.MAX_WBITS), 0, 0
    for begin in range(0, len(rest), STEP):
        step = rest[begin : begin + STEP]
        while step and not inflate.eof:
            try:
                piece = inflate.decompress(step, TEXT)
            except zlib.error:
                return False
            crc, size, step = zlib.crc32(piece, crc), size + len(piece), inflate.unconsumed_tail
            yield piece
    return inflate.eof and rest[-8:] == tail_of(crc, size)


def tail_of(crc: int, size: int) -> bytes:
    """How a member ends whose text has this checksum and size."""
    return crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")

"""What a browser may say on a live socket (protocol 1); everything else is refused by name."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

SIZE_LIMIT = 4096  # bytes of one message


class Sub(Struct, tag_field="t", tag="sub", frozen=True):
    """Show this view: a query string, and which part of its rows."""

    view: Annotated[str, Meta(max_length=2000)] = ""
    offset: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    limit: Annotated[int, Meta(ge=1, le=200)] = 200
    hold: bool = False


class Ack(Struct, tag_field="t", tag="ack", frozen=True):
    """The frame `seq` is on the screen."""

    seq: Annotated[int, Meta(ge=0)]


class Vis(Struct, tag_field="t", tag="vis", frozen=True):
    """The page was hidden or shown."""

    hidden: bool


class Hold(Struct, tag_field="t", tag="hold", frozen=True):
    """Hold the order of the rows (somebody reads them), or rank again."""

    on: bool


class Ping(Struct, tag_field="t", tag="ping", frozen=True):
    """The page is there; sent every 15 s."""


Message = Sub | Ack | Vis | Hold | Ping
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


class Refused(Exception):
    """A message that makes no sense; the text says why."""


def decode(text: str | None, data: bytes | None) -> Message:
    """A browser's message, or Refused."""
    if data is not None or text is None:
        raise Refused("binary messages are not understood")
    if len(text) > SIZE_LIMIT:
        raise Refused(f"a message may have {SIZE_LIMIT} characters")
    try:
        return _decoder.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as error:
        raise Refused(str(error)[:200]) from error

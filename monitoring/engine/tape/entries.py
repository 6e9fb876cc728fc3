"""The lines of a recording beside the engine's messages.

A recording is JSON lines. Each start of a monitor, each day and each gap begins with a `recording` line (the link as it
was) and with every account's whole state; whatever changed the snapshot from then on follows in its order.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from msgspec import Struct, json

from monitoring.engine import messages
from monitoring.engine.messages import Identifier, Instant
from monitoring.engine.snapshot import AccountState

FORMAT = 1


class Entry(Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """One line of a recording that is no message; `ts` is the time as the engine knew it."""

    ts: Instant


class Header(Entry, frozen=True, kw_only=True, tag="recording"):
    """What follows stands on its own: nothing is watched yet, and the link to the server is as stated here."""

    format: int = FORMAT
    shard: str = ""
    server: str = ""
    day: date | None = None
    link: str = "connecting"
    reason: str = ""
    seen: Instant | None = None
    now: Instant | None = None


class Rulebook(Entry, frozen=True, kw_only=True, tag="rulebook"):
    """A rule set's document, told once before it is referred to by `id`; what differs by account is left out of it."""

    id: str
    document: dict[str, Any]


class UnderRules(Entry, frozen=True, kw_only=True):
    """An account under a rule set: the document of `rules` with these three put in, as a document has them."""

    account_id: Identifier
    rules: str
    version: int
    currency: str
    initial_balance: str


class Watch(UnderRules, frozen=True, kw_only=True, tag="watch"):
    """From here on the account is watched; `state` is all that is known of it."""

    public_id: str
    state: AccountState


class Unwatch(Entry, frozen=True, kw_only=True, tag="unwatch"):
    """From here on the account is not watched, or not in this file."""

    account_id: Identifier


class Rules(UnderRules, frozen=True, kw_only=True, tag="rules"):
    """A watched account got other rules."""


class Hold(Entry, frozen=True, kw_only=True, tag="hold"):
    """A person, or the book, sent the account to review."""

    account_id: Identifier
    reason: str


class Release(Entry, frozen=True, kw_only=True, tag="release"):
    """The review ended."""

    account_id: Identifier


class Refused(Entry, frozen=True, kw_only=True, tag="refusal"):
    """Decode refused a frame of the account; the words are those that were told."""

    account_id: Identifier
    reason: str
    detail: str


class SetBack(Entry, frozen=True, kw_only=True, tag="set_back"):
    """Our clock was set back, and believed."""


class Gap(Entry, frozen=True, kw_only=True, tag="gap"):
    """The recording could not keep up, or its disk refused: `lost` entries from `ts` to `until` are missing."""

    until: Instant
    lost: int
    reason: str


TapeEntry = Header | Rulebook | Watch | Unwatch | Rules | Hold | Release | Refused | SetBack | Gap
Line = TapeEntry | messages.Message
PER_ACCOUNT = ("version", "currency", "initial_balance")  # of a document, beside its limits
_decoder = json.Decoder(Line)
_state_decoder = json.Decoder(AccountState)
_encoder = json.Encoder()


def decode(line: bytes) -> Line:
    """One line of a recording; msgspec's errors for what is none."""
    found: Line = _decoder.decode(line)
    return found


def encode(entry: Line) -> bytes:
    """The line, without its end."""
    return _encoder.encode(entry)


def copied(state: AccountState) -> AccountState:
    """A state of one's own: that of a line may be played elsewhere as well."""
    return _state_decoder.decode(_encoder.encode(state))


def limits_of(document: Any) -> dict[str, Any]:
    """The document without what differs by account."""
    return {name: value for name, value in document.items() if name not in PER_ACCOUNT}

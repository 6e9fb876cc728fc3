"""What every transport gives: a message in, a receipt or a TransportError out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urlsplit

EXCERPT_LIMIT = 2048
_URL = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)
_BEARER = re.compile(r"\b(xox[a-z]-[\w-]+|Bearer\s+\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Message:
    """What is told, before any provider's own dress; every text may hold hostile names."""

    severity: str  # info | warning | critical
    glyph: str
    title: str  # one line, its first word says how bad it is
    text: str
    facts: tuple[tuple[str, str], ...]
    link: str
    at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider accepted it."""

    status: int
    code: str = ""
    excerpt: str = ""
    provider_ref: tuple[tuple[str, str], ...] = ()


class TransportError(Exception):
    """It was not accepted, or nobody knows. The text never holds a secret.

    `permanent`: never try again. `ambiguous`: bytes may have arrived. `retry_after`: seconds the provider asked for.
    """

    def __init__(
        self,
        reason: str,
        *,
        permanent: bool = False,
        ambiguous: bool = False,
        retry_after: float | None = None,
        status: int | None = None,
        code: str = "",
        excerpt: str = "",
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.ambiguous = ambiguous
        self.retry_after = retry_after
        self.status = status
        self.code = code[:80]
        self.excerpt = excerpt


class Transport(Protocol):
    """One way to a destination; it makes one attempt and never sleeps or retries."""

    def send(self, message: Message) -> Receipt:
        """Send once; TransportError says what to do otherwise."""
        ...


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds from a Retry-After header: a number or an HTTP date; None for what cannot be read or lies behind."""
    if value is None or not value.strip():
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            then = parsedate_to_datetime(value)
        except (TypeError, ValueError):
            return None
        then = then if then.tzinfo else then.replace(tzinfo=UTC)
        seconds = (then - now).total_seconds()
    return seconds if 0 <= seconds < float("inf") else None


def secrets_of(address: str) -> tuple[str, ...]:
    """What must never be shown of an address: itself, and its parts in case an answer spells it in another way.

    A part of lower-case letters alone is a route ("services"), and a short one would blacken innocent words.
    """
    parts = urlsplit(address)
    words = re.split(r"[/&=?]", f"{parts.path}/{parts.query}/{parts.username or ''}/{parts.password or ''}")
    telling = [word for word in words if len(word) >= 6 and not (word.isalpha() and word.islower())]
    return (address, parts.path.strip("/"), *telling)


def redacted(text: str, *secrets: str) -> str:
    """An answer that may be kept: printable, at most 2 KB, without addresses, tokens or the secrets named."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):  # the whole before its parts
        text = re.sub(re.escape(secret), "[redacted]", text, flags=re.IGNORECASE)
    text = _BEARER.sub("[redacted]", _URL.sub("[address]", text))
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text[:EXCERPT_LIMIT])

"""Slack by incoming webhook: one way, once, every answer read for what it means (provider facts: docs.slack.dev)."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from importlib import import_module
from typing import Any

import httpx

from alerts.transports.base import Message, Receipt, TransportError, parse_retry_after, redacted, secrets_of

TIMEOUTS = httpx.Timeout(10.0, connect=3.0)
TOTAL_SECONDS = 10.0
# Slack's own limits are wider, but all blocks together may have about 13,200 signs.
HEADER_LIMIT, SECTION_LIMIT, FIELD_LIMIT, FIELDS_LIMIT, TEXT_LIMIT = 150, 2800, 500, 10, 4000
ANSWER_LIMIT = 4096
TRANSIENT = {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
_SPECIAL = re.compile(r"@(?=(channel|here|everyone|group)\b)|<(?=[!@#])", re.IGNORECASE)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")

_FORMATTING = re.compile(r"(?<!\w)[*_~`]|[*_~`](?!\w)")  # within a word (acc_1) Slack leaves them alone
_LOOKALIKES = {"*": "\u2217", "_": "\uff3f", "~": "\u223c", "`": "\u2019"}


def plain(text: str) -> str:
    """Data as one harmless line: no control signs, no change of writing direction, no call of a whole channel."""
    return _SPECIAL.sub("\\g<0>\u200b", _UNSAFE.sub(" ", text)).strip()


def escaped(text: str) -> str:
    """Data for a place that reads mrkdwn: Slack's three entities, and its formatting signs made harmless."""
    safe = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _FORMATTING.sub(lambda sign: _LOOKALIKES[sign[0]], safe)


def cut(text: str, limit: int) -> str:
    """At most `limit` signs, an ellipsis in place of the rest; never half of an entity."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    amp = head.rfind("&")
    return (head[:amp] if amp > head.rfind(";") and limit - amp < 8 else head) + "…"


def payload(message: Message) -> dict[str, Any]:
    """The message as Block Kit, with a text for notifications and screen readers."""
    headline = f"{message.glyph} {plain(message.title)}".strip()
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": cut(headline, HEADER_LIMIT), "emoji": False}}
    ]
    if text := cut(escaped(message.text), SECTION_LIMIT):  # Slack refuses an empty section
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}})
    if message.facts:
        fields = [
            {
                "type": "mrkdwn",
                "text": cut(f"*{escaped(name)}*\n{escaped(value) or '—'}", FIELD_LIMIT),
                "verbatim": True,
            }
            for name, value in message.facts[:FIELDS_LIMIT]
        ]
        blocks.append({"type": "section", "fields": fields})
    foot = f"{message.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC · <{message.link}|Open in RiskDesk>"
    elements = [{"type": "mrkdwn", "text": foot}]
    if message.note:
        elements.append({"type": "mrkdwn", "text": escaped(message.note)})
    blocks.append({"type": "context", "elements": elements})
    fallback = " ".join(part for part in (escaped(headline), escaped(message.text), escaped(message.note)) if part)
    return {"text": cut(fallback, TEXT_LIMIT), "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


class SlackWebhook:
    """An incoming webhook. Its address is a secret: no error, log or attempt shows it."""

    def __init__(self, url: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._url = url
        self._secrets = secrets_of(url)
        self._clock = clock

    def send(self, message: Message) -> Receipt:
        """Post once, within 10 s whatever the other side does (the loop is there for that limit alone)."""
        return asyncio.run(self._send(json.dumps(payload(message)).encode()))

    async def _send(self, body: bytes) -> Receipt:
        """One request; an error before its first byte left is a sure one, every later one without an answer is not."""
        left = False

        async def trace(name: str, _info: dict[str, Any]) -> None:
            nonlocal left
            left = left or name == "http11.send_request_headers.started"

        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                status, headers, answer = await self._post(body, trace)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError):
            raise TransportError("The Slack address cannot be used", permanent=True, code="invalid_url") from None
        except (httpx.HTTPError, TimeoutError, OSError) as error:  # an answer that cannot be unpacked is one too
            name = type(error).__name__  # never the error's own text: it may hold the address
            if left:
                reason = f"Slack gave no answer after the message had left ({name})"
                raise TransportError(reason, ambiguous=True, code="no_answer") from None
            raise TransportError(f"Slack could not be reached ({name})", code="connect") from None
        return self._read(status, headers, redacted(answer.decode(errors="replace"), *self._secrets))

    async def _post(self, body: bytes, trace: Callable[..., Any]) -> tuple[int, httpx.Headers, bytes]:
        """The answer and its beginning, on a connection of its own: an idle one that dies leaves doubt."""
        headers = {"Content-Type": "application/json; charset=utf-8"}
        async with (
            httpx.AsyncClient(verify=_tls(), timeout=TIMEOUTS, follow_redirects=False, trust_env=False) as client,
            client.stream("POST", self._url, content=body, headers=headers, extensions={"trace": trace}) as answer,
        ):
            text = b""
            try:
                async for part in answer.aiter_bytes():
                    text += part
                    if len(text) > ANSWER_LIMIT:
                        break
            except httpx.HTTPError:
                if answer.is_success:
                    raise  # accepted or not: only the body would say
            return answer.status_code, answer.headers, text[:ANSWER_LIMIT]

    def _read(self, status: int, headers: httpx.Headers, body: str) -> Receipt:
        """Accepted, or a TransportError that says whether and when to try again."""
        code, success = code_of(body), 200 <= status < 300
        if success and accepted(body):
            return Receipt(status, code, body)
        refusal = partial(TransportError, status=status, code=code, excerpt=body)
        if success and not code:
            raise refusal("Slack's answer was not the expected one", ambiguous=True)
        wait = parse_retry_after(headers.get("Retry-After"), self._clock())
        if status == 429 or code in TRANSIENT:
            raise refusal("Slack asked to slow down", retry_after=wait or 0.0)
        if status >= 500 or status == 408:
            raise refusal(f"Slack failed with {status}", retry_after=wait)
        raise refusal(f"Slack refused the message: {status} {code}".strip(), permanent=True)


def prepare() -> None:
    """Do now what a process's first message would pay half a second for: certificates, and imports made late."""
    import anyio.lowlevel  # with what follows, for the processes that send; the others need not wait for it

    _tls()
    for module in ("h11", "httpcore"):
        import_module(module)
    asyncio.run(anyio.lowlevel.checkpoint())


@cache
def _tls() -> ssl.SSLContext:
    """One for the process: to read the authorities' certificates takes longer than all the rest of a send."""
    return httpx.create_ssl_context(trust_env=False)


def accepted(body: str) -> bool:
    """Whether a 2xx answer says yes: the word ok, nothing, or a JSON object that does not say no."""
    text = body.strip()
    if text in {"", "ok"}:
        return True
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("ok") is not False


def code_of(body: str) -> str:
    """Slack's word for what went wrong: the `error` of a JSON object, or a body that is one word."""
    text = body.strip()
    try:
        found = json.loads(text)
    except ValueError:
        return text if re.fullmatch(r"[a-z_]{2,60}", text) and text != "ok" else ""
    if not isinstance(found, dict):
        return ""
    if found.get("ok") is False:
        return str(found.get("error", "not_ok"))[:60]
    return ""

"""Commands out and truth back, by REST on kept-alive connections (`upstream.md`, section 2).

A command is sent once. What surely did not reach the upstream is RETRY; what may have is UNKNOWN, to be re-read. It
leaves before the call returns, on a line of `express` that stands ready; where none does, through the session.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from yarl import URL

from monitoring.engine.messages import Position, Resync
from monitoring.upstream.base import ActionResult, ActionStatus, Refusal, UpstreamConfig, UpstreamError
from monitoring.upstream.fxsocket.express import READY, Answer, Express, LineLost
from monitoring.upstream.fxsocket.outcome import outcome, parse_retry_after
from monitoring.upstream.fxsocket.rest import (
    BadBody,
    parse_account,
    parse_events,
    parse_listing,
    parse_object,
    parse_positions,
    symbol_names,
)

CONNECT_S = 2.0
TOTAL_S = 5.0
KEEPALIVE_S = 60.0
CONNECTIONS = 64
PAGE = 1000  # accounts a page
KEY_SAFE = ":/+=,;@!*"  # what an Idempotency-Key may hold as it is; the rest is quoted, line ends above all
LARGEST_BODY = 32 << 20  # bytes


class FxSocketExecution:
    """The REST side of one upstream; `on_refusal` is told of accounts in listings that cannot be trusted."""

    def __init__(
        self, config: UpstreamConfig, *, connect_s: float = CONNECT_S, total_s: float = TOTAL_S, lines: int = READY
    ) -> None:
        self._base = config.rest_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {config.key}", "Accept": "application/json"}
        self._timeout = aiohttp.ClientTimeout(total=total_s, connect=connect_s, sock_connect=connect_s)
        self._open_session: aiohttp.ClientSession | None = None
        self._express = Express(self._base, self._headers, total_s=total_s, connect_s=connect_s, ready=lines)
        self.on_refusal: Callable[[Refusal], None] | None = None

    @property
    def lines_ready(self) -> int:
        """How many commands could leave at once."""
        return self._express.ready

    async def open(self) -> None:
        """Make the session and connect lines for commands; opening twice is harmless."""
        self._express.open()
        if self._open_session is None or self._open_session.closed:
            connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEPALIVE_S)
            self._open_session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),  # the upstream sets none, and looking for them takes time
            )

    async def close(self) -> None:
        """Close every connection; commands on their way end as UNKNOWN."""
        await self._express.close()
        if self._open_session is not None:
            await self._open_session.close()

    async def warm(self, connections: int = 2) -> int:
        """Open connections ahead, so that a close command waits for no handshake; returns how many answered."""
        answers = await asyncio.gather(*(self._get("/healthz") for _ in range(connections)), return_exceptions=True)
        warmed = 0
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, UpstreamError):
                raise answer
            # Any answer, even 404, came over a connection that now stays open.
            warmed += not isinstance(answer, UpstreamError) or answer.status is not None
        return warmed

    async def list_accounts(self) -> list[Resync]:
        """Every account that the key sees, positions left empty; raises UpstreamError."""
        return [account async for page in self.pages() for account in page]

    async def pages(self) -> AsyncIterator[list[Resync]]:
        """The listing page by page, so that ten thousand accounts do not hold the loop; raises UpstreamError."""
        cursor: str | None = None
        while True:
            query = {"limit": PAGE} | ({"cursor": cursor} if cursor else {})
            try:
                page = parse_listing(await self._get(f"/accounts?{urlencode(query)}"))
            except BadBody as error:
                raise UpstreamError(f"GET /accounts: {error}") from error
            now = datetime.now(UTC)
            yield self._trusted([parse_account(bytes(row), now) for row in page.data])
            following = page.pagination.next_cursor
            if not following or following == cursor:
                return
            cursor = following

    async def read_account(self, account_id: str) -> Resync:
        """One account with its positions, lock and newest seq; raises UpstreamError."""
        path = f"/accounts/{quote(account_id, safe='')}"
        account = parse_account(await self._get(path), datetime.now(UTC))
        if isinstance(account, Refusal):
            raise UntrustedTruth(account)
        # The account first: its `seq` then promises no more than the positions show.
        positions = await self.read_positions(account_id)
        return Resync(
            account_id=account_id,
            ts=account.ts,
            data=account.data,
            positions=positions,
            seq=account.seq,
            locked=account.locked,
            lock_reason=account.lock_reason,
            locked_until=account.locked_until,
            login=account.login,
            group=account.group,
            name=account.name,
        )

    async def read_positions(self, account_id: str) -> tuple[Position, ...]:
        """The open positions of one account; raises UpstreamError."""
        path = f"/accounts/{quote(account_id, safe='')}/positions"
        try:
            positions = parse_positions(await self._get(path), account_id)
        except BadBody as error:
            raise UpstreamError(f"GET {path}: {error}") from error
        if isinstance(positions, Refusal):
            raise UntrustedTruth(positions)
        return positions

    async def read_events(self, account_id: str, since_seq: int) -> list[bytes]:
        """The frames after `since_seq` as they were sent; empty where they are not whole; raises UpstreamError."""
        path = f"/accounts/{quote(account_id, safe='')}/events?since_seq={since_seq}&limit={PAGE}"
        try:
            return parse_events(await self._get(path))
        except BadBody as error:
            raise UpstreamError(f"GET {path}: {error}") from error

    def close_all(self, account_id: str, *, idempotency_key: str) -> Awaitable[ActionResult]:
        """Close every position of the account and delete its pending orders."""
        return self._command(account_id, "close-all", {"delete_pending": True}, idempotency_key)

    def close_position(
        self, account_id: str, position_id: str, volume: float | None = None, *, idempotency_key: str
    ) -> Awaitable[ActionResult]:
        """Close one position, or `volume` lots of it."""
        action = f"positions/{quote(position_id, safe='')}/close"
        return self._command(account_id, action, {} if volume is None else {"volume": volume}, idempotency_key)

    def lock(self, account_id: str, *, reason: str, until: datetime | None) -> Awaitable[ActionResult]:
        """Refuse new orders of the account; `reason` carries the event's id, `until` None means for good."""
        until_text = None if until is None else until.astimezone(UTC).isoformat(timespec="milliseconds")
        body = {"reason": reason, "until": until_text and until_text.replace("+00:00", "Z")}
        # A key of its own each time: a remembered answer must not stand for a lock that was undone since.
        return self._command(account_id, "lock", body, uuid.uuid4().hex)

    def unlock(self, account_id: str, *, reason: str) -> Awaitable[ActionResult]:
        """Let the account trade again."""
        return self._command(account_id, "unlock", {"reason": reason}, uuid.uuid4().hex)

    async def read_risk_rules(self, account_id: str) -> dict[str, Any]:
        """What the upstream enforces by itself on the account; raises UpstreamError."""
        path = f"/accounts/{quote(account_id, safe='')}/risk-rules"
        try:
            return parse_object(await self._get(path))
        except BadBody as error:
            raise UpstreamError(f"GET {path}: {error}") from error

    async def put_risk_rules(self, account_id: str, rules: Mapping[str, Any]) -> ActionResult:
        """Put `rules` in the place of what the upstream enforces by itself; never on a line that stands ready."""
        path = f"/accounts/{quote(account_id, safe='')}/risk-rules"
        return await self._by_session(path, msgspec.json.encode(rules), uuid.uuid4().hex, method="PUT")

    async def list_symbols(self) -> list[str]:
        """The raw name of every symbol of the server; raises UpstreamError."""
        names: list[str] = []
        cursor: str | None = None
        while True:
            query = {"limit": PAGE} | ({"cursor": cursor} if cursor else {})
            try:
                page = parse_listing(await self._get(f"/symbols?{urlencode(query)}"))
            except BadBody as error:
                raise UpstreamError(f"GET /symbols: {error}") from error
            names += symbol_names(page)
            following = page.pagination.next_cursor
            if not following or following == cursor:
                return names
            cursor = following

    def _command(self, account_id: str, action: str, body: dict[str, Any], key: str) -> Awaitable[ActionResult]:
        path = f"/accounts/{quote(account_id, safe='')}/{action}"
        content, key = msgspec.json.encode(body), quote(key, safe=KEY_SAFE)
        answer = self._express.post(path, content, key)
        return self._by_session(path, content, key) if answer is None else _heard(answer)

    async def _by_session(self, path: str, content: bytes, key: str, method: str = "POST") -> ActionResult:
        try:
            session = await self._session()
            headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
            url = URL(self._base + path, encoded=True)
            async with session.request(method, url, data=content, headers=headers, allow_redirects=False) as answer:
                retry_after = parse_retry_after(answer.headers.get("Retry-After"))
                return outcome(answer.status, await _body(answer), retry_after)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return ActionResult(ActionStatus.RETRY, code="unreachable", message=_words(error))
        except (aiohttp.ClientError, TimeoutError, OSError, BodyTooLarge) as error:
            return ActionResult(ActionStatus.UNKNOWN, code="no_answer", message=_words(error))

    async def _get(self, path: str) -> bytes:
        """The body of a 2xx; UpstreamError otherwise, permanent when asking again cannot help."""
        try:
            session = await self._session()
            async with session.get(URL(self._base + path, encoded=True), allow_redirects=False) as answer:
                body = await _body(answer)
        except (aiohttp.ClientError, TimeoutError, OSError, BodyTooLarge) as error:
            raise UpstreamError(f"GET {path}: {_words(error)}") from error
        if 200 <= answer.status < 300:
            return body
        try:
            code = parse_object(body).get("error", "")
        except BadBody:
            code = ""
        raise UpstreamError(
            f"GET {path}: HTTP {answer.status} {str(code)[:80]}".rstrip(),
            permanent=answer.status in {400, 401, 403, 404, 410, 422},
            retry_after=parse_retry_after(answer.headers.get("Retry-After")),
            status=answer.status,
        )

    async def _session(self) -> aiohttp.ClientSession:
        await self.open()
        assert self._open_session is not None
        return self._open_session

    def _trusted(self, rows: list[Resync | Refusal]) -> list[Resync]:
        """The accounts among the rows; the refused ones are told of."""
        accounts = []
        for row in rows:
            if isinstance(row, Resync):
                accounts.append(row)
            elif self.on_refusal is not None:
                self.on_refusal(row)
        return accounts


class UntrustedTruth(UpstreamError):
    """The upstream's own reading of an account is refused; `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.reason}: {refusal.detail}")
        self.refusal = refusal


class BodyTooLarge(Exception):
    """An answer over `LARGEST_BODY` bytes."""


async def _heard(answer: asyncio.Future[Answer]) -> ActionResult:
    try:
        status, retry_after, body = await answer
    except (LineLost, TimeoutError) as error:
        return ActionResult(ActionStatus.UNKNOWN, code="no_answer", message=_words(error))
    return outcome(status, body, parse_retry_after(retry_after))


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """The whole body, but never more than LARGEST_BODY of it."""
    chunks = []
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise BodyTooLarge(f"answer over {LARGEST_BODY} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _words(error: BaseException) -> str:
    """An error in words, without headers or the key: aiohttp names the host and the system's error only."""
    return f"{type(error).__name__}: {error}"[:200].rstrip(": ")

"""Who calls the API: a bearer token's user, through the same gates as the pages, and not too often."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from functools import cache

import redis
from django.conf import settings
from django.http import HttpRequest
from ninja.errors import AuthenticationError, Throttled
from ninja.security import HttpBearer
from ninja.throttling import BaseThrottle

from accounts import tokens
from accounts.models import ApiToken, User
from accounts.permissions import AnyUser

PER_MINUTE = 600  # requests of one token
WRONG_PER_MINUTE = 30  # tokens that do not hold, from one address
MINUTE = 60
_here: Counter[str] = Counter()  # what is counted while Redis is away; one minute's keys only

log = logging.getLogger(__name__)


class Bearer(HttpBearer):
    """`Authorization: Bearer rdk_…`; a session's cookie counts for nothing here, so no other site can use it."""

    def __call__(self, request: HttpRequest) -> ApiToken | None:
        """The token; a wrong or missing one is a 401, too many wrong ones from one address a 429.

        One that holds passes in any case: behind a proxy everybody has the guesser's address.
        """
        found: ApiToken | None = super().__call__(request)
        if found is not None:
            return found
        if wait := over(f"wrong:{request.META.get('REMOTE_ADDR') or 'socket'}", WRONG_PER_MINUTE):
            raise Throttled(wait)
        raise AuthenticationError(message="Send a token that holds: Authorization: Bearer rdk_…")

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        """The token of that text; the request is its user's from here on."""
        found = tokens.authenticate(token.strip())
        if found is not None:
            request.user = found.user
        return found


class Sparingly(BaseThrottle):
    """At most so many requests of one token a minute."""

    def __init__(self) -> None:
        self.seconds = 0

    def allow_request(self, request: HttpRequest) -> bool:
        """Whether this request may be worked on."""
        token: ApiToken | None = getattr(request, "auth", None)
        self.seconds = over(f"token:{token.pk}", PER_MINUTE) if token else 0
        return not self.seconds

    def wait(self) -> float | None:
        """Seconds until the next minute."""
        return self.seconds or None


def allowed(request: HttpRequest, *checks: Callable[[AnyUser], object]) -> User:
    """The token's user, if he passes the gates (AccessRefused)."""
    user = request.user
    for check in checks:
        check(user)
    assert isinstance(user, User)
    return user


def over(who: str, limit: int) -> int:
    """Seconds to wait when `who` has come more than `limit` times this minute, else 0."""
    now = time.time()
    key = f"riskdesk:api:{who}:{int(now // MINUTE)}"
    return MINUTE - int(now % MINUTE) if _times(key) > limit else 0


def _times(key: str) -> int:
    """How often so far, this time included; in this process alone while Redis is away."""
    try:
        with _client(settings.REDIS_URL).pipeline(transaction=False) as pipe:
            pipe.incr(key)
            pipe.expire(key, 2 * MINUTE)
            number, _ = pipe.execute()
        return int(number)
    except redis.RedisError as error:
        log.warning("requests are counted in this process alone: %s", error)
        minute = key.rpartition(":")[2]
        for old in [one for one in _here if not one.endswith(f":{minute}")]:
            del _here[old]
        _here[key] += 1
        return _here[key]


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)

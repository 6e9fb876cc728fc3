"""A preview of many challenges, computed in portions, so that a page shows how far it is and the web stays responsive.

Whoever asks for it next computes the next portion; what was found is kept in Redis for ten minutes. Accounts that
nothing would happen to are counted only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache

import msgspec
import redis
from django.conf import settings
from django.db.models import QuerySet

from accounts.models import Challenge, RuleSet
from monitoring.whatif.effects import Effect, Verdict, effects_of_version

PORTION = 1000  # challenges: a fraction of a second
KEPT_SECONDS = 600
LOCK_SECONDS = 60
Judge = Callable[[list[Challenge]], list[Effect]]
_decode_rows = msgspec.msgpack.Decoder(list[Effect]).decode
_encode = msgspec.msgpack.Encoder().encode


class SweepUnavailable(Exception):
    """Redis cannot be asked; the message says why."""


class Sweep(msgspec.Struct, kw_only=True):
    """How far a preview has come; `rows` are those to whom something would happen."""

    total: int
    began: datetime
    done: int = 0
    last: int = 0  # the greatest challenge key that is done
    finished: bool = False
    ended: datetime | None = None
    counts: dict[str, int] = {}
    oldest: datetime | None = None  # of the checkpoints' own times
    newest: datetime | None = None
    rows: list[Effect] = []

    @property
    def percent(self) -> int:
        """How much of it is done."""
        return 100 if self.finished else self.done * 100 // max(self.total, 1)

    def count(self, verdict: Verdict) -> int:
        """How many of them."""
        return self.counts.get(verdict.value, 0)


_decode = msgspec.msgpack.Decoder(Sweep).decode


def sweep(
    key: str, challenges: QuerySet[Challenge], rule_set: RuleSet, *, anew: bool = False, portion: int = PORTION
) -> Sweep:
    """The preview of another version after one more portion of it; see `sweep_by`."""

    def judged(found: list[Challenge]) -> list[Effect]:
        return effects_of_version(found, rule_set, datetime.now(UTC))

    return sweep_by(key, challenges, judged, anew=anew, portion=portion)


def sweep_by(
    key: str, challenges: QuerySet[Challenge], judge: Judge, *, anew: bool = False, portion: int = PORTION
) -> Sweep:
    """The preview of that key after one more portion of it; `anew` forgets what was found. Raises SweepUnavailable."""
    name = f"riskdesk:whatif:{key}"
    try:
        client = _client(settings.REDIS_URL)
        lock = client.lock(f"{name}:lock", timeout=LOCK_SECONDS, blocking_timeout=LOCK_SECONDS)
        with lock:
            packed = None if anew else client.get(name)
            found = _decode(packed) if isinstance(packed, bytes) else _begin(challenges)
            if not found.finished:
                advance(found, challenges, judge, portion)
                rows, found.rows = found.rows, []
                if rows:
                    client.append(f"{name}:rows:{found.began.timestamp()}", _frame(rows))
                    client.expire(f"{name}:rows:{found.began.timestamp()}", KEPT_SECONDS)
                client.set(name, _encode(found), ex=KEPT_SECONDS)
            stored = client.get(f"{name}:rows:{found.began.timestamp()}")
    except (redis.RedisError, msgspec.DecodeError) as error:
        raise SweepUnavailable(f"What is computed cannot be kept: {error}") from error
    found.rows = _rows(stored) if isinstance(stored, bytes) else []
    return found


def advance(found: Sweep, challenges: QuerySet[Challenge], judge: Judge, portion: int) -> None:
    """Compute the next portion into the sweep; its `rows` are that portion's."""
    next_ones = list(challenges.filter(pk__gt=found.last).order_by("pk")[:portion])
    computed = judge(next_ones) if next_ones else []
    found.done += len(next_ones)
    found.last = next_ones[-1].pk if next_ones else found.last
    found.finished = len(next_ones) < portion
    found.ended = datetime.now(UTC) if found.finished else None
    for one in computed:
        found.counts[one.verdict.value] = found.counts.get(one.verdict.value, 0) + 1
    times = [one.at for one in computed if one.at is not None]
    found.oldest = min([*times, *([found.oldest] if found.oldest else [])], default=None)
    found.newest = max([*times, *([found.newest] if found.newest else [])], default=None)
    found.rows = [one for one in computed if one.verdict is not Verdict.SAME]


def _begin(challenges: QuerySet[Challenge]) -> Sweep:
    return Sweep(total=challenges.count(), began=datetime.now(UTC), counts={})


def _frame(rows: Sequence[Effect]) -> bytes:
    packed = _encode(list(rows))
    return len(packed).to_bytes(4, "big") + packed


def _rows(stored: bytes) -> list[Effect]:
    found: list[Effect] = []
    at = 0
    while at < len(stored):
        length = int.from_bytes(stored[at : at + 4], "big")
        found += _decode_rows(stored[at + 4 : at + 4 + length])
        at += 4 + length
    return found


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2)

"""An account's equity history as the monitor keeps it in Redis: read when a chart is opened."""

from __future__ import annotations

from functools import cache

import msgspec
import redis
import structlog
from django.conf import settings

Point = tuple[
    int, int, int, int | None, int | None
]  # epoch ms; equity, balance, daily and maximum floor in minor units

log = structlog.get_logger(__name__)
_point: msgspec.msgpack.Decoder[Point] = msgspec.msgpack.Decoder(Point)


class HistoryUnavailable(Exception):
    """Redis cannot be asked; the text says why."""


def history(shards: list[str], public_id: str) -> list[Point]:
    """Every kept point of an account, oldest first; HistoryUnavailable when Redis does not answer."""
    try:
        with _client(settings.REDIS_URL).pipeline(transaction=False) as pipe:
            for shard in shards:
                pipe.lrange(f"riskdesk:{shard}:history:{public_id}", 0, -1)
            answers = pipe.execute()
    except (redis.RedisError, OSError) as error:
        raise HistoryUnavailable(f"the history cannot be read: {type(error).__name__}") from error
    found = {point[0]: point for answer in answers for raw in answer if (point := _decoded(raw)) is not None}
    return [found[at] for at in sorted(found)]


def _decoded(raw: bytes) -> Point | None:
    try:
        return _point.decode(raw)
    except msgspec.MsgspecError as error:
        log.warning("history_point_refused", error=str(error))
        return None


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=1)

"""What an earlier run, maybe of another release, left behind."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import redis

from monitoring.live.journal import Journal
from monitoring.live.pipeline.recovery import RECORDED, RecordedRecord, recordable, remember
from monitoring.live.publish.publisher import Parcel, Publisher
from monitoring.live.recorder.records import ENFORCEMENT, EVENT, EnforcementRecord
from tests.waiting import eventually

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def test_records_of_another_release_cost_only_themselves(tmp_path: Path, database_url: str, redis_url: str) -> None:
    journal = Journal(tmp_path, "old", 1)
    for kind in ("state", EVENT, ENFORCEMENT, RECORDED):
        journal.append(kind, AT, {"something": "else"})
    journal.append(ENFORCEMENT, AT, EnforcementRecord(event_key="k", account=1, state="sent", requested_at=AT))
    journal.append(RECORDED, AT, RecordedRecord(3))
    with redis.Redis.from_url(redis_url) as client:
        memory = remember(tmp_path, "old", database_url, client)
    assert (list(memory.enforcements), memory.recorded) == (["k"], 3)
    assert [n for n, _ in recordable(journal, 0)] == [5]
    journal.close()


def test_a_memory_that_cannot_be_read_stops_no_start(tmp_path: Path, database_url: str, redis_url: str) -> None:
    (tmp_path / "odd-00000001-000000000001.jsonl").mkdir()
    journal = Journal(tmp_path, "odd", 2)
    journal.append(RECORDED, AT, RecordedRecord(3))
    with redis.Redis.from_url(redis_url) as client:
        client.set("riskdesk:odd:epoch", "many")
        assert remember(tmp_path, "odd", database_url, client).recorded == 3
    journal.close()


def test_nonsense_in_redis_stops_the_publisher_only_while_it_is_there(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set("riskdesk:odd:epoch", "many")
        publisher = Publisher(client, "odd", 1, superseded=lambda epoch: None)
        publisher.start()
        publisher.offer(Parcel(at=AT))
        eventually(lambda: publisher.failing_since is not None, what="it is told")
        client.delete("riskdesk:odd:epoch")
        eventually(lambda: publisher.published_at is not None, what="it goes on")
        publisher.close()

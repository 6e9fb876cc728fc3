"""The newest of several memories wins; PostgreSQL keeps the newest whatever comes later."""

from __future__ import annotations

import pytest

from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.snapshot import Snapshot
from monitoring.live.checkpoint import Checkpoints, Saved, from_postgres, newest, pack_state, unpack_state
from monitoring.models import Checkpoint
from tests.monitoring.live.book import DOCUMENT, make_challenge
from tests.waiting import eventually


def test_the_newest_of_all_memories_is_taken_by_epoch_then_mark() -> None:
    found = newest(
        {"a": Saved(1, 900, b"old epoch"), "b": Saved(2, 5, b"older mark")},
        {"a": Saved(2, 1, b"new epoch"), "b": Saved(2, 6, b"newer mark")},
        {"a": Saved(1, 901, b"old epoch too"), "c": Saved(1, 1, b"alone")},
    )
    assert {name: saved.state for name, saved in found.items()} == {
        "a": b"new epoch", "b": b"newer mark", "c": b"alone",
    }  # fmt: skip


def test_a_state_comes_back_as_it_was() -> None:
    rule_set = parse_rule_set({"version": 1, "currency": "USD", "initial_balance": "100000.00", **DOCUMENT})
    state = Snapshot("main").add("a", rule_set, challenge="c1").dump()
    assert unpack_state(pack_state(state)) == state


def test_a_state_of_another_release_is_told_and_let_go() -> None:
    assert unpack_state(b"\xc1 no msgpack") is None


@pytest.mark.django_db(transaction=True)
def test_postgresql_keeps_the_newest_state(database_url: str) -> None:
    account = make_challenge().account
    writer = Checkpoints(database_url, every=0.02)
    writer.start()
    writer.put([(account.pk, Saved(2, 7, b"seven"))], n=11)
    eventually(lambda: writer.covered_n == 11, what="saved")
    writer.put([(account.pk, Saved(1, 99, b"of the old leader"))], n=12)
    eventually(lambda: writer.covered_n == 12, what="offered")
    writer.put([(account.pk, Saved(2, 8, b"eight")), (999_999_999, Saved(2, 9, b"of nobody"))], n=13)
    writer.close()
    assert from_postgres(database_url) == {account.public_id: Saved(2, 8, b"eight")}
    assert Checkpoint.objects.count() == 1

"""The engine's verdicts equal those of a plain Decimal oracle, on updates that love limits and resets."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from monitoring.engine.events import Event, EventKind
from monitoring.engine.messages import Clock
from monitoring.engine.money import to_decimal
from monitoring.engine.rules import levels, process
from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.snapshot import Account, AccountState, Snapshot
from tests.monitoring.engine.generate import STARTS, Step, World, as_sent, documents, steps
from tests.monitoring.engine.oracle import Oracle

ORACLE_WORDS = {"day_started", "resumed", "stale", "fresh", "breached", "warned", "stepped_up", "cleared"}
relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


def told(event: Event) -> tuple[Any, ...]:
    """An event in the oracle's words."""
    index = int(event.key.split(":")[2]) if event.rule else None
    head = (event.event.value, index, event.at)
    if event.event is EventKind.DAY_STARTED:
        assert event.day_start_balance is not None
        assert event.day_start_equity is not None
        return (*head, str(to_decimal(event.day_start_balance)), str(to_decimal(event.day_start_equity)))
    if event.event is EventKind.BREACHED:
        assert event.floor is not None
        assert event.measured is not None
        return (*head, str(to_decimal(event.floor)), str(to_decimal(event.measured)), event.also)
    return (*head, event.step) if event.rule else head


def agree(account: Account, oracle: Oracle) -> None:
    """Every rule's anchor, floor, measured value and share, exactly."""
    for index, level in enumerate(levels(account)):
        found = tuple(to_decimal(value) for value in (level.anchor, level.floor, level.measured))
        assert found == oracle.level(index)
        assert abs(Fraction(level.used) - oracle.used(index)) < Fraction(1, 10**15)
        assert account.balance == oracle.balance * 100
        assert account.equity == oracle.risk * 100


def compare(document: dict[str, Any], start: str, sequence: Sequence[Step], numbered: bool, eager: bool) -> int:
    """Run a sequence through both; return how many updates were judged."""
    world = World(document, start, numbered=numbered)
    snapshot = Snapshot()
    account = snapshot.add("acc_1", parse_rule_set(document))
    judged = 0
    for step in sequence:
        message, applied = world.message(step)
        events = process(snapshot, as_sent(message))
        assert [told(event) for event in events if event.event.value in ORACLE_WORDS] == world.oracle.events
        world.oracle.events.clear()
        judged += applied
        if eager and applied:
            agree(account, world.oracle)
    if world.oracle.updated is not None:
        agree(account, world.oracle)
    return judged


arguments = given(documents, st.sampled_from(STARTS), steps, st.booleans(), st.booleans())


@arguments
@settings(relaxed, max_examples=500)
def test_engine_agrees_with_the_oracle(
    document: dict[str, Any], start: str, sequence: list[Step], numbered: bool, eager: bool
) -> None:
    compare(document, start, sequence * 2, numbered, eager)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_engine_agrees_with_the_oracle_on_a_hundred_thousand_updates() -> None:
    total = 0

    @arguments
    @settings(relaxed, max_examples=1000, database=None)
    def some(document: dict[str, Any], start: str, sequence: list[Step], numbered: bool, eager: bool) -> None:
        nonlocal total
        total += compare(document, start, sequence * 4, numbered, eager)

    first = 0 if settings().derandomize else random.SystemRandom().randrange(10**9)
    while total < 100_000:
        seed(first + total)(some)()  # else each turn would draw the same
    assert total >= 100_000


def run(snapshot: Snapshot, messages: Sequence[Any]) -> list[Event]:
    return [event for message in messages for event in process(snapshot, message)]


@given(documents, st.sampled_from(STARTS), steps, st.booleans(), st.data())
@settings(relaxed, max_examples=150)
def test_a_restored_snapshot_goes_on_exactly(
    document: dict[str, Any], start: str, sequence: list[Step], numbered: bool, data: st.DataObject
) -> None:
    world = World(document, start, numbered=numbered)
    messages = [as_sent(world.message(step)[0]) for step in sequence]
    cut = data.draw(st.integers(0, len(messages)))
    rule_set = parse_rule_set(document)
    whole, first, second = Snapshot(), Snapshot(), Snapshot()
    through = whole.add("acc_1", rule_set)
    run(whole, messages[:cut])
    expected = run(whole, messages[cut:])

    interrupted = first.add("acc_1", rule_set)
    run(first, messages[:cut])
    stored = msgspec.msgpack.encode(interrupted.dump())
    restored = second.add("acc_1", rule_set, state=msgspec.msgpack.decode(stored, type=AccountState))
    assert run(second, messages[cut:]) == expected
    assert levels(restored) == levels(through)
    assert msgspec.msgpack.encode(restored.dump()) == msgspec.msgpack.encode(through.dump())


@given(documents, st.sampled_from(STARTS), steps)
@settings(relaxed, max_examples=150)
def test_frames_that_come_twice_or_again_late_change_nothing(
    document: dict[str, Any], start: str, sequence: list[Step]
) -> None:
    world = World(document, start, numbered=True)
    messages = [as_sent(world.message(step)[0]) for step in sequence]
    rule_set = parse_rule_set(document)
    once, twice = Snapshot(), Snapshot()
    left, right = once.add("acc_1", rule_set), twice.add("acc_1", rule_set)
    doubled = []
    for index, message in enumerate(messages):
        again = [copy for copy in (messages[index // 2], message) if not isinstance(copy, Clock)]
        doubled += [message, *again]
    assert run(once, messages) == run(twice, doubled)
    assert levels(left) == levels(right)

"""What the book says of running accounts is in force at once: versions, overrides, markets, names of symbols."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.db import DatabaseError, connection, transaction

from accounts import moves, overrides, symbols
from accounts.calendar import import_news_csv
from accounts.models import Challenge, ChallengeState, Role, RuleSet, Server, User
from accounts.servers import book_changed
from monitoring.engine.messages import Position, PositionOpened
from monitoring.live.checkpoint import STATE, Checkpoints, StateRecord, from_journal, unpack_state
from monitoring.live.pipeline.collect import Collector
from monitoring.live.pipeline.listener import Listener
from monitoring.live.publish.publisher import Parcel
from monitoring.live.rulesets import Book
from monitoring.models import Enforcement, RiskEvent
from tests.monitoring.live.book import DOCUMENT, TRAILING, make_challenge
from tests.monitoring.live.desk import Desk
from tests.monitoring.live.test_pipeline import ACCOUNT, NOON, Live, recorded
from tests.waiting import aeventually, eventually

pytestmark = pytest.mark.django_db(transaction=True)
DAILY, STATIC = DOCUMENT["rules"]


@pytest.fixture
def head() -> User:
    return User.objects.create(username="head", role=Role.HEAD_OF_RISK)


@pytest.fixture
def live(tmp_path: Path, database_url: str) -> Iterator[Live]:
    made = Live(tmp_path, database_url)
    yield made
    made.close()


def with_daily(percent: str) -> dict[str, Any]:
    amount = {"percent": percent, "of": "initial"}
    return {**DOCUMENT, "rules": [{**DAILY, "amount": amount}, STATIC]}


def next_version(challenge: Challenge, document: dict[str, Any]) -> RuleSet:
    return RuleSet.objects.create(phase=challenge.rule_set.phase, version=2, document=document)


def now() -> datetime:
    return datetime.now(UTC)


def test_a_move_judges_at_once_by_what_is_known(live: Live, head: User) -> None:
    challenge = make_challenge(upstream_id=ACCOUNT)
    live.run(live.roster.follow)
    live.run(lambda: live.update(now(), 95_900.0))
    assert recorded() == ["warned"]
    moves.move_challenges([challenge], next_version(challenge, with_daily("4")), head, "tightened")
    live.run(lambda: live.roster.follow(heard=True))
    event = RiskEvent.objects.get(event="breached")
    assert (event.rule_set_version, str(event.floor), event.rule) == (2, "96000.00", "daily_loss")
    assert live.account.rule_set.version == 2
    challenge.refresh_from_db()
    assert challenge.state == ChallengeState.FAILED
    assert live.enforced[0].state == "sent", "the breach went the way of every breach"


def test_an_override_holds_until_its_end_date(live: Live, head: User) -> None:
    challenge = make_challenge(upstream_id=ACCOUNT)
    live.run(live.roster.follow)
    amount = {"percent": "3", "of": "initial"}
    ends = now() + timedelta(days=1)
    overrides.set_override(challenge.account, "daily_loss", 0, {**DAILY, "amount": amount}, head, "nervous", ends)
    live.run(live.roster.follow)  # nobody has to say so: the digest sees it
    entry = live.pipeline.entries[ACCOUNT]
    assert (entry.overridden, entry.rule_set.loss_rules[0].amount.numerator) == (True, 3)
    assert live.account.rule_set is entry.rule_set
    with connection.cursor() as cursor:  # as time passes: nobody else may change such a row
        cursor.execute("SET session_replication_role = replica")
        challenge.overrides.update(ends_at=now() - timedelta(seconds=1))
        cursor.execute("SET session_replication_role = DEFAULT")
    live.run(live.roster.follow)
    assert not live.pipeline.entries[ACCOUNT].overridden
    assert live.account.rule_set.loss_rules[0].amount.numerator == 5


def test_accounts_under_the_same_rules_share_them_and_only_what_changed_is_read_again(live: Live, head: User) -> None:
    first = make_challenge(upstream_id="acc_1")
    for name in ("acc_2", "acc_3"):
        other = make_challenge(upstream_id=name)
        Challenge.objects.filter(pk=other.pk).update(rule_set=first.rule_set)
    [*entries] = live.loop.run_until_complete(live.book.load()).values()
    assert len({id(entry.rule_set) for entry in entries}) == 1
    assert live.loop.run_until_complete(live.book.changes()) == []
    overrides.set_override(first.account, "max_loss", 0, None, head, "no limit")
    [changed] = live.loop.run_until_complete(live.book.changes())
    assert (changed.upstream_id, [rule.rule for rule in changed.rule_set.loss_rules]) == ("acc_1", ["daily_loss"])
    assert entries[0].rule_set.digest != changed.rule_set.digest


def test_accounts_of_other_sizes_share_the_limits_and_keep_their_floors(live: Live) -> None:
    first = make_challenge(upstream_id="acc_1")
    other = make_challenge(upstream_id="acc_2", initial="50000.00")
    Challenge.objects.filter(pk=other.pk).update(rule_set=first.rule_set)
    entries = live.loop.run_until_complete(live.book.load())
    large, small = entries["acc_1"].rule_set, entries["acc_2"].rule_set
    assert (large.initial_balance, small.initial_balance) == (10_000_000, 5_000_000)
    assert large.loss_rules is small.loss_rules


def test_the_market_is_told_at_start_and_at_each_change(live: Live, head: User) -> None:
    hours = {"rule": "news_window", "before_minutes": 5, "after_minutes": 5, "consequence": "flag"}
    make_challenge(upstream_id=ACCOUNT, document={**DOCUMENT, "rules": [*DOCUMENT["rules"], hours]})
    live.run(live.roster.follow)
    assert live.pipeline.snapshot.market.revision == "r0"
    text = f"uid,at,currency,impact,title\nn1,{now():%Y-%m-%dT%H:%M:%SZ},USD,high,CPI\n"
    revision = import_news_csv(text, head, "test.csv")
    assert revision is not None
    live.run(live.roster.follow)
    live.run(lambda: live.update(now(), 100_000.0))
    live.run(lambda: opened(live, "EURUSD"))
    event = RiskEvent.objects.get(event="violated")
    assert (event.rule, event.consequence, event.detail["positions"]) == ("news_window", "flag", ["p1"])
    assert event.detail["calendar_revision"] == f"r{revision.pk}"


def test_an_unknown_symbol_is_said_on_the_desk_until_it_has_a_base_name(live: Live, head: User) -> None:
    rule = {"rule": "symbols", "deny": ["XAUUSD"], "consequence": "flag"}
    make_challenge(upstream_id=ACCOUNT, document={**DOCUMENT, "rules": [*DOCUMENT["rules"], rule]})
    live.run(live.roster.follow)
    live.run(lambda: live.update(now(), 100_000.0))
    live.run(lambda: opened(live, "GOLD spot"))
    assert any("GOLD spot" in line and "/symbols/" in line for line in live.roster.warnings())
    assert RiskEvent.objects.filter(event="refused", rule="symbols").count() == 1
    symbols.set_names(Server.objects.get(name="main"), {"GOLD spot": "XAUUSD"}, head)
    live.run(live.roster.follow)
    assert not any("GOLD spot" in line for line in live.roster.warnings())


def test_a_flood_of_unknown_symbols_is_one_line_on_the_desk(live: Live) -> None:
    snapshot = live.pipeline.snapshot
    snapshot.note_unknown_symbols(f"Quux.{n}" for n in range(5))
    (line,) = live.roster.warnings()
    assert "known for Quux.0, Quux.1, Quux.2 and 2 more, so" in line
    snapshot.note_unknown_symbols(f"Quux.{n}" for n in range(45_000))
    (line,) = live.roster.warnings()
    assert "and at least 997 more, so" in line


def opened(live: Live, symbol: str) -> None:
    """A position is opened now."""
    live.seq += 1
    position = Position(id="p1", symbol=symbol, type="BUY", volume=1.0, open_time=now())
    live.pipeline.deliver(PositionOpened(account_id=ACCOUNT, ts=now(), seq=live.seq, data=position), now())


def test_a_restart_under_other_rules_keeps_what_the_account_has_been_through(live: Live) -> None:
    challenge = make_challenge(upstream_id=ACCOUNT)
    live.run(live.roster.follow)
    live.run(lambda: live.update(NOON, 95_900.0))
    state = live.account.dump()
    assert state.rules[0].step == 1
    Challenge.objects.filter(pk=challenge.pk).update(rule_set=next_version(challenge, with_daily("4.5")))
    [entry] = live.loop.run_until_complete(live.book.load()).values()
    account = live.pipeline.watch(entry, state)
    assert (account.rule_set.version, account.state.rules[0].step, account.state.generation) == (2, 1, 1)


def hearing(conninfo: str, work: Callable[[asyncio.Event], Any]) -> None:
    """Run `work` beside a listener of the server main that is connected."""

    async def run() -> None:
        wake = asyncio.Event()
        task = asyncio.create_task(Listener(conninfo, "main", wake).run())
        try:
            await asyncio.wait_for(wake.wait(), 20)  # it says so when it listens
            wake.clear()
            await work(wake)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def told(server: str, *, keep: bool = True) -> None:
    with transaction.atomic():
        book_changed(server)
        if not keep:
            transaction.set_rollback(True)


def test_a_word_of_the_book_wakes_its_own_monitor_at_the_commit(database_url: str) -> None:
    async def work(wake: asyncio.Event) -> None:
        await asyncio.to_thread(told, "other")
        await asyncio.to_thread(told, "main", keep=False)
        await asyncio.to_thread(told, "main")
        await asyncio.wait_for(wake.wait(), 20)
        wake.clear()
        await asyncio.to_thread(told, "")
        await asyncio.wait_for(wake.wait(), 20)

    hearing(database_url, work)


def test_the_listener_comes_back_and_looks_at_what_it_missed(database_url: str) -> None:
    async def work(wake: asyncio.Event) -> None:
        assert await asyncio.to_thread(cut_off) == 1
        await asyncio.wait_for(wake.wait(), 20)
        wake.clear()
        await asyncio.to_thread(told, "main")
        await aeventually(wake.is_set, what="heard again")

    hearing(database_url, work)


def cut_off() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'riskdesk-book' AND datname = current_database()"
        )
        return int(cursor.fetchone()[0])


def test_a_book_that_nobody_told_of_is_read_again_only_when_it_differs(live: Live) -> None:
    make_challenge(upstream_id=ACCOUNT)
    book: Book = live.book
    assert live.loop.run_until_complete(book.changed())
    live.loop.run_until_complete(book.load())
    assert not live.loop.run_until_complete(book.changed())
    Challenge.objects.update(state=ChallengeState.REVIEW)
    assert live.loop.run_until_complete(book.changed())


def test_a_rule_that_wants_positions_closed_is_enforced_at_a_real_upstream(desk: Desk, head: User) -> None:
    """Moved to a version that allows one position: the newest of two is closed, the account trades on."""
    desk.make_account("acc_x")
    for _ in range(2):
        desk.control("/accounts/acc_x/positions", {"symbol": "EURUSD", "type": "BUY", "volume": 0.1})
    desk.start_monitor()
    eventually(lambda: desk.shown("acc_x").open_positions == 2, what="both are seen")
    challenge = Challenge.objects.get()
    rule = {"rule": "max_positions", "positions": 1, "consequence": "close"}
    document = challenge.rule_set.document
    limited = next_version(challenge, {**document, "rules": [*document["rules"], rule]})
    moves.move_challenges([challenge], limited, head, "one position at a time")
    eventually(lambda: len(desk.truth("acc_x")["positions"]) == 1, what="the newest is closed")
    eventually(lambda: Enforcement.objects.filter(state="closed").exists(), what="and proven gone")
    eventually(lambda: desk.shown("acc_x").rule_set_version == 2, what="the row says which version judges")
    row = desk.shown("acc_x")
    assert (row.state, row.locked) == ("ok", False)
    assert [one.rule for one in row.standings if one.rule == "max_positions"] == ["max_positions"]
    assert RiskEvent.objects.filter(event="violated", rule="max_positions").count() == 1


def test_a_change_that_was_cut_off_half_way_is_read_again(live: Live, head: User) -> None:
    """PostgreSQL goes away between an account's row and the document that it names."""
    challenge = make_challenge(upstream_id=ACCOUNT)
    live.loop.run_until_complete(live.book.load())
    moves.move_challenges([challenge], next_version(challenge, with_daily("4")), head, "tightened")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_plan RENAME COLUMN archived_at TO elsewhere")
    try:
        with pytest.raises(DatabaseError):
            live.loop.run_until_complete(live.book.changes())
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_plan RENAME COLUMN elsewhere TO archived_at")
    assert live.loop.run_until_complete(live.book.changed())
    [entry] = live.loop.run_until_complete(live.book.changes())
    assert entry.rule_set.version == 2


def test_who_goes_to_review_is_not_judged_by_the_rules_that_come_with_it(live: Live, head: User) -> None:
    challenge = make_challenge(upstream_id=ACCOUNT)
    live.run(live.roster.follow)
    live.run(lambda: live.update(now(), 95_900.0))
    moves.move_challenges([challenge], next_version(challenge, with_daily("4")), head, "tightened")
    Challenge.objects.update(state=ChallengeState.REVIEW, state_reason="Looked into")
    live.run(live.roster.follow)
    assert (live.account.rule_set.version, live.account.review) == (2, "Looked into")
    assert (recorded(), live.enforced) == (["warned"], [])


def test_a_mark_of_other_rules_is_on_disk_before_it_is_shown(live: Live, database_url: str) -> None:
    """Lower than the one that the rules before hung on, and yet news."""
    peak = {**DAILY, "reference": "intraday_peak_equity"}
    challenge = make_challenge(upstream_id=ACCOUNT, document={**DOCUMENT, "rules": [peak, STATIC]})
    live.run(live.roster.follow)
    live.run(lambda: live.update(now(), 105_000.0))
    collector = Collector(live.pipeline, Checkpoints(database_url), live.journal)
    live.run(lambda: collector.collect(Parcel(at=now())))
    moved = next_version(challenge, {**DOCUMENT, "rules": [DAILY, TRAILING]})
    Challenge.objects.filter(pk=challenge.pk).update(rule_set=moved)
    live.run(live.roster.follow)
    live.run(lambda: live.update(now(), 103_000.0))
    live.run(lambda: collector.collect(Parcel(at=now())))
    states = [msgspec.json.decode(one.body, type=StateRecord) for one in live.journal.read() if one.kind == STATE]
    newest = unpack_state(from_journal(states)[ACCOUNT].state)
    assert newest is not None
    assert [mark.high for mark in newest.rules if mark.of.startswith("max_loss:trailing")] == [10_300_000]

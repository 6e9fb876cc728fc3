"""The copy of the book in a web process: complete, in order, fresh, and never blank."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.live.publish import Batch
from monitoring.replica import Change, DeskQuery, Replica, Tail, age, money, percent
from monitoring.replica.cells import cells
from tests.monitoring.wire import Wire, account, event, reading, server
from tests.waiting import eventually


@pytest.fixture
def wire(redis_url: str) -> Wire:
    return Wire(redis_url)


@pytest.fixture
def tail(redis_url: str) -> Iterator[Tail]:
    follower = Tail(Replica(), redis_url)
    follower.start()
    yield follower
    follower.stop()


def shown(replica: Replica, query: str = "") -> list[str]:
    return list(replica.view(DeskQuery.from_string(query)).ids)


def loaded(*rows: object) -> Replica:
    replica = Replica()
    replica.load("main", rows, None)  # type: ignore[arg-type]  # the rows of a test
    return replica


def test_takes_a_full_copy_and_then_follows(wire: Wire, tail: Tail) -> None:
    wire.put("sim-1", "sim-2")
    eventually(lambda: len(shown(tail.replica)) == 2)
    wire.put("sim-2", daily_used=8500, trader="M. Novak")
    eventually(lambda: shown(tail.replica) == ["sim-2", "sim-1"])
    wire.publish(removed=["sim-1"])
    eventually(lambda: shown(tail.replica) == ["sim-2"])
    assert tail.replica.row("sim-1") is None


def test_a_gap_in_the_versions_asks_for_a_full_copy(wire: Wire, tail: Tail) -> None:
    wire.put("sim-1")
    eventually(lambda: tail.copies == 1)
    wire.put("sim-2")
    wire.publish(skip=3)
    eventually(lambda: tail.copies == 2)
    assert sorted(shown(tail.replica)) == ["sim-1", "sim-2"]


def test_a_new_epoch_replaces_everything(wire: Wire, tail: Tail) -> None:
    wire.put("sim-1")
    eventually(lambda: shown(tail.replica) == ["sim-1"])
    wire.client.delete("riskdesk:main:rows")
    wire.epoch, wire.version, wire.generation = 2, 0, "g2"
    wire.publish([account("sim-9", rev=1)])
    eventually(lambda: shown(tail.replica) == ["sim-9"])


def test_an_incomplete_copy_blanks_nothing(wire: Wire, tail: Tail) -> None:
    """Redis came back empty: its hash fills again while the desk keeps what it had."""
    wire.put("sim-1", "sim-2")
    eventually(lambda: len(shown(tail.replica)) == 2)
    wire.client.delete("riskdesk:main:rows")
    wire.generation = "g2"
    wire.publish([account("sim-1", rev=9, daily_used=5500)], servers=[server(accounts=2)])
    eventually(lambda: tail.copies >= 2)
    assert shown(tail.replica) == ["sim-1", "sim-2"]
    wire.publish([account("sim-2", rev=9)], servers=[server(accounts=2)])
    eventually(lambda: tail.replica.shard("main").generation == b"g2")
    assert len(shown(tail.replica)) == 2


def test_an_older_row_never_replaces_a_newer_one() -> None:
    replica = loaded(account("sim-1", rev=5, equity=7))
    wire_batch = account("sim-1", rev=4, equity=1)
    assert replica.apply("main", Batch(1, 1, 1, [wire_batch], [], [], [], []))
    row = replica.row("sim-1")
    assert row is not None
    assert row.equity == 7


def test_a_silent_monitor_is_stale_and_redis_away_is_reconnecting(redis_url: str) -> None:
    replica = Replica()
    assert replica.health().live == "stale"
    follower = Tail(replica, "unix:///nowhere/at/all.sock")
    follower.start()
    try:
        eventually(lambda: replica.health().live == "reconnecting")
        health = replica.health()
        assert health.since_ms
        assert "Redis" in health.message
    finally:
        follower.stop()


def test_a_monitor_that_stops_is_noticed(wire: Wire, tail: Tail) -> None:
    with wire.beating():
        wire.put("sim-1")
        eventually(lambda: tail.replica.health().live == "connected")
    eventually(lambda: tail.replica.health().live == "stale")
    assert tail.replica.health().since_ms
    assert shown(tail.replica) == ["sim-1"]


def test_subscribers_hear_of_changes_and_of_a_rising_severity() -> None:
    replica = loaded(account("sim-1"))
    heard: list[Change] = []
    end = replica.subscribe(heard.append)
    replica.apply("main", Batch(1, 1, 1, [account("sim-1", 2, daily_used=8100)], [], [event("k", "sim-1")], [], []))
    end()
    replica.apply("main", Batch(1, 2, 2, [account("sim-1", 3)], [], [], [], []))
    assert len(heard) == 1
    assert heard[0].ids == {"sim-1"}
    assert heard[0].rising
    assert [e.key for e in heard[0].events] == ["k"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["sim-4", "sim-3", "sim-2", "sim-1"]),
        ("sev=warning", ["sim-4", "sim-3"]),
        ("v=near-breach", ["sim-4", "sim-3", "sim-2"]),
        ("v=breached", ["sim-4"]),
        ("q=NOVAK", ["sim-2"]),
        ("q=3", ["sim-3"]),
        ("phase=Funded", ["sim-3"]),
        ("stale=1", ["sim-1"]),
        ("state=breached", ["sim-4"]),
        ("sort=login", ["sim-4", "sim-1", "sim-2", "sim-3"]),
        ("sort=-login", ["sim-4", "sim-3", "sim-2", "sim-1"]),
        ("sort=room", ["sim-4", "sim-3", "sim-2", "sim-1"]),
        ("sort=nonsense&sev=nonsense&offset=x", ["sim-4", "sim-3", "sim-2", "sim-1"]),
    ],
)
def test_filters_and_orders(query: str, expected: list[str]) -> None:
    """Breached accounts stay on top of every order until somebody acknowledges them."""
    replica = loaded(
        account("sim-1", stale=True, headroom=None),
        account("sim-2", daily_used=6000, trader="M. Novak", headroom=300),
        account("sim-3", daily_used=8500, phase="Funded", headroom=200),
        account("sim-4", daily_used=10_400, headroom=400),
    )
    assert shown(replica, query) == expected


@pytest.mark.parametrize("sort", ["dl", "-dl", "room", "-room", "age", "-age"])
def test_a_breached_account_without_the_figure_sorted_by_stays_on_top_too(sort: str) -> None:
    """A rule set may have no daily loss at all; the breach of its maximum loss is on top all the same."""
    broken = account("sim-2", daily_used=None, max_used=10_100, headroom=None, updated_ms=None)
    replica = loaded(account("sim-1", daily_used=4000), broken, account("sim-3", daily_used=None))
    assert shown(replica, f"sort={sort}")[0] == "sim-2"


def test_a_query_string_of_too_many_fields_asks_nothing() -> None:
    assert DeskQuery.from_string("a=b&" * 60 + "sev=watch") == DeskQuery()


def test_an_acknowledged_breach_takes_its_place_in_the_order() -> None:
    replica = loaded(account("sim-1"), account("sim-2", daily_used=10_000))
    assert shown(replica, "sort=login") == ["sim-2", "sim-1"]
    replica.settle({"sim-2"})
    assert shown(replica, "sort=login") == ["sim-1", "sim-2"]


@given(
    st.lists(st.tuples(st.integers(0, 12_000), st.integers(-50, 50)), max_size=60),
    st.integers(0, 70),
    st.integers(1, 20),
    st.sampled_from(["sort=-dl", "sort=pl", ""]),
)
def test_a_window_is_a_slice_of_the_whole_order(
    figures: list[tuple[int, int]], offset: int, limit: int, sort: str
) -> None:
    rows = [account(f"sim-{n}", daily_used=used, day_pl=pl) for n, (used, pl) in enumerate(figures)]
    replica = loaded(*rows)
    query = DeskQuery.from_string(sort)
    whole = list(replica.view(query, 0, 200).ids)
    window = replica.view(query, offset, limit)
    assert list(window.ids) == whole[offset : offset + limit]
    assert window.total == len(rows)
    pinned = [row for row in rows if row.severity == 4]
    assert set(whole[: len(pinned)]) == {row.public_id for row in pinned}
    if sort == "sort=-dl":
        by_use = {row.public_id: row.daily_used or 0 for row in rows}
        assert [by_use[i] for i in whole] == heapq.nlargest(len(rows), by_use.values())


def test_a_breach_of_another_day_is_not_counted_as_today_s() -> None:
    replica = loaded(account("sim-1", daily_used=10_500), account("sim-2", daily_used=10_500, breached_today=False))
    breached = next(kpi for kpi in replica.kpis().items if kpi.name == "breached")
    assert (breached.label, breached.text, breached.title) == ("Breached today", "1", "2 stand breached in all")


def test_rows_may_come_and_go_in_any_order() -> None:
    replica = loaded(*(account(f"sim-{n}", daily_used=n) for n in range(400)))
    replica.load("main", [account(f"sim-{n}", daily_used=n) for n in range(0, 400, 3)], None)
    ids = shown(replica, "sort=-dl")
    assert ids == [f"sim-{n}" for n in range(399, -1, -3)]
    assert replica.view(DeskQuery.from_string("q=sim")).total == 134


@pytest.mark.parametrize(
    ("minor", "digits", "text"),
    [
        (2371000, 2, "23,710.00"),
        (-129000, 2, "−1,290.00"),
        (None, 2, "—"),
        (5, 2, "0.05"),
        (-5, 0, "−5"),
        (0, 2, "0.00"),
    ],
)
def test_money_is_exact(minor: int | None, digits: int, text: str) -> None:
    assert money(minor, digits) == text


def test_a_share_is_cut_and_never_rounded_up_to_the_limit() -> None:
    assert [percent(n) for n in (9998, 10_000, 0, -50, None, 123_456)] == [
        "99.9%",
        "100.0%",
        "0.0%",
        "0.0%",
        "—",
        "1,234.5%",
    ]


def test_age_in_words() -> None:
    assert [age(n) for n in (0, 250, 59_949, 245_000, 12_000_000, None)] == [
        "0.0 s",
        "0.2 s",
        "59.9 s",
        "4 m 05 s",
        "3 h 20 m",
        "—",
    ]


def test_each_gauge_has_its_own_severity() -> None:
    made = cells(account("sim-1", daily_used=9600, max_used=5100))
    assert (made["sev"], made["dls"], made["mls"]) == (3, 3, 1)
    assert (made["dl"], made["ml"]) == (96.0, 51.0)
    assert made["severity"] == "Critical"


def test_a_gauge_without_a_verdict_keeps_the_severity_of_its_last_figure() -> None:
    """Stale data: the row says Warning, so does its gauge, as the card of the account page does."""
    row = account("sim-1", daily_used=8600, stale=True, readings=[reading("daily_loss", 8600, "unknown")])
    assert (cells(row)["sev"], cells(row)["dls"]) == (2, 2)


def test_an_unchanged_row_is_formatted_once() -> None:
    replica = loaded(account("sim-1"))
    row = replica.row("sim-1")
    assert row is not None
    assert replica.cells(row) is replica.cells(row)


def test_figures_count_the_book_and_mark_a_feed_that_is_down() -> None:
    replica = loaded(account("sim-1", daily_used=9500), account("sim-2", daily_used=10_500), account("sim-3"))
    texts = {kpi.name: kpi.text for kpi in replica.kpis().items}
    assert len(texts) == 8
    assert (texts["accounts"], texts["critical"], texts["breached"]) == ("3", "1", "1")
    down = server("MT5-2", state="reconnecting", lag_ms=3100, enforcement_mode="dry_run")
    replica.apply("main", Batch(1, 1, 1, [], [], [], [down], []))
    kpis = replica.kpis()
    assert {kpi.name: kpi.text for kpi in kpis.items}["critical"] == "≥ 1"
    assert kpis.dry_run == ("MT5-2",)


@pytest.mark.parametrize(("stale", "behind"), [(0, ()), (1, ()), (3, ("sim",))])
def test_a_connected_feed_whose_accounts_are_stale_is_down(stale: int, behind: tuple[str, ...]) -> None:
    """The broker may be away behind a socket that is up: no frame, no verdict, and the counts are "at least"."""
    replica = loaded(account("sim-1"), account("sim-2"), account("sim-3"))
    replica.apply("main", Batch(1, 1, 1, [], [], [], [server(accounts=3, stale_accounts=stale)], []))
    assert replica.kpis().behind == behind
    assert [kpi.text for kpi in replica.kpis().items if kpi.name == "watch"] == ["≥ 0" if behind else "0"]

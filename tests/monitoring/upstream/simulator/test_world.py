"""The world as a whole: the same seed is the same world, stops strike, traders live, the demo delivers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from monitoring.upstream.simulator.broker import Ticket
from monitoring.upstream.simulator.calendar import is_open, rollover_day, swap_nights
from monitoring.upstream.simulator.errors import Refused
from monitoring.upstream.simulator.events import UNCOUNTED
from monitoring.upstream.simulator.ledger import Account
from monitoring.upstream.simulator.market import SyntheticMarket
from monitoring.upstream.simulator.symbols import SYMBOLS
from monitoring.upstream.simulator.world import World


class Clock:
    """Wall time that follows the world's steps."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


class Stage:
    """A world without sockets, and what it sent."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.world = World(clock=self.clock, **options)
        self.frames: list[dict[str, Any]] = []
        self.world.events.deliver = self._note

    def _note(self, account: Account, kind: str, frame: bytes) -> None:
        self.frames.append(json.loads(frame))

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / self.world.seconds)):
            self.clock.now += self.world.seconds
            self.world.step()

    def kinds(self, account: str) -> list[str]:
        return [frame["type"] for frame in self.frames if frame["account_id"] == account]


def lone(balance: int = 10_000_000) -> tuple[Stage, Account]:
    stage = Stage(accounts=0, rate=10)
    account = stage.world.add("acc_t", "1", "Ada", "g", balance)
    return stage, account


def cents(value: float) -> int:
    return round(value * 100)


def test_the_same_seed_gives_the_same_events() -> None:
    first, second, other = Stage(accounts=30), Stage(accounts=30), Stage(accounts=30, seed=8)
    for stage in (first, second, other):
        stage.run(120)
    assert len(first.frames) > 1000
    assert first.frames == second.frames
    assert first.frames != other.frames


def test_every_frame_adds_up_and_every_number_follows_the_last() -> None:
    stage = Stage(accounts=60)
    begun = {account.id: account.seq for account in stage.world.accounts.values()}
    stage.run(180)
    for frame in stage.frames:
        if frame["type"] == "account_update":
            data = frame["data"]
            parts = cents(data["balance"]) + cents(data["credit"]) + cents(data["profit"])
            assert cents(data["equity"]) == parts
            assert cents(data["free_margin"]) == parts - cents(data["margin"])
        begun[frame["account_id"]] += frame["type"] not in UNCOUNTED
        assert frame["seq"] == begun[frame["account_id"]]
    for account in stage.world.accounts.values():
        assert account.balance == account.operations + account.deals
    assert {"position_open", "position_close", "account_update"} <= {frame["type"] for frame in stage.frames}


def test_a_flat_account_speaks_each_ten_seconds_and_a_holder_at_the_rate() -> None:
    stage, account = lone()
    stage.run(35)
    assert 3 <= len(stage.kinds("acc_t")) <= 4
    stage.frames.clear()
    stage.world.broker.order(account, Ticket("EURUSD", "BUY", 10))
    stage.run(3)
    assert 30 <= stage.kinds("acc_t").count("account_update") <= 32


@pytest.mark.parametrize(("kind", "side"), [("BUY", 1), ("SELL", -1)])
@pytest.mark.parametrize(("reason", "drift"), [("sl", -1), ("tp", 1)])
def test_stops_and_targets_strike(kind: str, side: int, reason: str, drift: int) -> None:
    stage, account = lone()
    quote = stage.world.broker.quotes["XAGUSD"]
    bid, ask = quote.bid, quote.ask
    low, high = bid - 100, ask + 100
    sl, tp = (low, high) if side > 0 else (high, low)
    stage.world.broker.order(account, Ticket("XAGUSD", kind, 10, None, sl, tp))
    stage.world.market.drift["XAGUSD"] = side * drift * 0.0005
    stage.run(60)
    closes = [frame["data"] for frame in stage.frames if frame["type"] == "position_close"]
    assert [close["reason"] for close in closes] == [reason]
    assert (closes[0]["net_profit"] > 0) == (reason == "tp")
    assert not account.positions


def test_a_moved_stop_forgets_the_old_one() -> None:
    stage, account = lone()
    broker, quote = stage.world.broker, stage.world.broker.quotes["XAGUSD"]
    broker.order(account, Ticket("XAGUSD", "BUY", 10, None, quote.bid - 50))
    (position,) = account.positions.values()
    assert broker.modify(account, position, quote.bid - 5000, None) == ["sl"]
    stage.world.market.drift["XAGUSD"] = -0.0003
    stage.run(30)
    assert account.positions


def test_a_pending_order_fills_when_its_price_comes() -> None:
    stage, account = lone()
    quote = stage.world.broker.quotes["XAGUSD"]
    stage.world.broker.order(account, Ticket("XAGUSD", "SELL_LIMIT", 10, quote.ask + 60))
    assert account.orders
    stage.world.market.drift["XAGUSD"] = 0.0005
    stage.run(60)
    assert not account.orders
    assert [position.side for position in account.positions.values()] == [-1]
    assert "filled" in [f["data"].get("status") for f in stage.frames if f["type"] == "order_update"]


def test_stop_out_closes_the_worst_first() -> None:
    stage, account = lone(1_000_000)
    stage.world.broker.order(account, Ticket("EURUSD", "BUY", 500))
    stage.world.broker.put(account, None, 200_000, None)
    stage.run(1)
    assert [f["data"]["reason"] for f in stage.frames if f["type"] == "position_close"] == ["so"]
    assert not account.positions


def test_more_than_the_margin_allows_is_refused() -> None:
    stage, account = lone(100_000)
    with pytest.raises(Refused, match="margin"):
        stage.world.broker.order(account, Ticket("EURUSD", "BUY", 1000))
    assert stage.kinds("acc_t") == ["order_rejected"]


def test_a_lock_expires_at_its_time() -> None:
    stage, account = lone()
    until = datetime.fromtimestamp(stage.clock.now + 5, UTC)
    stage.world.broker.lock(account, "evt_1", until)
    with pytest.raises(Refused, match="evt_1"):
        stage.world.broker.order(account, Ticket("EURUSD", "BUY", 1))
    stage.run(6)
    assert not account.locked
    assert "account_unlocked" in stage.kinds("acc_t")


def test_swap_is_charged_at_the_roll_over_and_thrice_on_wednesday() -> None:
    stage = Stage(accounts=0, market=SyntheticMarket(7, datetime(2024, 3, 6, 21, 59, 50, tzinfo=UTC)))
    account = stage.world.add("acc_t", "1", "Ada", "g", 10_000_000)
    stage.world.broker.order(account, Ticket("EURUSD", "BUY", 100))
    (position,) = account.positions.values()
    stage.run(5)
    assert position.swap == 0
    stage.run(10)
    assert position.swap == 3 * -600
    assert account.equity == account.balance + position.profit - 1800


def test_the_week_of_the_market() -> None:
    euro, coin = SYMBOLS["EURUSD"], SYMBOLS["BTCUSD"]
    moments = {
        datetime(2024, 3, 8, 21, 59, tzinfo=UTC): True,  # Friday, a minute before 17:00 New York
        datetime(2024, 3, 8, 22, 0, tzinfo=UTC): False,
        datetime(2024, 3, 10, 20, 59, tzinfo=UTC): False,  # the Sunday on which New York's clocks changed
        datetime(2024, 3, 10, 21, 0, tzinfo=UTC): True,
        datetime(2024, 12, 25, 15, 0, tzinfo=UTC): False,
    }
    assert {moment: is_open(euro, moment) for moment in moments} == moments
    assert all(is_open(coin, moment) for moment in moments)
    assert rollover_day(datetime(2024, 3, 6, 22, 0, tzinfo=UTC)).isoformat() == "2024-03-07"
    assert [swap_nights(datetime(2024, 3, day, tzinfo=UTC).date()) for day in (5, 6, 7, 8, 9)] == [1, 3, 1, 1, 0]


def test_the_euro_starts_and_stays_where_the_vendors_samples_expect_it() -> None:
    for seed in range(5):
        market = SyntheticMarket(seed)
        assert market.quotes["EURUSD"].bid == 108_340
        seen: set[int] = set()
        for _ in range(6000):
            market.advance(0.1, lambda quote: None)
            seen.add(market.quotes["EURUSD"].bid)
        assert min(seen) > 107_600
        assert max(seen) < 109_100
        assert len(seen) > 50


@pytest.mark.parametrize("seed", [7, 8, 9])
def test_the_demo_shows_a_warning_and_a_breach_in_time_and_goes_on(seed: int) -> None:
    stage = Stage(accounts=40, demo=True, seed=seed)
    director = stage.world.director
    assert director is not None
    director.begin()
    warned, breached = first_crossings(stage, "acc_4", 150)
    assert 20 <= warned <= 45
    assert 60 <= breached <= 100
    warned, breached = first_crossings(stage, "acc_5", 120)
    assert warned < breached
    calm = stage.world.accounts["acc_1"]
    assert abs(calm.equity - calm.initial) < calm.initial // 100


def first_crossings(stage: Stage, account_id: str, seconds: int) -> tuple[float, float]:
    """When the account first stood beyond 80% and 100% of a 5% loss, with positions open."""
    account, found = stage.world.accounts[account_id], {}
    for second in range(seconds):
        stage.run(1)
        used = (account.initial - account.equity) / account.initial / 0.05
        for level in (0.8, 1.0):
            if used > level and level not in found:
                assert account.positions
                found[level] = second + 1.0
    return found[0.8], found[1.0]


def test_the_demo_finds_newcomers_when_half_of_the_desk_is_used_up() -> None:
    stage = Stage(accounts=5, demo=True)
    director = stage.world.director
    assert director is not None
    director.begin()
    stage.run(400)
    assert [f for f in stage.frames if f["type"] == "account_lifecycle"]
    assert "acc_6" in stage.world.accounts


def test_a_newcomer_takes_a_login_that_nobody_has() -> None:
    stage = Stage(accounts=5, demo=True)
    stage.world.add("mine", "500006", "Ada", "g", 10_000_000)  # as the control API may
    assert stage.world.director is not None
    stage.world.director.begin()
    stage.run(400)
    assert stage.world.accounts["acc_7"].login == "500007"


def test_a_deleted_account_says_nothing_more() -> None:
    stage, account = lone()
    quote = stage.world.broker.quotes["XAGUSD"]
    stage.world.broker.order(account, Ticket("XAGUSD", "BUY", 10, None, quote.bid - 50, quote.bid + 50))
    stage.world.remove(account)
    stage.frames.clear()
    stage.world.market.drift["XAGUSD"] = 0.0005
    stage.run(60)
    assert stage.frames == []


def test_a_slow_machine_lives_the_same_day() -> None:
    """What is sent depends on the steps alone, not on how long they took."""

    def lived(stall: float) -> list[tuple[str, str, int]]:
        stage = Stage(accounts=8, rate=1)
        for _ in range(40):
            stage.run(1)
            stage.clock.now += stall
        return [(frame["type"], frame["account_id"], frame["seq"]) for frame in stage.frames]

    assert lived(0) == lived(3.7)


@pytest.mark.parametrize("rate", [0.3, 1, 3, 15, 20, 90])
def test_a_holder_is_told_of_at_the_rate(rate: float) -> None:
    stage = Stage(accounts=0, rate=rate)
    account = stage.world.add("acc_t", "1", "Ada", "g", 10_000_000)
    stage.world.broker.order(account, Ticket("EURUSD", "BUY", 1))
    stage.frames.clear()
    stage.run(20)
    assert len(stage.kinds("acc_t")) == pytest.approx(20 * rate, abs=1)

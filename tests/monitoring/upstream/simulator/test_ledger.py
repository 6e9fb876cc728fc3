"""The books: exact to the cent, whatever is opened, closed, deposited and however prices move."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.upstream.simulator.ledger import Account, Position
from monitoring.upstream.simulator.market import Conversions, Quote
from monitoring.upstream.simulator.symbols import SYMBOLS

NAMES = st.sampled_from(["EURUSD", "USDJPY", "XAUUSD", "GER40", "US30", "EURJPY", "BTCUSD"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), NAMES, st.sampled_from([1, -1]), st.integers(1, 5000)),
        st.tuples(st.just("close"), st.integers(0, 20), st.integers(1, 5000), st.just(0)),
        st.tuples(st.just("move"), NAMES, st.integers(-500, 500), st.just(0)),
        st.tuples(st.just("operate"), st.sampled_from(["deposit", "payout", "credit"]), st.integers(1, 10**7),
                  st.just(0)),
        st.tuples(st.just("put"), st.integers(0, 2 * 10**7), st.just(0), st.just(0)),
        st.tuples(st.just("night"), st.integers(1, 3), st.just(0), st.just(0)),
    ),
    max_size=40,
)  # fmt: skip


class Books:
    """An account on a market of resting prices that a test may move."""

    def __init__(self) -> None:
        self.quotes = {
            name: Quote(symbol, symbol.points(symbol.start), symbol.points(symbol.start) + symbol.spread)
            for name, symbol in SYMBOLS.items()
        }
        self.conversions = Conversions(self.quotes)
        self.account = Account("acc_1", "500001", "Ada", "g", 10_000_000)
        self.account.operate(10_000_000, "deposit")
        self.tickets = 0

    def do(self, step: tuple[str, object, int, int]) -> None:
        """One step of a generated history."""
        what, first, second, third = step
        account = self.account
        if what == "open":
            self.tickets += 1
            account.open(Position(self.tickets, self.quotes[str(first)], second, third, 0))
        elif what == "close" and account.positions:
            position = list(account.positions.values())[int(str(first)) % len(account.positions)]
            account.close(position, min(second, position.units), 1, 0, "client")
        elif what == "move":
            self.move(str(first), second)
        elif what == "operate":
            account.operate(-second if first == "payout" else second, str(first))
        elif what == "put":
            account.offset += int(str(first)) - account.equity
        elif what == "night":
            account.roll_over(int(str(first)))

    def move(self, name: str, points: int) -> None:
        """Move a price by points."""
        quote = self.quotes[name]
        quote.bid += points
        quote.ask += points
        self.conversions.follow(quote)


@settings(max_examples=300)
@given(STEPS)
def test_equity_is_balance_credit_and_profit_and_no_money_appears(steps: list[tuple[str, object, int, int]]) -> None:
    books = Books()
    account = books.account
    for step in steps:
        books.do(step)
        assert account.equity == account.balance + account.credit + account.floating
        assert account.balance == account.operations + account.deals
        assert account.margin == sum(position.margin for position in account.positions.values())
    for position in list(account.positions.values()):
        account.close(position, position.units, 1, 0, "client")
    assert account.margin == 0
    if account.trades and not account.positions and account.offset == 0:
        assert account.floating == 0
        assert account.balance == account.operations + sum(trade.net for trade in account.trades)


@settings(max_examples=200)
@given(NAMES, st.sampled_from([1, -1]), st.integers(1, 10000), st.integers(-2000, 2000))
def test_profit_is_what_decimal_says(name: str, side: int, units: int, moved: int) -> None:
    books = Books()
    quote = books.quotes[name]
    position = Position(1, quote, side, units, 0)
    books.move(name, moved)
    symbol = quote.symbol
    opened, closed = (Decimal(points) / symbol.scale for points in (position.open_points, position.exit_points))
    profit = (closed - opened) * side * symbol.contract_size * Decimal(units) / 100
    if symbol.quote == "JPY":
        profit /= Decimal(books.quotes["USDJPY"].bid) / 1000
    elif symbol.quote == "EUR":
        profit *= Decimal(books.quotes["EURUSD"].bid) / 100_000
    assert abs(position.profit - profit * 100) <= Decimal("0.5")


def test_a_pip_of_one_lot_of_euro_is_ten_dollars_and_gold_a_dollar_an_ounce() -> None:
    books = Books()
    euro = Position(1, books.quotes["EURUSD"], 1, 100, 0)
    gold = Position(2, books.quotes["XAUUSD"], -1, 100, 0)
    spread = euro.profit, gold.profit
    books.move("EURUSD", 10)
    books.move("XAUUSD", -1000)
    assert (euro.profit - spread[0], gold.profit - spread[1]) == (1000, 10_000)


def test_a_partial_close_leaves_its_share_of_swap_and_commission() -> None:
    books = Books()
    account = books.account
    position = Position(1, books.quotes["EURUSD"], 1, 300, 0)
    account.open(position)
    account.roll_over(1)
    assert (position.commission, position.swap) == (-1050, -1800)
    trade = account.close(position, 100, 9001, 0, "client")
    assert (trade.commission, trade.swap, trade.remaining) == (-700, -600, 200)
    assert (position.commission, position.swap, position.units) == (-700, -1200, 200)


def test_closing_the_last_position_realises_the_offset() -> None:
    books = Books()
    account = books.account
    first, second = (Position(number, books.quotes["EURUSD"], 1, 100, 0) for number in (1, 2))
    account.open(first)
    account.open(second)
    account.offset += 9_400_000 - account.equity
    account.close(first, 100, 1, 0, "client")
    assert account.offset != 0
    assert account.equity == pytest.approx(9_400_000, abs=400)
    account.close(second, 100, 2, 0, "client")
    assert (account.offset, account.floating) == (0, 0)
    assert account.balance == account.equity == 9_400_000 - 700

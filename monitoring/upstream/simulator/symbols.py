"""What may be traded: contract sizes, digits, quote currencies, costs. Prices are whole points inside."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

VOLUME_UNITS = 100  # a lot is 100 units of 0.01


@dataclass(frozen=True, slots=True)
class Symbol:
    """One instrument. `spread`, `swap_long` and `swap_short` in points, `commission` in cents a lot and side."""

    name: str
    digits: int
    contract_size: int
    base: str
    quote: str
    start: str
    spread: int
    sigma: float  # standard deviation of the return over the square root of a second, in a quiet hour
    commission: int = 350
    swap_long: int = -6
    swap_short: int = 1
    max_leverage: int = 500
    always_open: bool = False
    max_lots: int = 100
    min_units: int = 1
    max_units: int = 100 * VOLUME_UNITS

    @property
    def scale(self) -> int:
        """Points in one unit of price."""
        return int(10**self.digits)

    def points(self, price: float | str | Decimal) -> int:
        """The price as whole points, rounded half up."""
        return int((Decimal(str(price)) * self.scale + Decimal("0.5")).__floor__())

    def price(self, points: int) -> float:
        """Points as the number that goes on the wire."""
        return round(points / self.scale, self.digits)


_ALL = (
    Symbol("EURUSD", 5, 100_000, "EUR", "USD", "1.08340", 12, 5.0e-5),
    Symbol("GBPUSD", 5, 100_000, "GBP", "USD", "1.27150", 15, 5.5e-5),
    Symbol("USDJPY", 3, 100_000, "USD", "JPY", "149.850", 14, 5.5e-5, swap_long=3, swap_short=-9),
    Symbol("AUDUSD", 5, 100_000, "AUD", "USD", "0.66100", 14, 6.0e-5),
    Symbol("USDCHF", 5, 100_000, "USD", "CHF", "0.87900", 15, 5.0e-5, swap_long=2, swap_short=-7),
    Symbol("USDCAD", 5, 100_000, "USD", "CAD", "1.36050", 16, 4.5e-5),
    Symbol("EURJPY", 3, 100_000, "EUR", "JPY", "162.350", 20, 6.5e-5, swap_long=2, swap_short=-8),
    Symbol("XAUUSD", 3, 100, "XAU", "USD", "2034.500", 280, 9.0e-5, swap_long=-250, swap_short=90, max_leverage=50),
    Symbol("XAGUSD", 3, 5_000, "XAG", "USD", "23.100", 22, 4.0e-5, swap_long=-4, swap_short=1, max_leverage=50),
    Symbol("US30", 1, 1, "US30", "USD", "38650.0", 25, 8.0e-5, 0, -60, 10, 50, max_lots=1000, max_units=100_000),
    Symbol("NAS100", 1, 1, "NAS100", "USD", "17800.0", 14, 1.1e-4, 0, -30, 5, 50, max_lots=1000, max_units=100_000),
    Symbol("GER40", 1, 1, "GER40", "EUR", "16920.0", 14, 8.0e-5, 0, -25, 4, 50, max_lots=1000, max_units=100_000),
    Symbol("BTCUSD", 2, 1, "BTC", "USD", "51800.00", 1800, 1.5e-4, 0, -2200, 0, 10, always_open=True),
    Symbol("ETHUSD", 2, 1, "ETH", "USD", "2810.00", 150, 1.8e-4, 0, -120, 0, 10, always_open=True, max_units=50_000),
)
SYMBOLS: dict[str, Symbol] = {symbol.name: symbol for symbol in _ALL}

"""Which base names are known without a table: currencies, metals, coins, indices, commodities, and what moves them."""

from __future__ import annotations

import re
from functools import lru_cache


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CURRENCIES = _names(
    "AED ARS AUD BGN BHD BRL CAD CHF CLP CNH CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JOD JPY KES KRW KWD "
    "KZT MAD MXN MYR NGN NOK NZD OMR PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TND TRY TWD UAH USD VND XOF ZAR"
)
_METALS = _names("XAU XAG XPT XPD XCU XAL XNI XPB XZN XRH")
_ENERGIES = _names("XTI XBR XNG WTI")
_COINS = _names(
    "AAVE ADA ALGO APE APT ARB ATOM AVAX AXS BAT BCH BNB BSV BTC CHZ COMP CRV DASH DOGE DOT DSH EGLD ENJ EOS ETC ETH "
    "FIL FLOW FTM GALA GRT HBAR ICP IMX INJ IOTA KSM LINK LRC LTC MANA MATIC MKR NEAR NEO OMG ONE ONT OP PAXG PEPE POL "
    "QTUM RNDR RUNE SAND SHIB SNX SOL STX SUI SUSHI THETA TIA TON TRX UNI USDC USDT VET WAVES WIF WLD XEM XLM XMR XRP "
    "XTZ YFI ZEC ZIL ZRX"
)
_STABLE = ("USDT", "USDC")  # coins that stand for a dollar; in capitals only: EURUSDc is a cent account's EURUSD
_COMMODITIES = _names(
    "ALUMINIUM BRENT CATTLE COCOA COFFEE COPPER CORN COTTON CRUDE CRUDOIL GASOIL GASOLINE GOLD LEAD NATGAS NGAS NICKEL "
    "NATURALGAS OIL OJUICE PALLADIUM PLATINUM RICE SILVER SOYBEAN SOYBEANS SUGAR UKOIL UKOUSD USOIL USOUSD WHEAT WTI "
    "XTI XBR XNG ZINC"
)
_INDEX = re.compile(r"[A-Z]+[0-9]{2,4}")
_INDEX_CURRENCIES = {
    currency: re.compile(rf"(?:{names})[0-9]{{2,4}}")
    for currency, names in {
        "USD": "US|USA|USTEC|UST|USTECH|WS|NAS|NASDAQ|NDX|NQ|SPX|SP|SPC|DJ|DJI|DOW|DOWJ|WALLST|RUS|RUSS|RTY|TECH",
        "EUR": "GER|DE|DAX|GDAXI|FDAX|EU|EUR|EUSTX|ESTX|ESX|STOXX|STX|FRA|FR|F|CAC|ESP|ES|SPA|SPAIN|IBEX|IT|ITA|ITALY|"
        "NL|NETH|NED|AEX|MDAX|MDE|TECDE",
        "GBP": "UK|GB|FTSE|UKX",
        "JPY": "JP|JPN|JAP|JPY|NI|NIK|NIKKEI|N",
        "AUD": "AUS|AU|ASX|SPI",
        "HKD": "HK|HSI|HKG|CHINAH|CHN",
        "CNH": "CN|CHINA|CHI|CHINAA|FTXIN",
        "CHF": "SUI|SWI|SWISS|CH|CHE|SMI|SWITZERLAND",
        "CAD": "CA|CAN|TSX",
        "SGD": "SG|SGP|SING|SGX",
        "INR": "IND|INDIA|NIFTY|IN",
        "ZAR": "SA|SAF|ZA|ZAF|SOUTHAFR",
        "NOK": "NOR|NO|OBX",
        "SEK": "SWE|SE|OMX|OMXS",
        "DKK": "DEN|DK|OMXC",
        "PLN": "POL|PL|WIG",
    }.items()
}


def is_known(name: str, capitals: str) -> bool:
    """Whether a name is a base name as it stands, or in capitals."""
    if any(_is_coin_pair(name, stable) for stable in _STABLE):
        return True
    return bool(legs(capitals)) or capitals in _COMMODITIES or _INDEX.fullmatch(capitals) is not None


def _is_coin_pair(name: str, quote: str) -> bool:
    return name.endswith(quote) and name != quote and name[: -len(quote)] in _COINS


@lru_cache(maxsize=4096)
def legs(name: str) -> tuple[str, ...]:
    """Return the two legs of a pair in capitals; empty for what is none."""
    first, second = name[:3], name[3:]
    parts = _CURRENCIES | _METALS | _ENERGIES | _COINS
    if len(name) == 6 and first in parts and second in parts and first != second:
        return first, second
    if name[:-3] in _COINS and name[-3:] in _CURRENCIES:
        return name[:-3], name[-3:]
    return next(((name[:-4], quote) for quote in _STABLE if _is_coin_pair(name, quote)), ())


@lru_cache(maxsize=4096)
def currencies_of(base: str) -> frozenset[str]:
    """Return the currencies whose announcements move a symbol: a pair's legs, or an index's own currency."""
    if pair := legs(base):
        return frozenset(pair) | {leg[:3] for leg in pair if leg in _STABLE}
    if _INDEX.fullmatch(base):
        owned = next((code for code, names in _INDEX_CURRENCIES.items() if names.fullmatch(base)), None)
        return frozenset({owned} if owned else ())
    return frozenset({code for code in _CURRENCIES if code in base})

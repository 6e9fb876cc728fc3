"""Names of symbols: from what a server calls them to base names, and which announcements concern them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

from monitoring.engine.market.instruments import currencies_of, is_known
from monitoring.engine.messages import NewsEvent

_CUT = ".-_#!+"


def base_name(raw: str, table: Mapping[str, str], known: Collection[str] = frozenset()) -> str | None:
    """Return a symbol's base name in capitals: the server's `table` first, then what is left without prefix and suffix.

    `known`: base names of the rule's own lists, which count beside the currencies, metals, coins and indices.
    None: the name cannot be normalised.
    """
    if raw in table:
        return table[raw].upper()
    return _normalised(raw, frozenset(known))


@lru_cache(maxsize=4096)
def _normalised(raw: str, known: frozenset[str]) -> str | None:
    name = raw[1:] if raw[:1] in {"#", ".", "_"} else raw
    name = next((name[:place] for place, sign in enumerate(name) if sign in _CUT), name)
    while name:
        if name in known or name.upper() in known or is_known(name, name.upper()):
            return name.upper()
        if not ("a" <= name[-1] <= "z"):
            return None
        name = name.rstrip("abcdefghijklmnopqrstuvwxyz")
    return None


def affects(event: NewsEvent, base: str | None, scope: str) -> bool:
    """Whether an announcement concerns a symbol by its base name (None: it has none), under a `scope`."""
    if scope == "all":
        return True
    if base is None:
        return False
    if base in event.symbols or any(base == name.upper() for name in event.symbols):
        return True
    return scope == "currency" and event.currency.upper() in currencies_of(base)

"""Who trades here at the start: invented names, sizes, groups and styles, drawn from the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

FIRST = (
    "Ada", "Bela", "Cato", "Dara", "Edda", "Finn", "Gaia", "Hugo", "Iris", "Joon", "Kaya", "Leif", "Mira", "Nilo",
    "Oona", "Pavo", "Quin", "Rhea", "Sten", "Tala", "Ugo", "Vera", "Wim", "Xena", "Yara", "Zeno", "Amara", "Boris",
    "Celia", "Dmitri", "Esra", "Farid", "Greta", "Hana", "Ivo", "Jade", "Kofi", "Lena", "Marek", "Nadia",
)  # fmt: skip
LAST = (
    "Abendroth", "Brightwater", "Castellan", "Dunmore", "Eklund", "Fairweather", "Galloway", "Hartmann", "Ibarra",
    "Jansky", "Kowal", "Lindqvist", "Marchetti", "Novotna", "Okafor", "Pemberton", "Quill", "Rosenthal", "Sato",
    "Thornbury", "Ulvaeus", "Vandermeer", "Whitlock", "Yamada", "Zielinski", "Achterberg", "Bellweather", "Corrigan",
    "Delacroix", "Esposito", "Farrow", "Grunewald", "Holloway", "Ingram", "Joubert", "Kestrel", "Lovelace", "Moreau",
)  # fmt: skip
SIZES = (2_500_000, 5_000_000, 10_000_000, 10_000_000, 10_000_000, 20_000_000)  # cents
GROUPS = ("two-step/phase-1",) * 12 + ("two-step/phase-2",) * 5 + ("two-step/funded",) * 3
STYLES = (
    ("idle",) * 24 + ("swing",) * 30 + ("scalper",) * 12 + ("copier",) * 8 + ("hedger",) * 8 + ("martingale",) * 4
    + ("gambler",) * 4 + ("fader",) * 10
)  # fmt: skip
FIRST_LOGIN = 500_001


@dataclass(frozen=True, slots=True)
class Person:
    """One account holder at the start; `size` in cents."""

    number: int
    name: str
    size: int
    group: str
    style: str

    @property
    def id(self) -> str:
        """The account's id: acc_1 is the first."""
        return f"acc_{self.number}"

    @property
    def login(self) -> str:
        """The account's number on the server."""
        return str(FIRST_LOGIN + self.number - 1)


def person(seed: int, number: int) -> Person:
    """The holder of account `number` (from 1): the same for the same seed, whoever else trades."""
    dice = random.Random(f"holder-{seed}-{number}")
    name = f"{dice.choice(FIRST)} {dice.choice(LAST)}"
    size, group, style = dice.choice(SIZES), dice.choice(GROUPS), dice.choice(STYLES)
    if number == 1:  # the demo's own trader: calm, and in the first phase
        return Person(number, name, 10_000_000, "two-step/phase-1", "calm")
    return Person(number, name, size, group, style)

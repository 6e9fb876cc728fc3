"""What a run has found at the end of its turn and where it stands, kept on the disk until its next turn."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

from monitoring.lab.compare import Comparison
from monitoring.lab.frames import Place


class TurnError(Exception):
    """What was kept cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The end of a turn: the files that are read, the place in them, and the comparison so far."""

    paths: list[Path]
    place: Place
    comparison: Comparison

    def keep(self, file: Path) -> None:
        """Write it, whole or not at all; nobody else can read or change it."""
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = file.with_suffix(".fresh")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        with fresh.open("wb") as out:
            pickle.dump(self, out, protocol=5)
        fresh.replace(file)


def kept(file: Path) -> Turn | None:
    """The turn before this one; None: there was none. It comes from our own private folder only."""
    if not file.exists():
        return None
    try:
        with file.open("rb") as content:
            found = pickle.load(content)
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, TypeError) as error:
        raise TurnError(f"What was found so far cannot be read ({type(error).__name__}): start it again.") from error
    assert isinstance(found, Turn)
    return found

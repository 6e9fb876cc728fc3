"""A simulated world that outlives its process: saved to a file of the state folder, taken up again at the next start.

Without it each start of a demo would give every account its first balance back, which no trading server does.
The file is a pickle, so it must be our own: it is written with mode 0600 and only read from where it was written.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
from functools import cache
from pathlib import Path

from monitoring.upstream.simulator.world import World

SAVE_SECONDS = 15.0
SAVE_SHARE = 50  # a save that takes long comes less often: at most a fiftieth of the time goes into it
log = logging.getLogger(__name__)


def save_or_say(world: World, path: Path, options: str) -> None:
    """As `save`; a full disk costs the world's memory, not the world."""
    try:
        save(world, path, options)
    except OSError as error:
        log.error("the world cannot be saved: %s", error)


@cache
def _edition() -> bytes:
    """What the simulator's own source hashes to: a world of another edition cannot be taken up."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.digest()


def save(world: World, path: Path, options: str) -> None:
    """Write the world; the old file stays whole until the new one is."""
    fresh = path.with_suffix(".new")
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(_edition() + hashlib.sha256(options.encode()).digest())
        pickle.dump(world, file, protocol=pickle.HIGHEST_PROTOCOL)
    fresh.replace(path)


def load(path: Path, options: str) -> World | None:
    """Return the saved world; None if there is none of this edition and these options, or the file is torn."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    head = _edition() + hashlib.sha256(options.encode()).digest()
    if content[: len(head)] != head or path.stat().st_uid != os.getuid():
        return None
    try:
        world = pickle.loads(content[len(head) :])  # our own file, see above
    except Exception as error:  # pickle raises what it likes when bytes are not what they were
        log.warning("the saved world %s cannot be read, a new one begins: %r", path, error)
        return None
    return world if isinstance(world, World) else None

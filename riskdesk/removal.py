"""Removes a desk's state (make clean): the state dir, and what root's servers keep outside it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from riskdesk import services
from riskdesk.preparation import NotPossible, only_one


def remove_state(state_dir: Path) -> None:
    """Remove everything that the desk of this state dir has written; refuses while it runs."""
    if not state_dir.is_dir():
        services.remove(state_dir)
        return
    with only_one(state_dir):
        services.remove(state_dir)
        shutil.rmtree(state_dir)


if __name__ == "__main__":
    try:
        remove_state(Path(sys.argv[1]).resolve())
    except NotPossible as error:
        sys.exit(str(error))

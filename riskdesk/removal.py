"""Removes a desk's state (make clean): the state dir, and what root's servers keep outside it."""
# The settings cannot be asked: loading them makes the very folder and its secrets.

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from riskdesk import services
from riskdesk.env import Environment
from riskdesk.preparation import NotPossible, only_one


def remove_state(state_dir: Path) -> None:
    """Remove everything that the desk of this state dir has written; refuses while it runs."""
    if not state_dir.is_dir():
        services.remove(state_dir)
        return
    with only_one(state_dir):
        services.remove(state_dir)
        shutil.rmtree(state_dir)


def state_dir_of(root: Path) -> Path:
    """The state dir that the environment or `.env` names; refuses one that holds more than a desk's state."""
    state = (root / Environment.load(root).text("RISKDESK_STATE_DIR", ".riskdesk")).resolve()
    for kept in (root, Path.home()):
        if kept == state or state in kept.parents:
            raise NotPossible(f"RISKDESK_STATE_DIR is {state}, which holds more than a desk's state: remove it by hand")
    return state


if __name__ == "__main__":
    try:
        remove_state(state_dir_of(Path(__file__).resolve().parent.parent))
    except (NotPossible, ImproperlyConfigured) as error:
        sys.exit(str(error))

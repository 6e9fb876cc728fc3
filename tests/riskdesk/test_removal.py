"""`make clean` removes the desk's state where the settings put it, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from riskdesk.preparation import NotPossible, only_one
from riskdesk.removal import remove_state, state_dir_of

ROOT = Path(__file__).resolve().parents[2]


def test_the_state_is_removed_where_the_env_file_puts_it(tmp_path: Path) -> None:
    state, env_file = tmp_path / "elsewhere", tmp_path / "desk.env"
    (state / "logs").mkdir(parents=True)
    env_file.write_text(f"RISKDESK_STATE_DIR={state}\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RISKDESK_")}
    command = [sys.executable, "-m", "riskdesk.removal"]
    subprocess.run(command, cwd=ROOT, env=kept | {"RISKDESK_ENV_FILE": str(env_file)}, check=True)
    assert not state.exists()


def test_a_running_desks_state_stays(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with only_one(state), pytest.raises(NotPossible, match="already runs"):
        remove_state(state)
    assert state.is_dir()


@pytest.mark.parametrize("named", [".", "..", "/", str(Path.home())])
def test_a_folder_that_holds_more_than_state_is_not_removed(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKDESK_STATE_DIR", named)
    with pytest.raises(NotPossible, match="by hand"):
        state_dir_of(ROOT)

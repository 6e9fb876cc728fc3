"""Root's servers run as another user, who must not need a way through root's private folders."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

from riskdesk.binaries import Binaries, packaged, readable


def test_programs_in_a_private_folder_are_copied_with_all_that_they_need(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    found = packaged()
    (private / "site").symlink_to(found.postgres.parents[1])
    hidden = Binaries(private / "site" / found.postgres.relative_to(found.postgres.parents[1]), found.valkey)
    copy = readable(hidden, tmp_path / "bin")
    for program in (copy.postgres / "bin" / "initdb", copy.postgres / "bin" / "postgres", copy.valkey):
        assert program.is_relative_to(tmp_path / "bin")
        assert program.stat().st_mode & stat.S_IXOTH
        subprocess.run([program, "--version"], check=True, capture_output=True)
    assert readable(hidden, tmp_path / "bin") == copy
    assert len(list((tmp_path / "bin").iterdir())) == 1

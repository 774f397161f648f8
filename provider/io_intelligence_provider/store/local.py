"""Files on local disk: a temporary file, synced, then renamed or linked into its place."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import Final

__all__ = ["create_local", "delete_tree_local", "put_local", "sweep_local", "temporary_name"]

_TEMPORARY: Final = re.compile(r"\..+\.[0-9]+-[0-9a-f]+\.tmp", re.DOTALL)
_LEFTOVER_SECONDS: Final = 86_400  # no write takes as long


def temporary_name(name: str) -> str:
    """Return a name that no other writer of ``name`` uses, and that no engine takes for data."""
    return f".{name}.{os.getpid()}-{secrets.token_hex(4)}.tmp"


def put_local(target: Path, data: bytes, root: Path) -> None:
    """Write a temporary file, sync it, rename it, sync the folder.

    The temporary file lies right below the root: what a killed process leaves behind is then in no
    folder that other engines read as a whole.
    """
    with _temporary(target, data, root) as temporary:
        temporary.replace(target)
    _sync(target.parent)


def create_local(target: Path, data: bytes, root: Path) -> bool:
    """Do the same, but tell by ``False`` when the file is there: a hard link does not replace."""
    with _temporary(target, data, root) as temporary:
        try:
            target.hardlink_to(temporary)
        except FileExistsError:
            return False
    _sync(target.parent)
    return True


@contextmanager
def _temporary(target: Path, data: bytes, root: Path) -> Iterator[Path]:
    """Write a synced temporary file; what is left of it in the end is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = root / temporary_name(target.name)
    try:
        with temporary.open("xb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep_local(root: Path) -> None:
    """Remove the temporary files of writers that were killed long ago."""
    for leftover in root.glob(".*.tmp"):
        status = leftover.lstat()
        is_ours = _TEMPORARY.fullmatch(leftover.name) and S_ISREG(status.st_mode)
        if is_ours and status.st_mtime < time.time() - _LEFTOVER_SECONDS:
            leftover.unlink(missing_ok=True)


def delete_tree_local(folder: Path) -> None:
    """Remove a folder and all in it; of a symbolic link the link alone."""
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink()
    else:
        shutil.rmtree(folder)

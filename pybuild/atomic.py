"""Files that are there whole or not at all: written beside their place, then renamed into it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from pyengine.errors import InputError

__all__ = ["STAGING_PREFIX", "replaced", "staging_folder", "write_bytes"]

STAGING_PREFIX = ".vitrine-"
"""Begins the name of everything unfinished."""
ABANDONED_S = 24 * 3600


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place when the block ends well.

    Raises
    ------
    InputError
        The folder is missing or cannot be written.
    """
    with unwritable(path):
        handle, name = tempfile.mkstemp(prefix=STAGING_PREFIX, suffix=path.suffix, dir=path.parent)
        os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with unwritable(path):
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write a whole file, or leave what was there."""
    with replaced(path) as temporary, unwritable(path):
        temporary.write_bytes(data)


@contextlib.contextmanager
def staging_folder(parent: Path) -> Iterator[Path]:
    """A folder inside ``parent`` for unfinished work; gone when the block ends.

    What a process that was killed left there is removed once it is a day old.
    """
    with unwritable(parent):
        for old in parent.glob(f"{STAGING_PREFIX}*"):
            if time.time() - old.lstat().st_mtime > ABANDONED_S and not old.is_symlink():
                shutil.rmtree(old, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=parent))
        folder.chmod(0o777 & ~_umask())
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def unwritable(path: Path) -> Iterator[None]:
    """Turn the system's errors about ``path`` into one line."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

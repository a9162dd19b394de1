"""What an untrusted file may ask for: its bytes are mapped, its claims checked before allocation.

A reader holds the file, the arrays it returns and some temporaries. Together they stay below
``FACTOR`` times the file's size (plus a small constant, so that tiny files are not refused), which
bounds what a compressed bomb or a made-up count can cost.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path

from pyengine.errors import malformed

__all__ = [
    "FACTOR",
    "SLACK_BYTES",
    "Buffer",
    "Progress",
    "check_budget",
    "mapped",
    "splat_bytes",
]

Buffer = bytes | memoryview
"""A whole file in memory (or mapped): contiguous bytes."""

Progress = Callable[[float], None]
"""Called with the fraction done, 0 to 1."""

FACTOR = 64
SLACK_BYTES = 1 << 20

_TEMPORARY_BYTES = 128
"""Per splat, above the result: index and float64 arrays of one attribute being decoded."""


def mapped(path: str | os.PathLike[str]) -> Buffer:
    """The file's bytes, mapped read-only, so that a large file costs address space only.

    Raises
    ------
    FormatError
        The file cannot be opened.
    """
    try:
        with Path(path).open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return b""
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise malformed(os.fspath(path), f"cannot be read ({reason})") from error


def splat_bytes(sh_degree: int) -> int:
    """Most bytes that decoding needs a splat: the result, a cleaned copy of it, temporaries."""
    result = 4 * (3 + 3 + 4 + 1 + 3 * (sh_degree + 1) ** 2)
    return 2 * result + _TEMPORARY_BYTES


def check_budget(name: str, file_bytes: int, needed_bytes: int, what: str) -> None:
    """Refuse a claim that no honest file of this size would make.

    Parameters
    ----------
    name : str
        The file, for the message.
    file_bytes : int
        Size of the file on disk.
    needed_bytes : int
        What decoding would allocate in all.
    what : str
        The claim, for the message: ``"4000000 splats of SH degree 3"``.
    """
    if needed_bytes > FACTOR * file_bytes + SLACK_BYTES:
        raise malformed(
            name,
            f"{what} would need {needed_bytes} bytes of memory",
            wanted=f"at most {FACTOR} times the file's size",
            got=f"a file of {file_bytes} bytes",
            hint="The file is truncated or damaged.",
        )

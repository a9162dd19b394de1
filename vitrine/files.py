"""Files that a notebook's page asks the kernel for, and the pieces in which they are sent."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pybuild.held import packed, write_held_engine

__all__ = ["PIECE_BYTES", "Engine", "Piece", "engine", "pieces"]

PIECE_BYTES = 2 << 20
"""Of a message; servers of notebooks refuse very large ones."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file.

    Attributes
    ----------
    data : bytes
    packing : str
        ``gzip``, or empty; of the file as a whole.
    last : bool
    """

    data: bytes
    packing: str
    last: bool


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine of this process.

    Attributes
    ----------
    keeper : TemporaryDirectory
        Has ``vitrine/``, and goes with the process.
    name : str
        By what is in it, so that scenes of a page share one.
    """

    keeper: tempfile.TemporaryDirectory[str]
    name: str


@cache
def engine() -> Engine:
    """The engine's files, written once.

    Raises
    ------
    InputError
        They cannot be written.
    """
    keeper = tempfile.TemporaryDirectory(prefix="vitrine-")
    write_held_engine(Path(keeper.name), [])
    digest = hashlib.sha256()
    for path in sorted(Path(keeper.name).rglob("*")):
        if path.is_file() and path.suffix != ".br":
            digest.update(path.name.encode() + path.read_bytes())
    return Engine(keeper, f"engine-{digest.hexdigest()[:12]}")


def pieces(root: Path, path: str) -> Iterator[Piece]:
    """A file below ``root``, in pieces.

    Raises
    ------
    FileNotFoundError
        There is none of this name below ``root``.
    """
    file = (root / path).resolve()
    if not file.is_relative_to(root.resolve()) or not file.is_file():
        raise FileNotFoundError(f"{path} is not here")
    data, zipped = packed(file.read_bytes())
    for start in range(0, max(len(data), 1), PIECE_BYTES):
        end = start + PIECE_BYTES
        yield Piece(data[start:end], "gzip" if zipped else "", end >= len(data))

"""Brotli siblings of files that a server may send in their place."""

from __future__ import annotations

from pathlib import Path

import brotli

from pybuild.atomic import unwritable, write_bytes

__all__ = ["SMALL_BYTES", "WORTH", "compressed", "rewrite", "write_sibling"]

SMALL_BYTES = 1 << 20
"""Up to this size the best quality costs under a second."""
FAST_QUALITY, BEST_QUALITY = 5, 11
WORTH = 0.97
"""A sibling is kept when it has at most this share of the file's bytes."""


def compressed(data: bytes, quality: int | None = None) -> bytes | None:
    """Brotli stream of ``data``, or None where it is not worth a file.

    Parameters
    ----------
    data : bytes
    quality : int, optional
        0 to 11; by size unless given: the best for small files, a fast one for large ones.
    """
    if quality is None:
        quality = BEST_QUALITY if len(data) <= SMALL_BYTES else FAST_QUALITY
    result: bytes = brotli.compress(data, quality=quality)
    return result if len(result) <= WORTH * len(data) else None


def write_sibling(path: Path, quality: int | None = None) -> Path | None:
    """Write ``path`` + ``.br``, if it is worth it; returns it, or None."""
    data = compressed(path.read_bytes(), quality)
    if data is None:
        return None
    sibling = path.with_name(path.name + ".br")
    write_bytes(sibling, data)
    return sibling


def rewrite(path: Path, data: bytes) -> None:
    """Write a file that may be there, and its sibling anew if it has one."""
    sibling = path.with_name(path.name + ".br")
    had = sibling.is_file()
    with unwritable(sibling):
        sibling.unlink(missing_ok=True)  # first: a server prefers it, and it is of the old file
    write_bytes(path, data)
    if had:
        write_sibling(path)

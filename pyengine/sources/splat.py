"""The .splat format: 32 bytes a splat, no header; drawn in pybuild/formats/splat.py."""

from __future__ import annotations

from pyengine.errors import malformed
from pyengine.sources.source import Bytes, Source, checked_size

__all__ = ["ROW_BYTES", "parse"]

ROW_BYTES = 32


def parse(file: Bytes, name: str) -> Source:
    """Count the rows.

    Raises
    ------
    FormatError
        The size is no multiple of a row's.
    """
    if file.size_bytes % ROW_BYTES:
        raise malformed(
            name,
            "not a .splat file",
            wanted=f"a multiple of {ROW_BYTES} bytes",
            got=f"{file.size_bytes} bytes",
            hint="The file is truncated or of another format.",
        )
    checked_size(name, "the rows", file.size_bytes, file)
    count = file.size_bytes // ROW_BYTES
    return Source(name, "splat", count, 0, False, 0, file.size_bytes, ())

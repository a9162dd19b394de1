"""Scene files that the page itself unpacks: their headers are read here, their rows on the GPU.

`open_source` looks at a few bytes of a file and says where its numbers lie. The rows never pass
through Python: they are uploaded as they stand, and shaders/decode unpacks them. The oracle is
`pybuild.formats`, which reads the same files with numpy.
"""

from __future__ import annotations

from pyengine.errors import malformed
from pyengine.sources import compressed_ply, ply, splat, spz
from pyengine.sources.source import Bytes, Source

__all__ = ["SUFFIXES", "Bytes", "Source", "open_source"]

SUFFIXES = (".ply", ".splat", ".spz")


def open_source(file: Bytes, name: str) -> Source:
    """Find the format, by content first and by the suffix otherwise, and check the header.

    Parameters
    ----------
    file : Bytes
        The file; of a gzip stream, what it holds.
    name : str
        What messages call it.

    Raises
    ------
    FormatError
        The file cannot be shown: where, what is wrong, and what to do.
    """
    head = file.read(0, 4)
    if compressed_ply.recognises(file):
        return compressed_ply.parse(file, name)
    if head.startswith(b"ply"):
        return ply.parse(file, name)
    if head == spz.MAGIC:
        return spz.parse(file, name)
    if name.lower().endswith(".splat"):
        return splat.parse(file, name)
    raise malformed(
        name,
        "not a scene that the page can open",
        wanted=", ".join(SUFFIXES),
        got=f"a file that starts with {head!r}",
    )

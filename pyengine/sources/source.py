"""What a decode pass needs to know of a scene file, and what a header may claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyengine.bundle import CHUNK_SIZE
from pyengine.errors import malformed
from pyengine.structs import SourceTable

__all__ = ["BUILD_HINT", "MAX_BYTES", "Bytes", "Source"]

BUILD_HINT = "Convert it with: vitrine build FILE -o DIR."
MAX_BYTES = 0xFFFF_FF00
"""Shaders count bytes in 32 bits."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """A file to look into: its size, and a function that gives the bytes from one to another."""

    size_bytes: int
    read: Callable[[int, int], bytes]

    @classmethod
    def of(cls, data: bytes | memoryview) -> Bytes:
        """A file in memory."""
        return cls(len(data), lambda start, end: bytes(data[start:end]))


@dataclass(frozen=True, slots=True)
class Source:
    """A file whose header was read and whose size was found to hold what it claims.

    Attributes
    ----------
    shader : str
        Name of the format's loader: ``shaders/decode/source_{shader}.wgsl``.
    count : int
        Splats in the file.
    sh_degree : int
        As the header has it; bands may be zero all the same.
    start_byte, size_bytes : int
        The part of the file that is uploaded. ``start_byte`` is a multiple of 4.
    columns : tuple of int
        What the loader looks up, `pyengine.structs.SourceTable.columns`; at most 128 words.
    axis_flips : int
        Axes to negate on the way to PLY axes: 1 x, 2 y, 4 z.
    big_endian : bool
    """

    name: str
    shader: str
    count: int
    sh_degree: int
    antialiased: bool
    start_byte: int
    size_bytes: int
    columns: tuple[int, ...]
    axis_flips: int = 0
    big_endian: bool = False

    @property
    def chunk_count(self) -> int:
        """Chunks that hold every splat of the file; at least one."""
        return max(1, -(-self.count // CHUNK_SIZE))

    def table(self, sample_stride: int) -> bytes:
        """Bytes of the `SourceTable` that the decode shaders read."""
        data = bytearray(SourceTable.size_bytes)
        words = (*self.columns, *[0] * (128 - len(self.columns)))
        SourceTable.pack_into(data, "columns", *words)
        SourceTable.pack_into(data, "count", self.count)
        SourceTable.pack_into(data, "chunk_count", self.chunk_count)
        SourceTable.pack_into(data, "sample_stride", sample_stride)
        SourceTable.pack_into(data, "axis_flips", self.axis_flips)
        SourceTable.pack_into(data, "sh_flips", sh_flips(self.axis_flips))
        SourceTable.pack_into(data, "big_endian", int(self.big_endian))
        return bytes(data)


_X, _Y, _Z = 1, 2, 4
_SH_MONOMIALS = (
    *(_Y, _Z, _X),
    *(_X | _Y, _Y | _Z, 0, _X | _Z, 0),
    *(_Y, _X | _Y | _Z, _Y, _Z, _X, _Z, _X),
)
"""The axes in which each basis function above DC is odd; pybuild/sh.py has the functions."""


def sh_flips(axis_flips: int) -> int:
    """Coefficients above DC that change sign when axes do, as bits."""
    odd = (bin(axes & axis_flips).count("1") % 2 for axes in _SH_MONOMIALS)
    return sum(1 << index for index, flips in enumerate(odd) if flips)


def checked_size(name: str, what: str, end_byte: int, file: Bytes) -> None:
    """Refuse rows that end beyond the file, or beyond what a shader can count."""
    if end_byte > file.size_bytes:
        raise malformed(
            name,
            f"the file ends inside {what}",
            wanted=f"{end_byte} bytes",
            got=f"{file.size_bytes} bytes",
            hint="The file is truncated: download or export it again.",
        )
    if end_byte > MAX_BYTES:
        raise malformed(
            name,
            f"{what} is larger than a page can unpack",
            wanted=f"at most {MAX_BYTES >> 20} MiB",
            got=f"{end_byte >> 20} MiB",
            hint=BUILD_HINT,
        )

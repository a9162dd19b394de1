"""What an SPZ file says before its arrays: the header, and the extension records.

::

    versions 1-3   gzip( header 16 | positions alphas colors scales rotations sh | extensions )
    version 4      header 32 | extensions | sizes of the streams | one zstd stream an array

An extension record is u32 type, u32 length, payload; only the coordinate system is understood. The
page and the build read both here.

Source: nianticlabs/spz, load-spz.cc and extensions/README.md.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from pyengine.errors import malformed

__all__ = [
    "ANTIALIASED",
    "ARRAYS",
    "EXTENSIONS",
    "EXTENSIONS_LIMIT_BYTES",
    "HEADER",
    "MAGIC",
    "STREAM",
    "SYSTEMS",
    "TAIL",
    "Header",
    "parse_header",
    "system_of",
]

MAGIC = b"NGSP"
ARRAYS = ("positions", "alphas", "colors", "scales", "rotations", "sh")
SYSTEMS = (
    *("RUB", "LDB", "RDB", "LUB", "RUB", "LDF", "RDF", "LUF", "RUF"),
    *("LFD", "RFD", "LFU", "RFU", "LBD", "RBD", "LBU", "RBU"),
)
"""Coordinate system of each code of the extension; 0, unspecified, means SPZ's own RUB."""

ANTIALIASED, EXTENSIONS = 1, 2
"""Bits of the header's flags."""
EXTENSIONS_LIMIT_BYTES = 1 << 16
"""Most bytes behind the arrays that are inflated."""
HEADER = struct.Struct("<4sIIBBBB")
TAIL = struct.Struct("<I12x")
"""Of version 4, behind the header: where the table of streams begins."""
STREAM = struct.Struct("<QQ")
"""Of the table of streams: bytes in the file, bytes of the array."""
_RECORD = struct.Struct("<II")
_COORDINATE_SYSTEM = 0xADBE0003
_MAX_DEGREE = 4
_MAX_FRACTIONAL_BITS = 30


@dataclass(frozen=True, slots=True)
class Header:
    """The fixed fields; ``streams`` is of version 4 alone."""

    version: int
    count: int
    sh_degree: int
    fractional_bits: int
    flags: int
    streams: int

    @property
    def antialiased(self) -> bool:
        """Trained with the mip filter."""
        return bool(self.flags & ANTIALIASED)

    @property
    def has_extensions(self) -> bool:
        """Whether records follow."""
        return bool(self.flags & EXTENSIONS)

    def sizes(self) -> dict[str, int]:
        """Bytes of each array."""
        rows = (
            6 if self.version == 1 else 9,
            *(1, 3, 3),
            3 if self.version < 3 else 4,
            3 * ((self.sh_degree + 1) ** 2 - 1),
        )
        return {label: self.count * row for label, row in zip(ARRAYS, rows, strict=True)}


def parse_header(head: bytes | memoryview, name: str, versions: Sequence[int]) -> Header:
    """Read the first bytes of a file, or of what its gzip stream holds.

    Raises
    ------
    FormatError
        It is no SPZ header, it is of no such version, or out of range.
    """
    if len(head) < HEADER.size:
        raise malformed(
            name,
            "the SPZ header is incomplete",
            wanted=f"{HEADER.size} bytes",
            got=f"{len(head)} bytes",
            hint="The file is truncated.",
        )
    magic, version, count, degree, bits, flags, streams = HEADER.unpack(head[: HEADER.size])
    if magic != MAGIC:
        raise malformed(name, "not an SPZ file", wanted=MAGIC, got=magic)
    if version not in versions:
        raise malformed(
            name,
            "SPZ version is not supported here",
            wanted=f"one of {', '.join(map(str, versions))}",
            got=version,
        )
    if degree > _MAX_DEGREE:
        raise malformed(name, "SH degree is out of range", wanted="0 to 4", got=degree)
    if version > 1 and bits > _MAX_FRACTIONAL_BITS:
        raise malformed(
            name,
            "fractional bits are out of range",
            wanted=f"0 to {_MAX_FRACTIONAL_BITS}",
            got=bits,
        )
    return Header(version, count, degree, bits, flags, streams)


def system_of(records: bytes | memoryview, name: str) -> int:
    """Code of the coordinate system that extension records name, or 0.

    Raises
    ------
    FormatError
        A record is longer than what is left.
    """
    system = offset = 0
    while offset + _RECORD.size <= len(records):
        kind, length = _RECORD.unpack_from(records, offset)
        offset += _RECORD.size
        if length > len(records) - offset:
            raise malformed(
                name,
                f"extension {kind:#010x} runs past its end",
                wanted=f"at most {len(records) - offset} bytes",
                got=length,
            )
        if kind == _COORDINATE_SYSTEM and length >= 4:
            system = int.from_bytes(records[offset : offset + 4], "little")
        offset += length
    return system

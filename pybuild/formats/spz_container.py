"""The outside of an SPZ file: header, extensions, and the six compressed arrays.

::

    versions 1-3   gzip( header 16 | positions alphas colors scales rotations sh | extensions )
    version 4      header 32 | extensions | sizes of the streams | one zstd stream an array

An extension record is u32 type, u32 length, payload; only the coordinate system is understood.

Source: nianticlabs/spz, load-spz.cc and extensions/README.md.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import zstandard

from pybuild.formats.bounds import Buffer, check_budget, splat_bytes
from pyengine.errors import malformed

__all__ = ["ARRAYS", "MAGIC", "SYSTEMS", "Header", "pack", "row_bytes", "unpack"]

MAGIC = b"NGSP"
GZIP_MAGIC = b"\x1f\x8b"

ARRAYS = ("positions", "alphas", "colors", "scales", "rotations", "sh")

SYSTEMS = (
    *("RUB", "LDB", "RDB", "LUB", "RUB", "LDF", "RDF", "LUF", "RUF"),
    *("LFD", "RFD", "LFU", "RFU", "LBD", "RBD", "LBU", "RBU"),
)
"""Coordinate system of each code of the extension; 0, unspecified, means SPZ's own RUB."""

_COORDINATE_SYSTEM = 0xADBE0003
_ANTIALIASED, _EXTENSIONS = 1, 2
_HEADER = struct.Struct("<4sIIBBBB")
_TAIL = struct.Struct("<I12x")
_STREAM = struct.Struct("<QQ")
_RECORD = struct.Struct("<II")
_EXTENSIONS_LIMIT_BYTES = 1 << 16
_MAX_DEGREE = 4
_MAX_FRACTIONAL_BITS = 30
_ZSTD_WINDOW_BYTES = 1 << 23


@dataclass(frozen=True, slots=True)
class Header:
    """What the header and the extensions say.

    Attributes
    ----------
    system : int
        Code of the coordinate system, an index into SYSTEMS if it is a known one.
    """

    version: int
    count: int
    sh_degree: int
    fractional_bits: int
    antialiased: bool
    system: int = 0


def row_bytes(version: int, sh_degree: int) -> dict[str, int]:
    """Bytes a splat takes in each array."""
    return {
        "positions": 6 if version == 1 else 9,
        "alphas": 1,
        "colors": 3,
        "scales": 3,
        "rotations": 3 if version < 3 else 4,
        "sh": 3 * ((sh_degree + 1) ** 2 - 1),
    }


def unpack(data: Buffer, name: str) -> tuple[Header, dict[str, Buffer]]:
    """Header and decompressed arrays, each of exactly the size that the header implies.

    Raises
    ------
    FormatError
        It is no SPZ file, it is damaged, or it claims more than its size can hold.
    """
    start = bytes(data[:8])
    if start[:2] == GZIP_MAGIC:
        return _unpack_gzip(data, name)
    if start[:4] != MAGIC or len(start) < 8:
        raise malformed(name, "not an SPZ file", wanted="a gzip stream or 'NGSP'", got=start[:4])
    if int.from_bytes(start[4:], "little") >= 4:
        return _unpack_streams(data, name)
    header, sizes, flags, _ = _parsed_header(data, len(data), name, (1, 2, 3))
    return _split(memoryview(data), header, sizes, flags, name)


def _parsed_header(
    head: Buffer, file_bytes: int, name: str, versions: Iterable[int]
) -> tuple[Header, dict[str, int], int, int]:
    """Header, size of each array, flags and the last byte; its claims are checked."""
    if len(head) < _HEADER.size:
        raise malformed(
            name,
            "the SPZ header is incomplete",
            wanted=f"{_HEADER.size} bytes",
            got=f"{len(head)} bytes",
            hint="The file is truncated.",
        )
    magic, version, count, degree, bits, flags, last = _HEADER.unpack(head[: _HEADER.size])
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
    sizes = {label: count * size for label, size in row_bytes(version, degree).items()}
    needed = sum(sizes.values()) + count * splat_bytes(min(degree, 3))
    check_budget(name, file_bytes, needed, f"{count} splats of SH degree {degree}")
    return Header(version, count, degree, bits, bool(flags & _ANTIALIASED)), sizes, flags, last


def _unpack_gzip(data: Buffer, name: str) -> tuple[Header, dict[str, Buffer]]:
    """Inflate a legacy file: first its header, then no more than the header promises."""
    inflate = zlib.decompressobj(wbits=31)
    try:
        head = inflate.decompress(data, _HEADER.size)
        header, sizes, flags, _ = _parsed_header(head, len(data), name, (1, 2, 3))
        limit = sum(sizes.values()) + _EXTENSIONS_LIMIT_BYTES
        body = inflate.decompress(inflate.unconsumed_tail, limit)
        if not inflate.eof:
            body += inflate.decompress(inflate.unconsumed_tail, 1)
    except zlib.error as error:
        raise malformed(name, f"the gzip stream is damaged ({error})") from error
    if not inflate.eof:
        raise malformed(
            name,
            "the gzip stream does not end where the header says",
            wanted=f"{sum(sizes.values())} bytes of splats",
            got=f"{len(body)} bytes and no end",
            hint="The file is truncated or damaged.",
        )
    return _split(memoryview(head + body), header, sizes, flags, name)


def _split(
    payload: memoryview, header: Header, sizes: dict[str, int], flags: int, name: str
) -> tuple[Header, dict[str, Buffer]]:
    """Cut a legacy payload into its arrays and read the extensions behind them."""
    wanted = _HEADER.size + sum(sizes.values())
    if len(payload) < wanted:
        raise malformed(
            name,
            f"the file ends before its {header.count} splats",
            wanted=f"{wanted} bytes",
            got=f"{len(payload)} bytes",
            hint="The file is truncated.",
        )
    arrays: dict[str, Buffer] = {}
    offset = _HEADER.size
    for label in ARRAYS:
        arrays[label] = payload[offset : offset + sizes[label]]
        offset += sizes[label]
    return _with_extensions(header, payload[offset:] if flags & _EXTENSIONS else b"", name), arrays


def _unpack_streams(data: Buffer, name: str) -> tuple[Header, dict[str, Buffer]]:
    """Decompress a version 4 file, a zstd stream an array; empty arrays have none."""
    header, sizes, flags, streams = _parsed_header(data, len(data), name, (4,))
    fixed = _HEADER.size + _TAIL.size
    toc = _TAIL.unpack(data[_HEADER.size : fixed])[0] if len(data) >= fixed else -1
    offset = toc + streams * _STREAM.size
    if toc < fixed or offset > len(data):
        raise malformed(
            name,
            "the table of streams lies outside the file",
            wanted=f"an offset from {fixed} on and {streams} entries",
            got=f"offset {toc} in {len(data)} bytes",
        )
    extensions = data[fixed:toc] if flags & _EXTENSIONS else b""
    header = _with_extensions(header, extensions, name)
    present = [label for label in ARRAYS if sizes[label] or streams == len(ARRAYS)]
    if len(present) != streams:
        raise malformed(name, "wrong number of streams", wanted=len(present), got=streams)
    arrays: dict[str, Buffer] = dict.fromkeys(ARRAYS, b"")
    for index, label in enumerate(present):
        compressed, size = _STREAM.unpack_from(data, toc + index * _STREAM.size)
        if size != sizes[label] or compressed > len(data) - offset:
            raise malformed(
                name,
                f"stream '{label}' has a wrong size",
                wanted=f"{sizes[label]} bytes from at most {len(data) - offset}",
                got=f"{size} bytes from {compressed}",
            )
        if size:
            arrays[label] = _inflated(data[offset : offset + compressed], size, label, name)
        offset += compressed
    return header, arrays


def _inflated(stream: Buffer, size: int, label: str, name: str) -> bytes:
    """One zstd frame of exactly ``size`` bytes; nothing larger is ever allocated."""
    window = max(_ZSTD_WINDOW_BYTES, 1 << math.ceil(math.log2(size)))
    try:
        claimed = zstandard.get_frame_parameters(stream).content_size
        if claimed not in (size, zstandard.CONTENTSIZE_UNKNOWN):
            raise malformed(
                name, f"stream '{label}' has a wrong size", wanted=f"{size} bytes", got=claimed
            )
        inflate = zstandard.ZstdDecompressor(max_window_size=window)
        result = inflate.decompress(stream, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise malformed(name, f"stream '{label}' is damaged ({error})") from error
    if len(result) != size:
        raise malformed(
            name, f"stream '{label}' ends early", wanted=f"{size} bytes", got=len(result)
        )
    return result


def _with_extensions(header: Header, records: Buffer, name: str) -> Header:
    """The header with the coordinate system of the extension records, if they hold one."""
    system = 0
    offset = 0
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
    return Header(
        header.version,
        header.count,
        header.sh_degree,
        header.fractional_bits,
        header.antialiased,
        system,
    )


def pack(header: Header, arrays: dict[str, bytes]) -> bytes:
    """The bytes of an SPZ file in RUB axes, without extensions."""
    flags = _ANTIALIASED if header.antialiased else 0
    present = [arrays[label] for label in ARRAYS if arrays[label]]
    streams = len(present) if header.version == 4 else 0
    head = _HEADER.pack(
        MAGIC,
        header.version,
        header.count,
        header.sh_degree,
        header.fractional_bits,
        flags,
        streams,
    )
    if header.version < 4:
        deflate = zlib.compressobj(6, zlib.DEFLATED, 31)
        return deflate.compress(head + b"".join(present)) + deflate.flush()
    frames = [zstandard.ZstdCompressor(level=12).compress(array) for array in present]
    toc = [_STREAM.pack(len(f), len(a)) for f, a in zip(frames, present, strict=True)]
    return b"".join([head, _TAIL.pack(_HEADER.size + _TAIL.size), *toc, *frames])

"""The six arrays of an SPZ file, decompressed; `pyengine.sources.spz_header` reads its header."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import zstandard

from pybuild.formats.bounds import Buffer, check_budget, splat_bytes
from pyengine.errors import malformed
from pyengine.sources.spz_header import (
    ARRAYS,
    EXTENSIONS_LIMIT_BYTES,
    HEADER,
    MAGIC,
    STREAM,
    TAIL,
    Header,
    parse_header,
    system_of,
)

__all__ = ["GZIP_MAGIC", "Unpacked", "pack", "unpack"]

GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_WINDOW_BYTES = 1 << 23

Unpacked = tuple[Header, int, dict[str, Buffer]]
"""Header, code of the coordinate system, and each array."""


def unpack(data: Buffer, name: str) -> Unpacked:
    """What a file holds, each array of exactly the size that the header implies.

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
    header = _checked_header(data, len(data), name, (1, 2, 3))
    return _split(memoryview(data), header, name)


def _checked_header(head: Buffer, file_bytes: int, name: str, versions: Sequence[int]) -> Header:
    """The header, once a file of this size can hold what it claims."""
    header = parse_header(head, name, versions)
    degree = header.sh_degree
    needed = sum(header.sizes().values()) + header.count * splat_bytes(min(degree, 3))
    check_budget(name, file_bytes, needed, f"{header.count} splats of SH degree {degree}")
    return header


def _unpack_gzip(data: Buffer, name: str) -> Unpacked:
    """Inflate a legacy file: first its header, then no more than the header promises."""
    inflate = zlib.decompressobj(wbits=31)
    try:
        head = inflate.decompress(data, HEADER.size)
        header = _checked_header(head, len(data), name, (1, 2, 3))
        wanted = sum(header.sizes().values())
        limit = wanted + EXTENSIONS_LIMIT_BYTES
        body = inflate.decompress(inflate.unconsumed_tail, limit)
        if not inflate.eof:
            body += inflate.decompress(inflate.unconsumed_tail, 1)
    except zlib.error as error:
        raise malformed(name, f"the gzip stream is damaged ({error})") from error
    if not inflate.eof:
        raise malformed(
            name,
            "the gzip stream does not end where the header says",
            wanted=f"{wanted} bytes of splats",
            got=f"{len(body)} bytes and no end",
            hint="The file is truncated or damaged.",
        )
    return _split(memoryview(head + body), header, name)


def _split(payload: memoryview, header: Header, name: str) -> Unpacked:
    """Cut a legacy payload into its arrays and read the extensions behind them."""
    sizes = header.sizes()
    wanted = HEADER.size + sum(sizes.values())
    if len(payload) < wanted:
        raise malformed(
            name,
            f"the file ends before its {header.count} splats",
            wanted=f"{wanted} bytes",
            got=f"{len(payload)} bytes",
            hint="The file is truncated.",
        )
    arrays: dict[str, Buffer] = {}
    offset = HEADER.size
    for label, size in sizes.items():
        arrays[label] = payload[offset : offset + size]
        offset += size
    records = payload[offset:] if header.has_extensions else b""
    return header, system_of(records, name), arrays


def _unpack_streams(data: Buffer, name: str) -> Unpacked:
    """Decompress a version 4 file, a zstd stream an array; empty arrays have none."""
    header = _checked_header(data, len(data), name, (4,))
    sizes, streams = header.sizes(), header.streams
    fixed = HEADER.size + TAIL.size
    toc = TAIL.unpack(data[HEADER.size : fixed])[0] if len(data) >= fixed else -1
    offset = toc + streams * STREAM.size
    if toc < fixed or offset > len(data):
        raise malformed(
            name,
            "the table of streams lies outside the file",
            wanted=f"an offset from {fixed} on and {streams} entries",
            got=f"offset {toc} in {len(data)} bytes",
        )
    system = system_of(data[fixed:toc] if header.has_extensions else b"", name)
    present = [label for label in ARRAYS if sizes[label] or streams == len(ARRAYS)]
    if len(present) != streams:
        raise malformed(name, "wrong number of streams", wanted=len(present), got=streams)
    arrays: dict[str, Buffer] = dict.fromkeys(ARRAYS, b"")
    for index, label in enumerate(present):
        compressed, size = STREAM.unpack_from(data, toc + index * STREAM.size)
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
    return header, system, arrays


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


def pack(header: Header, arrays: dict[str, bytes]) -> bytes:
    """The bytes of an SPZ file in RUB axes, without extensions."""
    present = [arrays[label] for label in ARRAYS if arrays[label]]
    streams = len(present) if header.version == 4 else 0
    head = HEADER.pack(
        MAGIC,
        header.version,
        header.count,
        header.sh_degree,
        header.fractional_bits,
        header.flags,
        streams,
    )
    if header.version < 4:
        deflate = zlib.compressobj(6, zlib.DEFLATED, 31)
        return deflate.compress(head + b"".join(present)) + deflate.flush()
    frames = [zstandard.ZstdCompressor(level=12).compress(array) for array in present]
    toc = [STREAM.pack(len(f), len(a)) for f, a in zip(frames, present, strict=True)]
    return b"".join([head, TAIL.pack(HEADER.size + TAIL.size), *toc, *frames])

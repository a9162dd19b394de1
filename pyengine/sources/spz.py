"""SPZ, versions 1 to 4: where the six arrays lie; `pyengine.sources.spz_header` draws a file.

The host inflates gzip, up to `inflated_bytes`; `unpack_streams` joins the arrays of a version 4
file, the one case in which rows pass through Python. Columns, as shaders/decode/source_spz.wgsl
reads them: version, fractional bits, bytes a splat of the harmonics, first byte of each array.
"""

from __future__ import annotations

from collections.abc import Callable

from pyengine.errors import malformed
from pyengine.sources.source import BUILD_HINT, Bytes, Source, checked_size
from pyengine.sources.spz_header import (
    EXTENSIONS_LIMIT_BYTES,
    HEADER,
    MAGIC,
    STREAM,
    SYSTEMS,
    TAIL,
    Header,
    parse_header,
    system_of,
)

__all__ = [
    "EXTENSIONS_LIMIT_BYTES",
    "HEADER_BYTES",
    "MAGIC",
    "inflated_bytes",
    "parse",
    "unpack_streams",
    "version_of",
]

HEADER_BYTES = HEADER.size
_FACTOR, _SLACK_BYTES = 64, 1 << 20
_GPU_BYTES = 112
"""A splat's packed row and its share of the sort, at most."""

Inflate = Callable[[bytes, int], bytes]
"""Decompress one zstd frame, to a size that it must have; ValueError if it is damaged."""


def _source(header: Header, name: str, first_byte: int, system: int) -> Source:
    """The source whose arrays lie one behind the other from ``first_byte`` on."""
    starts = [first_byte]
    for size in header.sizes().values():
        starts.append(starts[-1] + size)
    return Source(
        name,
        "spz",
        header.count,
        min(header.sh_degree, 3),
        header.antialiased,
        0,
        starts[-1],
        (
            header.version,
            header.fractional_bits,
            3 * ((header.sh_degree + 1) ** 2 - 1),
            *starts[:-1],
        ),
        axis_flips=_axis_flips(system, name),
    )


def version_of(head: bytes) -> int:
    """Version of a file that starts with `MAGIC` and these bytes; 0 where there is none."""
    return int.from_bytes(head[4:8], "little") if head[:4] == MAGIC and len(head) >= 8 else 0


def inflated_bytes(head: bytes, file_bytes: int, name: str) -> int:
    """Bytes of header and arrays in a gzip stream, of which ``head`` holds the first ones.

    Raises
    ------
    FormatError
        It is no SPZ header, or it claims more than a file of ``file_bytes`` can hold.
    """
    return HEADER_BYTES + sum(_parsed(head, file_bytes, name, (1, 2, 3)).sizes().values())


def parse(file: Bytes, name: str) -> Source:
    """Read the header and the extensions of an inflated file of version 1 to 3.

    Raises
    ------
    FormatError
        It is damaged, of another version, or in a coordinate system that needs `vitrine build`.
    """
    header = _parsed(file.read(0, HEADER_BYTES), file.size_bytes, name, (1, 2, 3))
    end = HEADER_BYTES + sum(header.sizes().values())
    checked_size(name, f"its {header.count} splats", end, file)
    records = b""
    if header.has_extensions:
        records = file.read(end, min(file.size_bytes, end + EXTENSIONS_LIMIT_BYTES))
    return _source(header, name, HEADER_BYTES, system_of(records, name))


def unpack_streams(
    data: bytes | memoryview, name: str, inflate: Inflate | None = None
) -> tuple[Source, bytes]:
    """Inflate a version 4 file: the source, and the arrays that it speaks of.

    Parameters
    ----------
    data : bytes or memoryview
        The whole file.
    name : str
    inflate : callable, optional
        Python 3.14's ``compression.zstd`` unless given.

    Raises
    ------
    FormatError
        As `parse`; or this Python has no zstd.
    """
    header = _parsed(bytes(data[:HEADER_BYTES]), len(data), name, (4,))
    inflate = inflate or _zstd(name)
    fixed = HEADER.size + TAIL.size
    toc = TAIL.unpack(data[HEADER.size : fixed])[0] if len(data) >= fixed else -1
    at = toc + header.streams * STREAM.size
    if toc < fixed or at > len(data):
        raise malformed(
            name,
            "the table of streams lies outside the file",
            wanted=f"an offset from {fixed} on and {header.streams} entries",
            got=f"offset {toc} in {len(data)} bytes",
        )
    sizes = header.sizes()
    whole = sum(sizes.values())
    checked_size(name, "its splats", whole, Bytes(whole, lambda *_: b""))
    all_there = header.streams == len(sizes)
    present = [(label, size) for label, size in sizes.items() if size or all_there]
    if len(present) != header.streams:
        raise malformed(name, "wrong number of streams", wanted=len(present), got=header.streams)
    arrays = []
    for index, (label, size) in enumerate(present):
        compressed, claimed = STREAM.unpack_from(data, toc + index * STREAM.size)
        if claimed != size or compressed > len(data) - at:
            raise malformed(
                name,
                f"stream '{label}' has a wrong size",
                wanted=f"{size} bytes from at most {len(data) - at}",
                got=f"{claimed} bytes from {compressed}",
            )
        if size:
            arrays.append(_inflated(inflate, bytes(data[at : at + compressed]), size, label, name))
        at += compressed
    records = bytes(data[fixed:toc]) if header.has_extensions else b""
    return _source(header, name, 0, system_of(records, name)), b"".join(arrays)


def _parsed(head: bytes, file_bytes: int, name: str, versions: tuple[int, ...]) -> Header:
    """The header, once its claims are checked."""
    header = parse_header(head, name, versions)
    needed = sum(header.sizes().values()) + header.count * _GPU_BYTES
    if needed > _FACTOR * file_bytes + _SLACK_BYTES:
        raise malformed(
            name,
            f"{header.count} splats of SH degree {header.sh_degree} would need {needed} bytes of "
            "memory",
            wanted=f"at most {_FACTOR} times the file's size",
            got=f"a file of {file_bytes} bytes",
            hint="The file is truncated or damaged.",
        )
    return header


def _axis_flips(system: int, name: str) -> int:
    """Axes to negate for PLY's right, down, forward: 1 x, 2 y, 4 z."""
    letters = SYSTEMS[system] if system < len(SYSTEMS) else ""
    if not letters or letters[1] not in "UD":
        raise malformed(
            name,
            "the coordinate system of the extension is not one that a page turns",
            wanted="x to the side, y up or down, z forward or back",
            got=letters or system,
            hint=BUILD_HINT,
        )
    return sum(1 << axis for axis in range(3) if letters[axis] != "RDF"[axis])


def _zstd(name: str) -> Inflate:
    """The standard library's zstd, which knows a frame's size before it inflates it."""
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise malformed(
            name, "SPZ version 4 needs zstd, which this engine lacks", hint=BUILD_HINT
        ) from None

    def inflate(frame: bytes, size: int) -> bytes:
        window = max(23, (size - 1).bit_length())
        options = {zstd.DecompressionParameter.window_log_max: min(window, 30)}
        decompressor = zstd.ZstdDecompressor(options=options)
        try:
            result: bytes = decompressor.decompress(frame, max_length=size)
            if not decompressor.eof:
                result += decompressor.decompress(b"", max_length=1)
        except zstd.ZstdError as error:
            raise ValueError(str(error)) from None
        if not decompressor.eof or decompressor.unused_data:
            raise ValueError("it does not end where it should")
        return result

    return inflate


def _inflated(inflate: Inflate, frame: bytes, size: int, label: str, name: str) -> bytes:
    try:
        result = inflate(frame, size)
    except ValueError as error:
        raise malformed(name, f"stream '{label}' is damaged ({error})") from None
    if len(result) != size:
        raise malformed(
            name, f"stream '{label}' ends early", wanted=f"{size} bytes", got=len(result)
        )
    return result

"""PlayCanvas compressed PLY: 16 bytes a splat within chunks of 256; pybuild's reader draws it.

Columns, as shaders/decode/source_compressed_ply.wgsl reads them: first byte and row size of the
chunks, of the vertices and of the harmonics; whether there are colour bounds; then the byte in its
row of each bound (18), each code (4) and each coefficient (45).
"""

from __future__ import annotations

from pyengine.errors import malformed
from pyengine.sources.ply import DEGREES
from pyengine.sources.ply_header import TYPES, Element, Header, antialiased, binary_header, located
from pyengine.sources.source import Bytes, Source, checked_size

__all__ = ["parse", "recognises", "sh_columns"]

_CHUNK = 256
_HEAD_BYTES = 1 << 16
_CODES = ("packed_position", "packed_rotation", "packed_scale", "packed_color")
_BOUNDS = tuple(
    f"{end}_{axis}"
    for axes in (("x", "y", "z"), ("scale_x", "scale_y", "scale_z"), ("r", "g", "b"))
    for end in ("min", "max")
    for axis in axes
)


def recognises(file: Bytes) -> bool:
    """Whether the first bytes are a compressed PLY's."""
    head = file.read(0, _HEAD_BYTES)
    return head.startswith(b"ply") and b"element chunk" in head and b"packed_position" in head


def parse(file: Bytes, name: str) -> Source:
    """Read the header; errors as in `ply.parse`."""
    header = binary_header(file, name)
    mip = antialiased(header, name)
    if header.form != "binary_little_endian":
        raise malformed(name, "the byte order", wanted="binary_little_endian", got=header.form)
    for label in ("chunk", "vertex"):
        if label not in header.elements:
            raise malformed(name, f"no element '{label}'", wanted="a PlayCanvas compressed PLY")
    chunk, vertex = header.elements["chunk"], header.elements["vertex"]
    has_colours = _checked(chunk, vertex, name)
    rest = sh_columns(header, name)
    places = [(chunk, *_place(header, chunk, file, name))]
    places += [(vertex, *_place(header, vertex, file, name))]
    if rest:
        sh = header.elements["sh"]
        places += [(sh, *_place(header, sh, file, name))]
    skipped = min(start for _, start, _ in places) // 4 * 4
    ends = max(end for _, _, end in places)
    columns = [word for e, start, _ in places for word in (start - skipped, e.stride_bytes)]
    columns += [0, 0] * (3 - len(places))
    columns += [int(has_colours)]
    columns += [chunk.columns[label][0] for label in _BOUNDS[: 18 if has_colours else 12]]
    columns += [0] * (25 - len(columns))
    columns += [vertex.columns[label][0] for label in _CODES]
    columns += [header.elements["sh"].columns[f"f_rest_{i}"][0] for i in range(rest)]
    return Source(
        name,
        "compressed_ply",
        vertex.count,
        DEGREES[rest],
        mip,
        skipped,
        ends - skipped,
        tuple(columns),
    )


def _place(header: Header, element: Element, file: Bytes, name: str) -> tuple[int, int]:
    """First byte of an element's rows and the one behind them."""
    start = located(header, element.name, file, name)
    end = start + element.count * element.stride_bytes
    checked_size(name, f"element '{element.name}'", end, file)
    return start, end


def _checked(chunk: Element, vertex: Element, name: str) -> bool:
    """Check types and counts; returns whether the chunks bound the colours."""
    missing = [label for label in _BOUNDS if label not in chunk.columns]
    if missing and missing != list(_BOUNDS[12:]):
        listed = ", ".join(missing)
        raise malformed(name, f"properties {listed} are missing from element 'chunk'")
    for element, labels, kind in (
        (chunk, [label for label in _BOUNDS if label not in missing], "float"),
        (vertex, _CODES, "uint"),
    ):
        for label in labels:
            if element.columns.get(label, (0, -1))[1] != TYPES[kind]:
                raise malformed(
                    name, f"property '{label}' of element '{element.name}'", wanted=kind
                )
    if chunk.count * _CHUNK < vertex.count:
        raise malformed(
            name,
            f"too few chunks for {vertex.count} splats",
            wanted=-(-vertex.count // _CHUNK),
            got=chunk.count,
        )
    return not missing


def sh_columns(header: Header, name: str) -> int:
    """How many f_rest bytes a splat has, checked: 0, 9, 24 or 45."""
    sh = header.elements.get("sh")
    if sh is None:
        return 0
    rest = len(sh.columns)
    labels = {f"f_rest_{i}" for i in range(rest)}
    bytes_only = all(kind == TYPES["uchar"] for _, kind in sh.columns.values())
    if rest not in (9, 24, 45) or set(sh.columns) != labels or not bytes_only:
        raise malformed(
            name,
            "element 'sh' makes no degree from 1 to 3",
            wanted="9, 24 or 45 uchar properties f_rest_0, f_rest_1, ...",
            got=f"{rest} properties",
        )
    count = header.elements["vertex"].count
    if sh.count != count:
        raise malformed(name, "element 'sh' is of another length", wanted=count, got=sh.count)
    return rest

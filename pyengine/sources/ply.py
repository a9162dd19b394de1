"""INRIA PLY in binary: properties by name, in any order and of any scalar type.

Columns, as shaders/decode/source_ply.wgsl reads them: the first row's byte, a row's size, then a
word a property (byte in the row, type << 28): position 3, log-scale 3, rotation 4 (w first),
opacity, DC 3, rest.
"""

from __future__ import annotations

from pyengine.errors import malformed
from pyengine.sources.ply_header import Element, antialiased, binary_header, located
from pyengine.sources.source import Bytes, Source, checked_size

__all__ = ["DEGREES", "parse", "sh_columns"]

_POSITION = ("x", "y", "z")
_SCALE = ("scale_0", "scale_1", "scale_2")
_ROTATION = ("rot_0", "rot_1", "rot_2", "rot_3")
_DC = ("f_dc_0", "f_dc_1", "f_dc_2")
_REQUIRED = (*_POSITION, *_DC, "opacity", *_SCALE, *_ROTATION)
DEGREES = {0: 0, 9: 1, 24: 2, 45: 3}
"""SH degree by the number of coefficients above DC, of three channels."""
_MAX_STRIDE_BYTES = 1 << 16


def parse(file: Bytes, name: str) -> Source:
    """Read the header.

    Raises
    ------
    FormatError
        The file is damaged, or holds something else than Gaussians.
    """
    header = binary_header(file, name)
    mip = antialiased(header, name)
    vertex = header.elements.get("vertex")
    if vertex is None:
        raise malformed(
            name,
            "no element 'vertex'",
            wanted="one row a splat",
            got=[label[:40] for label in list(header.elements)[:8]],
        )
    rest = sh_columns(vertex, name)
    start = located(header, "vertex", file, name)
    if vertex.stride_bytes > _MAX_STRIDE_BYTES:
        raise malformed(
            name,
            "a row of element 'vertex' is too long",
            wanted=f"at most {_MAX_STRIDE_BYTES} bytes",
            got=f"{vertex.stride_bytes} bytes",
        )
    size = vertex.count * vertex.stride_bytes
    checked_size(name, "element 'vertex'", start + size, file)
    labels = [*_POSITION, *_SCALE, *_ROTATION, "opacity", *_DC]
    labels += [f"f_rest_{i}" for i in range(rest)]
    skipped = start // 4 * 4
    columns = (
        start - skipped,
        vertex.stride_bytes,
        *(byte | kind << 28 for byte, kind in map(vertex.columns.__getitem__, labels)),
    )
    return Source(
        name,
        "ply",
        vertex.count,
        DEGREES[rest],
        mip,
        skipped,
        start - skipped + size,
        columns,
        big_endian=header.form == "binary_big_endian",
    )


def sh_columns(vertex: Element, name: str) -> int:
    """How many f_rest columns there are, once every needed property is known to be there."""
    missing = [label for label in _REQUIRED if label not in vertex.columns]
    if missing == ["scale_2"]:
        raise malformed(
            name,
            "property 'scale_2' is missing; a 2DGS file?",
            wanted="three scales",
            hint="Vitrine draws 3D Gaussians; train or export the scene as 3DGS.",
        )
    if missing:
        if "packed_position" in vertex.columns:
            hint = "It looks like a PlayCanvas compressed PLY; its element 'chunk' is missing."
        elif "scale_0" in missing and "rot_0" in missing:
            hint = "It looks like a point cloud; train Gaussians from it first."
        else:
            hint = "Export the scene again with these properties."
        listed = ", ".join(missing)
        raise malformed(name, f"properties {listed} are missing from element 'vertex'", hint=hint)
    rest = sum(label.startswith("f_rest_") for label in vertex.columns)
    if rest not in DEGREES or any(f"f_rest_{i}" not in vertex.columns for i in range(rest)):
        raise malformed(
            name,
            "the spherical harmonics make no degree from 0 to 3",
            wanted="f_rest_0 to f_rest_8, _23 or _44, or none",
            got=f"{rest} f_rest properties",
        )
    return rest

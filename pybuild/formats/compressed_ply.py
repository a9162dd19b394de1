"""PlayCanvas compressed PLY: 16 bytes a splat, quantised within chunks of 256, in PLY axes.

::

    position, scale   x:11 y:10 z:11 bits, between the chunk's bounds (scale: logarithms)
    rotation          largest:2, the other three of w, x, y, z 10 bits each, within ±1/√2
    colour            r:8 g:8 b:8 between the chunk's bounds, opacity:8
    sh                one byte a coefficient, channel-major, -4..4

Source: the compressed PLY format of PlayCanvas' splat-transform.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pybuild.formats.bounds import Buffer, Progress, mapped
from pybuild.formats.intake import empty, finished
from pybuild.formats.morton import morton_order
from pybuild.formats.ply_header import columns
from pybuild.formats.quantised import (
    bytes_of_logits,
    dc_of_rgb,
    logit_table,
    quaternions_of_three,
    rgb_of_dc,
    smallest_three,
)
from pybuild.gaussians import Gaussians
from pyengine.errors import malformed
from pyengine.sources.compressed_ply import sh_columns
from pyengine.sources.ply import DEGREES
from pyengine.sources.ply_header import LIST, TYPES, Element, antialiased, located, parse_header
from pyengine.sources.source import Bytes

__all__ = ["encode", "parse", "read", "recognises", "write"]

_CHUNK = 256
_BLOCK = 32 * _CHUNK
_HEAD_BYTES = 1 << 16
_CODES = ("packed_position", "packed_rotation", "packed_scale", "packed_color")
_BOUNDS = {
    "position": ("x", "y", "z"),
    "scale": ("scale_x", "scale_y", "scale_z"),
    "colour": ("r", "g", "b"),
}
_SCALE_LIMIT = 20.0

_XYZ_BITS = ((21, 11), (11, 10), (0, 11))
_RGB_BITS = ((24, 8), (16, 8), (8, 8))
_QUATERNION_BITS = ((20, 10), (10, 10), (0, 10))

Floats = NDArray[np.float32]
Codes = NDArray[np.uint32]


def recognises(data: Buffer) -> bool:
    """Whether the first bytes are a compressed PLY's."""
    head = bytes(data[:_HEAD_BYTES])
    return head.startswith(b"ply") and b"element chunk" in head and b"packed_position" in head


def read(
    path: str | os.PathLike[str], up: str | None = None, progress: Progress | None = None
) -> Gaussians:
    """Read a file; see `parse`."""
    return parse(mapped(path), os.fspath(path), up, progress)


def parse(
    data: Buffer, name: str, up: str | None = None, progress: Progress | None = None
) -> Gaussians:
    """Read a compressed PLY in memory; parameters and errors as in `ply.parse`."""
    file = Bytes.of(data)
    header = parse_header(file, name)
    mip = antialiased(header, name)
    if header.form == "ascii":
        raise malformed(name, "a compressed PLY in ascii", wanted="binary_little_endian")
    found = header.elements
    views: dict[str, dict[str, NDArray[np.generic]]] = {}
    for label in ("chunk", "vertex", "sh"):
        if label in found:
            views[label] = columns(data, located(header, label, file, name), header, label)
        elif label != "sh":
            raise malformed(name, f"no element '{label}'", wanted="a PlayCanvas compressed PLY")
    count = found["vertex"].count
    bounds = _chunk_bounds(views["chunk"], name)
    _check_codes(found, name)
    rest = sh_columns(header, name)

    result = empty(name, count, DEGREES[rest], mip)
    logits, sh_values = logit_table(), _sh_table()
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, count, _BLOCK):
            rows = slice(start, min(start + _BLOCK, count))
            code = {label: views["vertex"][label][rows].astype(np.uint32) for label in _CODES}
            chunk = np.arange(rows.start, rows.stop) // _CHUNK
            between = {key: (low[chunk], high[chunk]) for key, (low, high) in bounds.items()}
            result.positions[rows] = _lerp(*between["position"], code["packed_position"], _XYZ_BITS)
            result.log_scales[rows] = _lerp(*between["scale"], code["packed_scale"], _XYZ_BITS)
            rgb = _lerp(*between["colour"], code["packed_color"], _RGB_BITS)
            result.sh[rows, 0] = dc_of_rgb(rgb)
            result.opacity_logits[rows] = logits[code["packed_color"] & 255]
            result.quaternions[rows] = _quaternions(code["packed_rotation"])
            for i in range(rest):
                values = sh_values[views["sh"][f"f_rest_{i}"][rows].astype(np.uint8)]
                result.sh[rows, 1 + i % (rest // 3), i // (rest // 3)] = values
            if progress:
                progress(rows.stop / count)
    return finished(result, name, up)


def _chunk_bounds(
    chunk: dict[str, NDArray[np.generic]], name: str
) -> dict[str, tuple[Floats, Floats]]:
    """Lower and upper bounds, (chunks, 3) float32 each; colours default to 0..1."""
    result = {}
    rows = len(next(iter(chunk.values()))) if chunk else 0
    for key, labels in _BOUNDS.items():
        names = [f"{end}_{label}" for end in ("min", "max") for label in labels]
        missing = [label for label in names if label not in chunk]
        if missing and (key != "colour" or len(missing) < 6):
            listed = ", ".join(missing)
            raise malformed(name, f"properties {listed} are missing from element 'chunk'")
        ends = np.zeros((2, rows, 3), np.float32)
        ends[1] = 1
        for index, label in enumerate(() if missing else names):
            ends[index // 3, :, index % 3] = chunk[label]
        result[key] = (ends[0], ends[1])
    return result


def _check_codes(found: Mapping[str, Element], name: str) -> None:
    """Check that the vertex element has its four codes and that there are chunks enough."""
    vertex, chunks = found["vertex"], found["chunk"].count
    for label in _CODES:
        if vertex.columns.get(label, (0, LIST))[1] != TYPES["uint"]:
            raise malformed(name, f"property '{label}' of element 'vertex'", wanted="uint")
    if chunks * _CHUNK < vertex.count:
        raise malformed(
            name,
            f"too few chunks for {vertex.count} splats",
            wanted=-(-vertex.count // _CHUNK),
            got=chunks,
        )


def _lerp(low: Floats, high: Floats, codes: Codes, bits: tuple[tuple[int, int], ...]) -> Floats:
    """Unpack three fields, (shift, width) each, and place them between ``low`` and ``high``."""
    t = _fields(codes, bits)
    return low * (1 - t) + high * t


def _fields(codes: Codes, bits: tuple[tuple[int, int], ...]) -> Floats:
    """Fields of packed words as (n, 3) float32 in 0..1."""
    parts = [
        ((codes >> np.uint32(shift)) & np.uint32(2**width - 1)) / np.float32(2**width - 1)
        for shift, width in bits
    ]
    return np.stack(parts, axis=1).astype(np.float32)


def _quaternions(codes: Codes) -> Floats:
    """Rotations (n, 4) float32, w x y z, of packed words."""
    three = (_fields(codes, _QUATERNION_BITS) - 0.5) * np.float32(2**0.5)
    return quaternions_of_three(codes >> np.uint32(30), three)


def _sh_table() -> Floats:
    """Value of each SH byte: bucket centres of -4..4, its two ends exact."""
    unit = (np.arange(256) + 0.5) / 256
    unit[[0, 255]] = (0, 1)
    return ((unit - 0.5) * 8).astype(np.float32)


def write(path: str | os.PathLike[str], gaussians: Gaussians, reorder: bool = True) -> None:
    """Write a file; see `encode`."""
    Path(path).write_bytes(encode(gaussians, reorder))


def encode(gaussians: Gaussians, reorder: bool = True) -> bytes:
    """The bytes of a compressed PLY.

    Parameters
    ----------
    gaussians : Gaussians
        Log-scales are clamped to ±20 and SH coefficients to ±4.
    reorder : bool
        Sort along a Morton curve, which keeps chunks small and so the positions precise.
    """
    cloud = gaussians.take(morton_order(gaussians.positions)) if reorder else gaussians
    values = {
        "position": cloud.positions.astype(np.float64),
        "scale": np.clip(cloud.log_scales.astype(np.float64), -_SCALE_LIMIT, _SCALE_LIMIT),
        "colour": rgb_of_dc(cloud.sh[:, 0]),
    }
    starts = np.arange(0, cloud.count, _CHUNK)
    chunk = np.arange(cloud.count) // _CHUNK
    ends, units = [], {}
    for key, value in values.items():
        low, high = np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32)
        if cloud.count:
            low = np.minimum.reduceat(value, starts).astype(np.float32)
            high = np.maximum.reduceat(value, starts).astype(np.float32)
        span = high.astype(np.float64) - low
        units[key] = (value - low[chunk]) / np.where(span > 0, span, 1)[chunk]
        ends += [low, high]
    largest, three = smallest_three(cloud.quaternions)
    rotation = _packed(three * 0.5**0.5 + 0.5, _QUATERNION_BITS) | (largest << 30).astype(np.uint32)
    colour = _packed(units["colour"], _RGB_BITS) | bytes_of_logits(cloud.opacity_logits)
    words = [
        _packed(units["position"], _XYZ_BITS),
        rotation,
        _packed(units["scale"], _XYZ_BITS),
        colour,
    ]
    rest = cloud.sh[:, 1:].transpose(0, 2, 1).reshape(cloud.count, 3 * cloud.sh.shape[1] - 3)
    sh = np.clip(np.trunc((rest.astype(np.float64) / 8 + 0.5) * 256), 0, 255).astype(np.uint8)
    return b"".join(
        [
            _header(len(starts), cloud.count, rest.shape[1], cloud.antialiased),
            np.concatenate(ends, axis=1).astype("<f4").tobytes(),
            np.stack(words, axis=1).astype("<u4").tobytes(),
            sh.tobytes(),
        ]
    )


def _packed(unit: NDArray[np.floating], bits: tuple[tuple[int, int], ...]) -> Codes:
    """Pack (n, 3) values of 0..1 into fields of (shift, width), rounded to the nearest."""
    words = np.zeros(len(unit), np.uint32)
    for axis, (shift, width) in enumerate(bits):
        scaled = np.floor(np.clip(unit[:, axis], 0, 1) * (2**width - 1) + 0.5)
        words |= scaled.astype(np.uint32) << np.uint32(shift)
    return words


def _header(chunks: int, count: int, rest: int, mip: bool) -> bytes:
    """The text header of a compressed PLY."""
    lines = ["ply", "format binary_little_endian 1.0"]
    if mip:
        lines.append("comment SplatRenderMode: mip")
    lines.append(f"element chunk {chunks}")
    for labels in _BOUNDS.values():
        lines += [f"property float {end}_{label}" for end in ("min", "max") for label in labels]
    lines.append(f"element vertex {count}")
    lines += [f"property uint {label}" for label in _CODES]
    if rest:
        lines.append(f"element sh {count}")
        lines += [f"property uchar f_rest_{i}" for i in range(rest)]
    return ("\n".join([*lines, "end_header"]) + "\n").encode("ascii")

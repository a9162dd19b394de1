"""SPZ, versions 1 to 4: about 20 bytes a splat before compression; on disk y is up (RUB).

The file's axes are RUB unless its coordinate-system extension names others. Some writers store
PLY axes without saying so (PlayCanvas' splat-transform does): read those with ``up="source"``.

Source: nianticlabs/spz, load-spz.cc and splat-utils.h.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pybuild.formats import spz_container
from pybuild.formats.axes import flipped
from pybuild.formats.bounds import Buffer, Progress, mapped
from pybuild.formats.intake import empty, finished
from pybuild.formats.quantised import (
    bytes_of_logits,
    logit_table,
    quaternions_of_three,
    smallest_three,
)
from pybuild.gaussians import Gaussians
from pyengine.errors import InputError, malformed
from pyengine.sources.spz_header import ANTIALIASED, MAGIC, SYSTEMS, Header

__all__ = ["encode", "parse", "read", "recognises", "write"]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_COLOUR_SCALE = 0.15
_FRACTIONAL_BITS = 12
_MAGNITUDE = 511
_TO_RUB = np.array([1.0, -1.0, -1.0])
_SH_STEPS = (8, 16)
"""Quantisation steps of SH bytes, degree 1 and above: five and four bits, as SPZ's writer does."""


def recognises(data: Buffer) -> bool:
    """Whether the first bytes are an SPZ file's."""
    head = bytes(data[:4])
    return head == MAGIC or head[:2] == spz_container.GZIP_MAGIC


def read(
    path: str | os.PathLike[str], up: str | None = None, progress: Progress | None = None
) -> Gaussians:
    """Read a file; see `parse`."""
    return parse(mapped(path), os.fspath(path), up, progress)


def parse(
    data: Buffer, name: str, up: str | None = None, progress: Progress | None = None
) -> Gaussians:
    """Read an SPZ file in memory; parameters and errors as in `ply.parse`.

    Degree 4 is read without its last band. ``up`` overrides the coordinate-system extension.
    """
    header, system, arrays = spz_container.unpack(data, name)
    if up is None and system >= len(SYSTEMS):
        raise malformed(
            name,
            "unknown coordinate system in the extension",
            wanted=f"0 to {len(SYSTEMS) - 1}",
            got=system,
            hint="Say which axis is up (y, -y, z, -z).",
        )
    rows = {
        label: np.frombuffer(array, np.uint8).reshape(header.count, -1)
        if header.count and len(array)
        else np.empty((header.count, 0), np.uint8)
        for label, array in arrays.items()
    }
    result = empty(name, header.count, min(header.sh_degree, 3), header.antialiased)
    if header.count:
        _decode(result, rows, header)
    if progress:
        progress(1.0)
    return finished(result, name, up, SYSTEMS[system] if up is None else "RUB")


def _decode(result: Gaussians, rows: dict[str, Bytes], header: Header) -> None:
    """Fill the arrays from (n, bytes) tables."""
    if header.version == 1:
        result.positions[:] = rows["positions"].view("<f2")
    else:
        for axis in range(3):
            low, middle, high = rows["positions"][:, 3 * axis : 3 * axis + 3].T.astype(np.int32)
            fixed = low | middle << 8 | (high ^ 0x80) - 0x80 << 16
            result.positions[:, axis] = fixed * 2.0**-header.fractional_bits
    result.opacity_logits[:] = logit_table()[rows["alphas"][:, 0]]
    result.sh[:, 0] = (rows["colors"] / 255 - 0.5) / _COLOUR_SCALE
    coefficients = 3 * (result.sh.shape[1] - 1)
    harmonics = rows["sh"][:, :coefficients].reshape(header.count, -1, 3)
    np.subtract(harmonics, np.float32(128), out=result.sh[:, 1:])
    result.sh[:, 1:] /= 128
    result.log_scales[:] = rows["scales"] / np.float32(16) - 10
    if header.version < 3:
        xyz = rows["rotations"] / np.float32(127.5) - 1
        result.quaternions[:, 1:] = xyz
        result.quaternions[:, 0] = np.sqrt(np.maximum(0, 1 - (xyz * xyz).sum(axis=1)))
    else:
        codes = np.ascontiguousarray(rows["rotations"]).view("<u4")[:, 0]
        three = np.stack([_signed(codes >> np.uint32(shift)) for shift in (20, 10, 0)], axis=1)
        xyzw = quaternions_of_three(codes >> np.uint32(30), three)
        result.quaternions[:] = xyzw[:, [3, 0, 1, 2]]


def _signed(field: NDArray[np.uint32]) -> Floats:
    """Value of a field of nine bits of magnitude below a sign."""
    magnitude = (field & np.uint32(_MAGNITUDE)).astype(np.float32)
    magnitude *= np.float32(0.5**0.5 / _MAGNITUDE)
    return np.where(field & np.uint32(512), -magnitude, magnitude)


def write(path: str | os.PathLike[str], gaussians: Gaussians, version: int = 3) -> None:
    """Write a file; see `encode`."""
    Path(path).write_bytes(encode(gaussians, version))


def encode(gaussians: Gaussians, version: int = 3) -> bytes:
    """The bytes of an SPZ file, in RUB axes.

    Parameters
    ----------
    gaussians : Gaussians
        Log-scales are clamped to -10..5.9, SH coefficients to ±1, DC colour to ±3.3.
    version : int
        2 or 3 (gzip), or 4 (zstd).

    Raises
    ------
    InputError
        A position is too far out for 24 bits, or the version is another one.
    """
    if version not in (2, 3, 4):
        raise InputError(f"SPZ version must be 2, 3 or 4, got {version}")
    cloud = flipped(gaussians, _TO_RUB)
    extent = float(np.abs(cloud.positions).max(initial=0))
    bits = next((b for b in range(_FRACTIONAL_BITS, -1, -1) if extent * 2**b < 2**23 - 1), None)
    if bits is None:
        raise InputError(f"SPZ holds positions within ±{2**23 - 2}, got {extent:g}: scale it down")
    fixed = np.rint(cloud.positions.astype(np.float64) * 2**bits).astype("<i4")
    steps = np.full(cloud.sh.shape[1] - 1, _SH_STEPS[1])
    steps[:3] = _SH_STEPS[0]
    codes = np.floor((np.rint(cloud.sh[:, 1:] * 128) + 128) / steps[:, None] + 0.5)
    arrays = {
        "positions": fixed[..., None].view(np.uint8)[..., :3],
        "alphas": bytes_of_logits(cloud.opacity_logits),
        "colors": _byte(cloud.sh[:, 0] * (_COLOUR_SCALE * 255) + 127.5),
        "scales": _byte((cloud.log_scales + 10) * 16),
        "rotations": _first_three(cloud) if version == 2 else _rotation_words(cloud),
        "sh": _byte(codes * steps[:, None]),
    }
    flags = ANTIALIASED if cloud.antialiased else 0
    header = Header(version, cloud.count, cloud.sh_degree, bits, flags, 0)
    return spz_container.pack(header, {label: a.tobytes() for label, a in arrays.items()})


def _byte(value: NDArray[np.floating]) -> Bytes:
    """The nearest byte."""
    nearest: Bytes = np.clip(np.rint(value), 0, 255).astype(np.uint8)
    return nearest


def _first_three(cloud: Gaussians) -> Bytes:
    """Components x, y, z of rotations whose w is made positive, (n, 3)."""
    positive = np.where(cloud.quaternions[:, :1] < 0, -cloud.quaternions, cloud.quaternions)
    return _byte(positive[:, 1:] * 127.5 + 127.5)


def _rotation_words(cloud: Gaussians) -> NDArray[np.uint32]:
    """Rotations as a 2-bit index into x, y, z, w and three signed ten-bit fields."""
    largest, three = smallest_three(cloud.quaternions[:, [1, 2, 3, 0]])
    magnitude = np.minimum(np.rint(np.abs(three) * (2**0.5 * _MAGNITUDE)), _MAGNITUDE)
    fields = magnitude.astype("<u4") | np.where(three < 0, 512, 0).astype("<u4")
    words = largest.astype("<u4") << np.uint32(30)
    for index, shift in enumerate((20, 10, 0)):
        words |= fields[:, index] << np.uint32(shift)
    return words

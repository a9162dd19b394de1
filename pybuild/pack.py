"""Gaussians to GPU-ready buffers: Morton order, chunks of 256, quantised to 20 bytes plus SH.

The layout is drawn in shaders/project/unpack.wgsl and docs/formats.md. `unpack` is the oracle of
what the shader reads, and what the error of packing is measured with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pybuild.gaussians import Gaussians
from pybuild.sh import SH_C0
from pyengine.bundle import CHUNK_SIZE, SH_WORDS
from pyengine.structs import ChunkBox

__all__ = ["Packed", "joined_buffers", "pack", "unpack"]

POSITION_STEPS = 65535
WIDE, NARROW = 2047, 1023
LOG_SCALE_FLOOR = -20.0
LOG_SCALE_SPAN = 12.0
"""Sigmas smaller than the chunk's largest by more than e**12 are stored as that: both are flat."""

QUATERNION_STEPS = 511
SH_SCALE_OCTAVES, SH_SCALE_OFFSET = 16.0 / 255.0, -12.0
DRAWN_SIGMAS = float(np.sqrt(2 * np.log(255)))
"""Radius at which an opaque Gaussian falls to 1/255, in sigmas."""

Words = NDArray[np.uint32]
Report = Callable[[str, float], None]
"""Progress: what is being done, and how much of it, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed cloud.

    Attributes
    ----------
    count : int
        Gaussians; rows are padded to whole chunks with transparent ones.
    sh_degree : int
        The real degree: nothing is stored for bands that are zero.
    chunks : (c, 16) float32
        `pyengine.structs.ChunkBox` rows.
    geometry : (c * 256, 4) uint32
    color : (c * 256,) uint32
    sh : (c * 256, words) uint32
        Signed bytes, coefficient-major, r g b inside; no columns at degree 0.
    order : (n,) int64
        Row of the input that each packed row holds.
    """

    count: int
    sh_degree: int
    antialiased: bool
    chunks: NDArray[np.float32]
    geometry: Words
    color: Words
    sh: Words
    order: NDArray[np.int64]

    def buffers(self) -> dict[str, bytes]:
        """Bytes of the bundle's buffers by name."""
        named = {"chunks": self.chunks, "geometry": self.geometry, "color": self.color}
        if self.sh_degree:
            named["sh"] = self.sh
        return {name: np.ascontiguousarray(array).tobytes() for name, array in named.items()}


def pack(gaussians: Gaussians, report: Report | None = None) -> Packed:
    """Sort into Morton order and quantise.

    Positions are within 1/65,536 of their chunk's box (half a step, and float32's rounding of the
    step). Opacity is 8 bits,
    rotation 32, scales 32 within the chunk's range, colour 32 within the chunk's range, SH 8 bits
    a coefficient under a scale of the Gaussian's own.
    """
    tell = report or (lambda _what, _done: None)
    tell("ordering", 0.0)
    order = morton_order(gaussians.positions)
    count = gaussians.count
    chunks = max(1, -(-count // CHUNK_SIZE))
    rows = np.arange(chunks * CHUNK_SIZE)
    source = order[np.minimum(rows, count - 1)] if count else np.zeros(0, np.int64)
    if count == 0:
        return _empty(gaussians.antialiased)

    tell("positions", 0.2)
    position = gaussians.positions[source].reshape(chunks, CHUNK_SIZE, 3)
    low, steps, step = _quantise(position, np.full(3, POSITION_STEPS))
    box = np.zeros((chunks, 16), np.float32)
    box[:, 0:3], box[:, 4:7] = low, step
    words = np.zeros((chunks * CHUNK_SIZE, 4), np.uint32)
    x, y, z = steps.reshape(-1, 3).T
    words[:, 0] = x | y << 16
    words[:, 1] = z

    tell("opacity", 0.35)
    logits = gaussians.opacity_logits[source].astype(np.float64)
    with np.errstate(over="ignore"):
        opacity = np.rint(255 / (1 + np.exp(-logits))).astype(np.uint32)
    opacity[count:] = 0
    words[:, 1] |= opacity << 16

    tell("scales", 0.45)
    log_scale = np.maximum(gaussians.log_scales[source], LOG_SCALE_FLOOR)
    log_scale = log_scale.reshape(chunks, CHUNK_SIZE * 3)
    largest = log_scale.max(axis=1)
    log_scale = np.maximum(log_scale, largest[:, None] - LOG_SCALE_SPAN)
    smallest = log_scale.min(axis=1).astype(np.float32)
    span = (largest - smallest).astype(np.float32)
    box[:, 3], box[:, 7] = smallest, span / WIDE
    box[:, 11] = np.exp(largest.astype(np.float64)) * DRAWN_SIGMAS * 1.001
    unit = (log_scale - smallest[:, None]) / np.where(span > 0, span, 1)[:, None]
    words[:, 3] = _pack_11_11_10(
        np.rint(unit.reshape(-1, 3) * np.array([WIDE, WIDE, NARROW])).astype(np.uint32)
    )

    tell("rotations", 0.55)
    words[:, 2] = _pack_rotation(gaussians.quaternions[source])

    tell("colours", 0.7)
    rgb = (gaussians.sh[source, 0] * SH_C0 + 0.5).reshape(chunks, CHUNK_SIZE, 3)
    low, steps, step = _quantise(rgb, np.array([WIDE, WIDE, NARROW]))
    box[:, 8:11], box[:, 12:15] = low, step
    color = _pack_11_11_10(steps.reshape(-1, 3))

    tell("spherical harmonics", 0.8)
    degree = gaussians.real_sh_degree
    sh, codes = _pack_sh(gaussians.sh[source, 1 : (degree + 1) ** 2], SH_WORDS[degree])
    words[:, 1] |= codes << 24
    tell("packed", 1.0)
    return Packed(count, degree, gaussians.antialiased, box, words, color, sh, order)


def joined_buffers(objects: Sequence[Packed]) -> dict[str, bytes]:
    """Bytes of the bundle's buffers for several clouds, one after the other.

    Each chunk tells whose it is: ``color_step.w`` of its box is the index of its cloud. SH lie one
    cloud after the other too, each with as many words a Gaussian as its own degree has. A cloud
    that is there several times is stored once; its boxes are not, since each tells whose it is.
    """
    stored = list({id(packed): packed for packed in objects}.values())
    chunks = [packed.chunks.copy() for packed in objects]
    for index, boxes in enumerate(chunks):
        boxes[:, ChunkBox.offsets["color_step"] // 4 + 3] = index
    arrays: dict[str, Sequence[NDArray[Any]]] = {
        "chunks": chunks,
        "geometry": [packed.geometry for packed in stored],
        "color": [packed.color for packed in stored],
        "sh": [packed.sh for packed in stored],
    }
    named = {
        name: b"".join(np.ascontiguousarray(array).tobytes() for array in parts)
        for name, parts in arrays.items()
    }
    return named if named["sh"] else {name: named[name] for name in named if name != "sh"}


def unpack(packed: Packed) -> Gaussians:
    """The cloud that the shader sees, in packed order, without padding."""
    n = packed.count
    words = packed.geometry[:n]
    box = np.repeat(packed.chunks, CHUNK_SIZE, axis=0)[:n].astype(np.float64)
    steps = np.stack([words[:, 0] & 0xFFFF, words[:, 0] >> 16, words[:, 1] & 0xFFFF], axis=1)
    position = box[:, 0:3] + steps * box[:, 4:7]
    with np.errstate(divide="ignore"):
        opacity = (words[:, 1] >> 16 & 255) / 255
        logits = np.log(opacity) - np.log1p(-opacity)
    log_scale = box[:, 3:4] + _unpack_11_11_10(words[:, 3]) * box[:, 7:8] * [1, 1, WIDE / NARROW]
    rgb = box[:, 8:11] + _unpack_11_11_10(packed.color[:n]) * box[:, 12:15]
    sh = np.zeros((n, (packed.sh_degree + 1) ** 2, 3))
    sh[:, 0] = (rgb - 0.5) / SH_C0
    if packed.sh_degree:
        rest = packed.sh[:n].view(np.int8)[:, : 3 * (sh.shape[1] - 1)] / 127.0
        scale = np.exp2((words[:, 1] >> 24) * SH_SCALE_OCTAVES + SH_SCALE_OFFSET)
        scale[words[:, 1] >> 24 == 0] = 0
        sh[:, 1:] = (rest * scale[:, None]).reshape(n, -1, 3)
    return Gaussians(
        position.astype(np.float32),
        log_scale.astype(np.float32),
        _unpack_rotation(words[:, 2]).astype(np.float32),
        logits.astype(np.float32),
        sh.astype(np.float32),
        packed.antialiased,
    )


def morton_order(positions: NDArray[np.float32]) -> NDArray[np.int64]:
    """Stable order of (n, 3) positions along a Z-curve of 21 bits an axis."""
    if len(positions) == 0:
        return np.zeros(0, np.int64)
    p = positions.astype(np.float64)
    low, high = p.min(axis=0), p.max(axis=0)
    # One scale for all axes: cells are cubes, so that chunks are compact in every direction.
    cells = (p - low) * ((2**21 - 1) / max(float((high - low).max()), 1e-30))
    code = np.zeros(len(p), np.uint64)
    for axis in range(3):
        code |= _spread_bits(cells[:, axis].astype(np.uint64)) << np.uint64(axis)
    return np.argsort(code, kind="stable").astype(np.int64)


def _spread_bits(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Put two zero bits between the bits of 21-bit integers."""
    for shift, mask in (
        (32, 0x1F00000000FFFF),
        (16, 0x1F0000FF0000FF),
        (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3),
        (2, 0x1249249249249249),
    ):
        value = (value | value << np.uint64(shift)) & np.uint64(mask)
    return value


def _quantise(
    values: NDArray[np.float32], levels: NDArray[np.int64]
) -> tuple[NDArray[np.float32], Words, NDArray[np.float32]]:
    """Quantise (c, 256, 3) values within each chunk's own range: low, integers, step."""
    low = values.min(axis=1)
    span = values.max(axis=1).astype(np.float64) - low
    step = (span / levels).astype(np.float32)
    safe = np.where(step > 0, step, 1).astype(np.float64)
    quantised = np.rint((values.astype(np.float64) - low[:, None]) / safe[:, None])
    return low, np.clip(quantised, 0, levels).astype(np.uint32), step


def _pack_11_11_10(steps: Words) -> Words:
    return np.asarray(steps[:, 0] | steps[:, 1] << 11 | steps[:, 2] << 22, np.uint32)


def _unpack_11_11_10(words: Words) -> NDArray[np.float64]:
    return np.stack([words & WIDE, words >> 11 & WIDE, words >> 22], axis=1).astype(np.float64)


def _pack_rotation(quaternions: NDArray[np.float32]) -> Words:
    """Index of the largest of w, x, y, z, and the other three in 10 bits each, centre 511."""
    q = quaternions.astype(np.float64)
    largest = np.argmax(np.abs(q), axis=1)
    q *= np.sign(np.take_along_axis(q, largest[:, None], axis=1))
    others = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])[largest]
    small = np.take_along_axis(q, others, axis=1) * np.sqrt(2) * QUATERNION_STEPS
    steps = np.clip(np.rint(small) + QUATERNION_STEPS, 0, NARROW).astype(np.uint32)
    packed = largest.astype(np.uint32) << 30
    return np.asarray(packed | steps[:, 0] | steps[:, 1] << 10 | steps[:, 2] << 20, np.uint32)


def _unpack_rotation(words: Words) -> NDArray[np.float64]:
    steps = np.stack([words & NARROW, words >> 10 & NARROW, words >> 20 & NARROW], axis=1)
    small = (steps.astype(np.float64) - QUATERNION_STEPS) / (QUATERNION_STEPS * np.sqrt(2))
    rest = np.sqrt(np.maximum(0, 1 - (small * small).sum(axis=1)))
    largest = (words >> 30).astype(np.int64)
    quaternions = np.zeros((len(words), 4))
    others = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])[largest]
    np.put_along_axis(quaternions, others, small, axis=1)
    np.put_along_axis(quaternions, largest[:, None], rest[:, None], axis=1)
    unit: NDArray[np.float64] = quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)
    return unit


def _pack_sh(rest: NDArray[np.float32], words: int) -> tuple[Words, Words]:
    """Signed bytes of (n, k, 3) coefficients under a scale code a Gaussian; 0 if all are zero."""
    n = len(rest)
    if words == 0:
        return np.zeros((n, 0), np.uint32), np.zeros(n, np.uint32)
    flat = rest.reshape(n, -1).astype(np.float64)
    largest = np.abs(flat).max(axis=1)
    with np.errstate(divide="ignore"):
        code = np.ceil((np.log2(largest) - SH_SCALE_OFFSET) / SH_SCALE_OCTAVES - 1e-6)
    code = np.where(largest > 0, np.clip(code, 1, 255), 0)
    scale = np.exp2(code * SH_SCALE_OCTAVES + SH_SCALE_OFFSET)
    steps = np.clip(np.rint(flat / scale[:, None] * 127), -127, 127).astype(np.int8)
    bytes_ = np.zeros((n, words * 4), np.int8)
    bytes_[:, : flat.shape[1]] = steps
    return bytes_.view(np.uint32), code.astype(np.uint32)


def _empty(antialiased: bool) -> Packed:
    """One chunk of transparent rows: an empty scene still has buffers to bind."""
    rows = CHUNK_SIZE
    return Packed(
        0,
        0,
        antialiased,
        np.zeros((1, ChunkBox.size_bytes // 4), np.float32),
        np.zeros((rows, 4), np.uint32),
        np.zeros(rows, np.uint32),
        np.zeros((rows, 0), np.uint32),
        np.zeros(0, np.int64),
    )

"""What a scene costs and what packing did to it: the numbers behind ``vitrine inspect``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pybuild.gaussians import Gaussians
from pybuild.networks import Network
from pybuild.pack import LOG_SCALE_FLOOR, Packed, unpack
from pybuild.sh import SH_C0
from pyengine.bundle import CHUNK_SIZE, Scene
from pyengine.plan import DEFAULT_LIMITS, Adapter, Plan
from pyengine.scene_plan import scene_plan
from pyengine.structs import ChunkBox

__all__ = ["BufferSize", "Error", "folder_bytes", "gpu_buffers", "packing_errors", "pixel_bytes"]

Floats = NDArray[np.float64]
TEXEL_BYTES = {"rgba16float": 8, "rgba32float": 16, "depth32float": 4}
CANVAS_TEXEL_BYTES = 4


@dataclass(frozen=True, slots=True)
class BufferSize:
    """One buffer on the GPU; ``stored`` says that it is in the bundle, not only working memory."""

    name: str
    size_bytes: int
    stored: bool


@dataclass(frozen=True, slots=True)
class Error:
    """What packing changed in one quantity: the largest difference and the root mean square."""

    quantity: str
    unit: str
    largest: float
    rms: float


def gpu_buffers(scene: Scene, network: Network | None = None) -> list[BufferSize]:
    """Every buffer of the plan that draws a scene, stored ones first."""
    plan = _plan(scene, network)
    sizes = [BufferSize(b.name, b.size_bytes, b.source is not None) for b in plan.buffers]
    return sorted(sizes, key=lambda buffer: not buffer.stored)


def pixel_bytes(scene: Scene, network: Network | None = None) -> int:
    """Bytes on the GPU for each pixel of the canvas, the canvas included."""
    plan = _plan(scene, network)
    return CANVAS_TEXEL_BYTES + sum(TEXEL_BYTES[texture.format] for texture in plan.textures)


def packing_errors(gaussians: Gaussians, packed: Packed) -> list[Error]:
    """Compare a cloud with what the shader will see of it.

    Parameters
    ----------
    gaussians : Gaussians
    packed : Packed
        `pybuild.pack.pack` of it.
    """
    before, after = gaussians.take(packed.order), unpack(packed)
    before = before.with_sh_degree(packed.sh_degree)
    moved = np.abs(_wide(after.positions) - _wide(before.positions))
    box = np.repeat(_box_sides(packed), CHUNK_SIZE, axis=0)[: packed.count]
    share = np.divide(moved, box, out=np.zeros_like(moved), where=box > 0)
    colour = SH_C0 * (_wide(after.sh[:, 0]) - _wide(before.sh[:, 0]))
    rows = [
        _error("position", "world units", np.linalg.norm(moved, axis=1)),
        _error("position", "of the chunk's box", share),
        _error("scale", "of the Gaussian's largest sigma", _scale_error(before, after)),
        _error("rotation", "degrees", _rotation_error_deg(before, after)),
        _error("opacity", "0 to 1", _opacity(after) - _opacity(before)),
        _error("colour", "0 to 1", colour),
    ]
    if packed.sh_degree:
        rest = _wide(after.sh[:, 1:]) - _wide(before.sh[:, 1:])
        rows.append(_error("spherical harmonics", "coefficient", rest))
    return rows


def folder_bytes(folder: Path) -> dict[str, int]:
    """Bytes of every file below a folder, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _plan(scene: Scene, network: Network | None) -> Plan:
    if network is None:
        return scene_plan(scene, Adapter(DEFAULT_LIMITS))
    return scene_plan(scene, Adapter(DEFAULT_LIMITS), network.program, network.shaders)


def _error(quantity: str, unit: str, difference: Floats) -> Error:
    if difference.size == 0:
        return Error(quantity, unit, 0.0, 0.0)
    magnitude = np.abs(difference)
    return Error(quantity, unit, float(magnitude.max()), float(np.sqrt(np.mean(magnitude**2))))


def _scale_error(before: Gaussians, after: Gaussians) -> Floats:
    """Change of each sigma as a share of the Gaussian's largest: (n, 3).

    Not of itself: a flat Gaussian may have a sigma of zero, which is drawn like any tiny one.
    """
    old, new = np.exp(_wide(before.log_scales)), np.exp(_wide(after.log_scales))
    largest = np.maximum(old.max(axis=1, keepdims=True, initial=0), np.exp(LOG_SCALE_FLOOR))
    return np.asarray((new - old) / largest)


def _rotation_error_deg(before: Gaussians, after: Gaussians) -> Floats:
    """Angle between the rotations, exact for small ones too: (n,)."""
    p, q = _wide(before.quaternions), _wide(after.quaternions)
    apart = np.minimum(np.linalg.norm(p - q, axis=1), np.linalg.norm(p + q, axis=1))
    return np.asarray(np.degrees(4 * np.arcsin(np.minimum(apart / 2, 1))))


def _opacity(gaussians: Gaussians) -> Floats:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-_wide(gaussians.opacity_logits))))


def _box_sides(packed: Packed) -> Floats:
    """Sides of each chunk's box of centres: (c, 3)."""
    start = ChunkBox.offsets["position_step"] // 4
    return _wide(packed.chunks[:, start : start + 3]) * 65535


def _wide(array: NDArray[np.float32]) -> Floats:
    return array.astype(np.float64)

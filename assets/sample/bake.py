"""Shadows, ambient occlusion and one bounce of light, marched through a grid of the splats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.sample.surfaces import Part, unit

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

VOXEL = 0.022
SMOOTHING = 0.020
"""Size of the cells over which baked light is averaged."""
SOLIDITY = 3.2
"""Extinction of a voxel per splat area in it: one closed layer must stop most of the light."""

KEY_DIRECTION = unit(np.array([-0.62, 0.80, 0.52]))
"""Towards the key light: over the viewer's left shoulder."""
KEY_COLOUR = np.array([3.5, 3.1, 2.6])
RIM_DIRECTION = unit(np.array([0.75, 0.42, -0.62]))
RIM_COLOUR = np.array([0.55, 0.72, 1.05])
SKY = (
    # towards, colour, sharpness: lobes exp(sharpness * (cos - 1)) that sum to the surroundings
    ((0.0, 1.0, 0.0), (0.62, 0.66, 0.74), 1.6),
    ((-0.85, 0.35, 0.40), (0.46, 0.38, 0.30), 2.5),
    ((0.70, 0.25, 0.65), (0.16, 0.20, 0.30), 2.5),
    ((0.0, -1.0, 0.0), (0.10, 0.07, 0.05), 1.2),
)


@dataclass(frozen=True, slots=True)
class Light:
    """What reaches both sides of each splat, in linear light.

    Attributes
    ----------
    front, back : (n, 3) float32
        Irradiance over pi on the normal's side and on the other.
    open_front : (n,) float32
        Share of the sky that the normal's side sees.
    key, rim : (n,) float32
        Share of the two lamps that arrives, whatever the normal.
    """

    front: Floats32
    back: Floats32
    open_front: Floats32
    key: Floats32
    rim: Floats32


@dataclass(frozen=True, slots=True)
class Grid:
    """Extinction and, premultiplied by it, radiance in (cells, 4) float32; ``low`` is a corner."""

    cells: Floats32
    low: Floats
    shape: tuple[int, int, int]

    def at(self, points: Floats32) -> Floats32:
        """Cells that hold (n, 3) points; outside is empty."""
        index = np.floor((points - self.low.astype(np.float32)) / np.float32(VOXEL))
        cell = np.clip(index, 0, np.array(self.shape) - 1).astype(np.int32)
        flat = (cell[:, 0] * self.shape[1] + cell[:, 1]) * self.shape[2] + cell[:, 2]
        return np.asarray(self.cells[flat])


def sky(cosines: list[Floats32]) -> Floats32:
    """Radiance of the surroundings from the cosines with each lobe: (..., 3)."""
    total = np.zeros((*cosines[0].shape, 3), np.float32)
    for (_, colour, sharpness), cosine in zip(SKY, cosines, strict=True):
        weight = np.exp(np.float32(sharpness) * (cosine - 1))
        total += weight[..., None] * np.array(colour, np.float32)
    return total


def sky_towards(directions: Floats) -> Floats32:
    """Radiance of the surroundings along (n, 3) directions."""
    return sky([(directions @ unit(np.array(l))).astype(np.float32) for l, _, _ in SKY])  # noqa: E741


def bake(p: Part) -> Light:
    """Light every splat of the scene by the others."""
    rng = np.random.default_rng(5)
    position = p.position.astype(np.float32)
    normal = p.normal.astype(np.float32)
    jitter = (rng.random((len(position), 3), dtype=np.float32) - 0.5) * np.float32(VOXEL)
    grid = _grid(p, None)
    two_sided = p.through > 0
    key = _lamp(grid, position + jitter, normal, KEY_DIRECTION, two_sided)
    rim = _lamp(grid, position + jitter, normal, RIM_DIRECTION, two_sided)
    front, back = _direct(p, key, rim)
    front, back = _smoothed(p, front), _smoothed(p, back)
    lit = front * p.albedo.astype(np.float32) + p.emission
    grid = _grid(p, lit.astype(np.float32))
    gathered_front, open_front = _gather(grid, position + jitter, normal)
    some = np.flatnonzero(two_sided)
    gathered_back = np.zeros_like(front)
    gathered_back[some], _ = _gather(grid, (position + jitter)[some], -normal[some])
    return Light(
        front + _smoothed(p, gathered_front),
        back + _smoothed(p, gathered_back),
        *(_smoothed(p, share[:, None])[:, 0] for share in (open_front, key, rim)),
    )


def _smoothed(p: Part, values: Floats32) -> Floats32:
    """Average of (n, k) values over neighbours that face alike: takes the grain off the march.

    Eight shifted grids of cells, each averaged on its own, add up to a smooth kernel.
    """
    shifts = np.random.default_rng(9).random((8, 3))
    octant = (p.normal > 0) @ np.array([1, 2, 4])
    total = np.zeros_like(values)
    for shift in shifts:
        cell = np.floor(p.position / SMOOTHING + shift).astype(np.int64) + 512
        key = ((cell[:, 0] * 1024 + cell[:, 1]) * 1024 + cell[:, 2]) * 8 + octant
        _, group = np.unique(key, return_inverse=True)
        number = np.bincount(group)
        for k in range(values.shape[1]):
            total[:, k] += (np.bincount(group, values[:, k]) / number)[group]
    return total / np.float32(len(shifts))


def _grid(p: Part, radiance: Floats32 | None) -> Grid:
    low = p.position.min(axis=0) - 2 * VOXEL
    shape = np.ceil((p.position.max(axis=0) - low) / VOXEL).astype(int) + 2
    cell = np.floor((p.position - low) / VOXEL).astype(int)
    flat = (cell[:, 0] * shape[1] + cell[:, 1]) * shape[2] + cell[:, 2]
    area = np.sqrt(np.sort(p.sigma, axis=1)[:, 1:].prod(axis=1)) ** 2 * 3.2
    weight = SOLIDITY * np.where(p.clear > 0, 0.15, 1) * p.opacity * area / VOXEL**3
    size = int(np.prod(shape))
    cells = np.zeros((size, 4), np.float32)
    cells[:, 0] = np.bincount(flat, weight, size)
    if radiance is not None:
        for k in range(3):
            cells[:, 1 + k] = np.bincount(flat, weight * radiance[:, k], size)
        cells[:, 1:] /= np.maximum(cells[:, :1], 1e-9)
    return Grid(cells, low, (int(shape[0]), int(shape[1]), int(shape[2])))


def _lamp(
    grid: Grid, start: Floats32, normal: Floats32, towards: Floats, two_sided: NDArray[np.bool_]
) -> Floats32:
    """Transmittance from each splat to a lamp; dark at once where a closed surface faces away."""
    direction = towards.astype(np.float32)
    facing = normal @ direction
    lit = np.flatnonzero((facing > 0) | two_sided)
    side = np.where(facing[lit] >= 0, 1, -1).astype(np.float32)[:, None]
    origin = start[lit] + normal[lit] * side * np.float32(1.4 * VOXEL)
    depth = np.zeros(len(lit), np.float32)
    step = np.float32(1.15 * VOXEL)
    wobble = np.random.default_rng(11)
    for k in range(1, 56):
        spread = np.float32(VOXEL * (0.6 + 0.04 * k))
        offset = (wobble.random(origin.shape, dtype=np.float32) - 0.5) * spread
        depth += grid.at(origin + offset + direction * (k * step))[:, 0] * step
    result = np.zeros(len(start), np.float32)
    result[lit] = np.exp(-depth)
    return result


def _direct(p: Part, key: Floats32, rim: Floats32) -> tuple[Floats32, Floats32]:
    front = np.zeros(p.position.shape, np.float32)
    back = np.zeros_like(front)
    lamps = ((KEY_DIRECTION, KEY_COLOUR, key), (RIM_DIRECTION, RIM_COLOUR, rim))
    for towards, colour, share in lamps:
        cosine = (p.normal @ towards).astype(np.float32)
        front += (np.maximum(0, cosine) * share)[:, None] * colour.astype(np.float32)
        back += (np.maximum(0, -cosine) * share)[:, None] * colour.astype(np.float32)
    return front, back


def _gather(grid: Grid, start: Floats32, normal: Floats32) -> tuple[Floats32, Floats32]:
    """Cosine-weighted light from sky and neighbours, and the share of sky that is seen."""
    count = 30
    i = np.arange(count) + 0.5
    height = 1 - 2 * i / count
    ring = np.sqrt(1 - height**2)
    angle = np.pi * (1 + 5**0.5) * i
    directions = np.stack([ring * np.cos(angle), height, ring * np.sin(angle)], axis=1)
    light = np.zeros(start.shape, np.float32)
    total = np.zeros(len(start), np.float32)
    seen = np.zeros(len(start), np.float32)
    distance = VOXEL * np.array([1.6, 2.7, 4.1, 6.0, 8.6, 12.2, 17.0, 23.5])
    lengths = np.diff(distance, prepend=0.8 * VOXEL) * np.array([1, 1, 1, 0.9, 0.8, 0.7, 0.6, 0.5])
    origin = start + normal * np.float32(0.8 * VOXEL)
    for direction in directions.astype(np.float32):
        cosine = normal @ direction
        some = np.flatnonzero(cosine > 0.04)
        through = np.ones(len(some), np.float32)
        gained = np.zeros((len(some), 3), np.float32)
        for t, length in zip(distance, lengths, strict=True):
            cell = grid.at(origin[some] + direction * np.float32(t))
            kept = np.exp(-cell[:, 0] * np.float32(length))
            gained += (through * (1 - kept))[:, None] * cell[:, 1:]
            through *= kept
        weight = cosine[some]
        gained += through[:, None] * sky_towards(direction[None].astype(np.float64))
        light[some] += gained * weight[:, None]
        seen[some] += through * weight
        total[some] += weight
    total = np.maximum(total, 1e-6)
    return light / total[:, None], seen / total

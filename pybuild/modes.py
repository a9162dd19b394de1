"""The oracle for render modes: slow and readable, from what `pybuild.reference` projects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pybuild.gaussians import Gaussians
from pybuild.reference import ALPHA_MAX, ALPHA_MIN, Ellipsoids, Projected, project
from pyengine.passes.modes import MOST, RING_PX
from pyengine.view import View

__all__ = [
    "cubehelix",
    "depth",
    "expected_depth",
    "heat",
    "heat_of",
    "normals",
    "of_depth",
    "outlines",
    "overdraw",
]

Floats = NDArray[np.float64]
Cloud = Gaussians | Ellipsoids

_SEEN = 0.05


def cubehelix(value: ArrayLike) -> Floats:
    """Green's map (2011) of 0 to 1, with his constants: (..., 3)."""
    v = np.asarray(value, np.float64)[..., None]
    angle = 2 * np.pi * (0.5 / 3 + 1 - 1.5 * v)
    amplitude = v * (1 - v) / 2
    waves = np.cos(angle) * [-0.14861, -0.29227, 1.97294] + np.sin(angle) * [1.78277, -0.90649, 0]
    return np.asarray(np.clip(v + amplitude * waves, 0, 1))


def heat(value: ArrayLike) -> Floats:
    """Black, red, yellow, white: (..., 3)."""
    v = np.asarray(value, np.float64)[..., None]
    return np.asarray(np.clip(3 * v - [0, 1, 2], 0, 1))


def expected_depth(cloud: Cloud, view: View) -> tuple[Floats, Floats]:
    """Mean depth of what each pixel shows, and its coverage.

    Returns
    -------
    depth : (height, width) float64
        Along the camera's axis, world units; 0 where nothing is seen.
    coverage : (height, width) float64
    """
    splats = project(cloud, view)
    summed, left = _blended(
        splats, view, lambda i, alpha, q: (alpha, np.full((*alpha.shape, 1), splats.depth[i]))
    )
    coverage = 1 - left
    return summed[:, :, 0] / np.maximum(coverage, 1e-9), coverage


def depth(cloud: Cloud, view: View, half: float, background: ArrayLike = (0, 0, 0)) -> Floats:
    """The mode ``depth``; ``half`` world units have the middle of the map."""
    z, coverage = expected_depth(cloud, view)
    return _over(of_depth(z, half), coverage, background)


def normals(
    z: Floats, coverage: Floats, view: View, reach: int, background: ArrayLike = (0, 0, 0)
) -> Floats:
    """The mode ``normals``, of an expected depth, by neighbours ``reach`` pixels away."""
    height, width = z.shape
    y, x = np.mgrid[:height, :width] + 0.5
    points = np.stack([(x - view.cx) / view.fx * z, (y - view.cy) / view.fy * z, z], axis=2)
    points[coverage < _SEEN] = 0

    def slope(axis: int) -> Floats:
        padded = np.pad(points, [(reach, reach) if i == axis else (0, 0) for i in range(3)])
        size = points.shape[axis]
        behind = np.take(padded, np.arange(size), axis)
        ahead = np.take(padded, np.arange(size) + 2 * reach, axis)
        rise = np.where(ahead[:, :, 2] > 0, np.abs(ahead - points)[:, :, 2], np.inf)
        fall = np.where(behind[:, :, 2] > 0, np.abs(points - behind)[:, :, 2], np.inf)
        chosen = np.where((rise <= fall)[:, :, None], ahead - points, points - behind)
        chosen[np.isinf(rise) & np.isinf(fall)] = 0
        return np.asarray(chosen)

    normal = np.cross(slope(0), slope(1))
    size = np.linalg.norm(normal, axis=2)
    normal[(normal * points).sum(axis=2) > 0] *= -1
    shown = (points[:, :, 2] > 0) & (size > 0)
    normal /= np.where(size > 0, size, 1)[:, :, None]
    return _over(normal * [0.5, -0.5, -0.5] + 0.5, np.where(shown, coverage, 0), background)


def outlines(cloud: Cloud, view: View, background: ArrayLike = (0, 0, 0)) -> Floats:
    """The mode ``outlines``: rings of `RING_PX` inside the edge where alpha is 1/255."""
    splats = project(cloud, view)

    def ring(i: int, alpha: Floats, q: Floats) -> tuple[Floats, Floats]:
        edge = 2 * np.log(255 * splats.opacity[i])
        u = np.sqrt(q / edge)
        x0, y0 = _first(splats, view, i)
        dx = np.arange(x0, x0 + q.shape[1]) + 0.5 - splats.centre_px[i, 0]
        dy = np.arange(y0, y0 + q.shape[0])[:, None] + 0.5 - splats.centre_px[i, 1]
        xx, xy, yy = splats.conic[i]
        slope = np.hypot(xx * dx + xy * dy, xy * dx + yy * dy) / (edge * np.maximum(u, 1e-9))
        inside_px = (1 - u) / np.maximum(slope, 1e-9)
        faint = min(ALPHA_MAX, splats.opacity[i]) * np.clip(RING_PX - inside_px, 0, 1)
        return np.where(alpha > 0, faint, 0), np.broadcast_to(splats.colour[i], (*q.shape, 3))

    summed, left = _blended(splats, view, ring)
    return summed + left[:, :, None] * np.asarray(background, np.float64)


def overdraw(cloud: Cloud, view: View) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Splats that reach each pixel, and those of them before it is closed, at the earliest.

    The engine closes opaque pixels between its batches, so its count lies between the two.
    """
    splats = project(cloud, view)
    every = np.zeros((view.height, view.width), np.int64)
    least = every.copy()
    left = np.ones(every.shape)
    for i in range(len(splats.index)):
        window, alpha, _ = _alpha(splats, view, i)
        every[window] += alpha > 0
        least[window] += (alpha > 0) & (left[window] > 1 / 512)
        left[window] *= 1 - alpha
    return every, least


def of_depth(z: ArrayLike, half: float) -> Floats:
    """The colour of a depth in the mode ``depth``."""
    return cubehelix(1 / (1 + (np.asarray(z, np.float64) / half) ** 3))


def heat_of(count: ArrayLike) -> Floats:
    """The mode ``overdraw`` of a count."""
    return heat(np.minimum(np.log2(1 + np.asarray(count, np.float64)) / np.log2(1 + MOST), 1))


def _over(color: Floats, coverage: Floats, background: ArrayLike) -> Floats:
    share = np.minimum(coverage, 1)[:, :, None]
    return np.asarray(color * share + (1 - share) * np.asarray(background, np.float64))


def _first(splats: Projected, view: View, i: int) -> tuple[int, int]:
    low = np.floor(splats.centre_px[i] - splats.extent_px[i] - 0.5)
    x, y = np.clip(low, 0, (view.width, view.height)).astype(int)
    return int(x), int(y)


def _alpha(splats: Projected, view: View, i: int) -> tuple[tuple[slice, slice], Floats, Floats]:
    """Where a splat is, its alpha there (0 under 1/255), and its squared distance q."""
    x0, y0 = _first(splats, view, i)
    high = np.ceil(splats.centre_px[i] + splats.extent_px[i] + 0.5)
    x1, y1 = np.clip(high, 0, (view.width, view.height)).astype(int)
    dx = np.arange(x0, x1) + 0.5 - splats.centre_px[i, 0]
    dy = np.arange(y0, y1)[:, None] + 0.5 - splats.centre_px[i, 1]
    xx, xy, yy = splats.conic[i]
    q = xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy
    alpha = np.minimum(ALPHA_MAX, splats.opacity[i] * np.exp(-0.5 * q))
    return (slice(y0, y1), slice(x0, x1)), np.where(alpha >= ALPHA_MIN, alpha, 0), q


def _blended(
    splats: Projected,
    view: View,
    drawn: Callable[[int, Floats, Floats], tuple[Floats, Floats]],
) -> tuple[Floats, Floats]:
    """Front to back what ``drawn`` makes of each splat, (alpha, value); what is left through."""
    left = np.ones((view.height, view.width))
    summed: Floats | None = None
    for i in range(len(splats.index)):
        window, alpha, q = _alpha(splats, view, i)
        alpha, value = drawn(i, alpha, q)
        if summed is None:
            summed = np.zeros((view.height, view.width, value.shape[2]))
        weight = alpha * left[window]
        summed[window] += weight[:, :, None] * value
        left[window] -= weight
    return (np.zeros((view.height, view.width, 3)) if summed is None else summed), left

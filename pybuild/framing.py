"""Where the camera starts: from the cloud alone, so that the subject fills the picture.

A capture has floaters and often a piece of its surroundings. The subject's box is taken from
opacity-weighted percentiles, and long tails are cut relative to the core of the distribution.
No format says where a subject's front is. It is taken to be the side that shows most splats:
people capture the front in more detail, and training spends its splats there.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pybuild.gaussians import Gaussians
from pyengine.bundle import Pose

__all__ = ["default_pose", "front", "pose_before", "subject_box"]

Floats = NDArray[np.float64]

FOV_DEG = 50.0
ASPECT = 4 / 3
"""Width over height that the subject must fit in; the narrowest usual screen but a phone's."""
MARGIN = 1.08
ELEVATION_DEG = 8.0
"""The camera looks down on the subject by this much, as a visitor does."""
WHOLE = (0.01, 0.99)
CORE = (0.15, 0.85)
TAIL = 1.0
"""The box reaches beyond the core by no more than this many lengths of the core's longest side."""
SMALLEST_DISTANCE = 1.0
"""World units; nearer than 0.2 nothing is drawn."""
SAMPLES = 1 << 18
SIDES = ((2, 1), (2, -1), (0, 1), (0, -1))
"""Horizontal axis and the sign along it that a camera at each side looks in; +z first."""
GRID = 96
"""Cells along the longest side in which the nearest splats are looked for."""
SKIN = 0.02
"""Splats this near behind the nearest one of their cell show too; of the longest side."""
SEEN_OPACITY = 0.3


def default_pose(gaussians: Gaussians) -> Pose:
    """Look at the middle of the subject from its `front`, -y up.

    Parameters
    ----------
    gaussians : Gaussians
        May be empty.
    """
    low, high = subject_box(gaussians)
    return pose_before(low, high, front(gaussians, low, high))


def pose_before(low: Floats, high: Floats, level: Floats | None = None) -> Pose:
    """Look at the middle of a box so that it fills the picture, -y up.

    Parameters
    ----------
    low, high : (3,) float64
        World units.
    level : (3,) float64, optional
        Horizontal direction in which the camera looks; +z unless given.
    """
    middle, half = (low + high) / 2, (high - low) / 2
    level = np.array([0.0, 0.0, 1.0]) if level is None else level
    angle = math.radians(ELEVATION_DEG)
    vertical = np.array([0.0, 1.0, 0.0])
    forward = math.sin(angle) * vertical + math.cos(angle) * level
    down = math.cos(angle) * vertical - math.sin(angle) * level
    right = np.cross(down, forward)
    tangent = math.tan(math.radians(FOV_DEG) / 2)
    corners = half * np.array(
        [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64
    )
    across = np.maximum(np.abs(corners @ down), np.abs(corners @ right) / ASPECT)
    distance = float((across * MARGIN / tangent - corners @ forward).max())
    distance = max(distance, SMALLEST_DISTANCE)
    eye = middle - distance * forward
    return Pose(_rounded(eye, distance), _rounded(middle, distance), FOV_DEG)


def subject_box(gaussians: Gaussians) -> tuple[Floats, Floats]:
    """Two corners of the box around what is worth looking at, in world units.

    Returns
    -------
    low, high : (3,) float64
    """
    positions, weights = _sampled(gaussians)
    if len(positions) == 0 or weights.sum() <= 0:
        return np.full(3, -1.0), np.full(3, 1.0)
    points = np.array(
        [_percentiles(positions[:, axis], weights, (*WHOLE, *CORE)) for axis in range(3)]
    )
    tail = TAIL * (points[:, 3] - points[:, 2]).max()
    low = np.maximum(points[:, 0], points[:, 2] - tail)
    high = np.minimum(points[:, 1], points[:, 3] + tail)
    return low, high


def front(gaussians: Gaussians, low: Floats, high: Floats) -> Floats:
    """Horizontal direction in which a camera at the front looks: +z, -z, +x or -x.

    Parameters
    ----------
    gaussians : Gaussians
    low, high : (3,) float64
        The subject's box.

    Returns
    -------
    (3,) float64, of unit length
    """
    positions, weights = _sampled(gaussians)
    inside = ((positions >= low) & (positions <= high)).all(axis=1) & (weights > SEEN_OPACITY)
    points, size = positions[inside], max(float((high - low).max()), 1e-12)
    seen = []
    for axis, sign in SIDES:
        picture = [2 - axis, 1]
        cells = ((points[:, picture] - low[picture]) * (GRID / size)).astype(np.int64)
        cells = np.clip(cells, 0, GRID - 1)
        cell = cells[:, 0] * GRID + cells[:, 1]
        depth = sign * points[:, axis]
        nearest = np.full(GRID * GRID, np.inf)
        np.minimum.at(nearest, cell, depth)
        seen.append(int((depth < nearest[cell] + SKIN * size).sum()))
    axis, sign = SIDES[int(np.argmax(seen))]
    direction = np.zeros(3)
    direction[axis] = sign
    return direction


def _sampled(gaussians: Gaussians) -> tuple[Floats, Floats]:
    """Positions and opacities of at most about twice `SAMPLES` Gaussians."""
    rows = slice(None, None, max(1, gaussians.count // SAMPLES))
    with np.errstate(over="ignore"):
        weights = 1 / (1 + np.exp(-gaussians.opacity_logits[rows].astype(np.float64)))
    return gaussians.positions[rows].astype(np.float64), weights


def _percentiles(values: Floats, weights: Floats, fractions: tuple[float, ...]) -> Floats:
    """Values below which these fractions of the weight lie."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    index = np.searchsorted(total, np.array(fractions) * total[-1])
    return np.asarray(values[order][np.minimum(index, len(values) - 1)])


def _rounded(point: Floats, distance: float) -> tuple[float, float, float]:
    """Few digits: about a thousandth of the distance, for a file that people read."""
    digits = max(0, 3 - math.floor(math.log10(distance)))
    x, y, z = (round(float(v), digits) + 0.0 for v in point)
    return x, y, z

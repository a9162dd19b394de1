"""Where the camera starts before a file that was dropped on the page.

The rule of pybuild/framing.py, its oracle, in the standard library and on a sample of the cloud.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pyengine.bundle import Pose

__all__ = ["Sample", "default_pose"]

Vector = tuple[float, float, float]
Sample = tuple[float, float, float, float]
"""A centre, world units, and its opacity, 0 to 1."""

FOV_DEG = 50.0
ASPECT = 4 / 3
MARGIN = 1.08
ELEVATION_DEG = 8.0
WHOLE, CORE = (0.01, 0.99), (0.15, 0.85)
TAIL = 1.0
SMALLEST_DISTANCE = 1.0
SIDES = ((2, 1), (2, -1), (0, 1), (0, -1))
GRID = 96
"""Cells along the longest side for a whole cloud; fewer for a sample, with as many points each."""
GRID_POINTS = 1 << 18
"""Points of a cloud that the oracle looks at."""
SKIN = 0.02
SEEN_OPACITY = 0.3


def default_pose(sample: Sequence[Sample], count: int) -> Pose:
    """Look at the middle of the subject from its front, -y up.

    Parameters
    ----------
    sample : sequence of (x, y, z, opacity)
        May be empty.
    count : int
        Splats of the cloud that it was taken of.
    """
    low, high = _subject_box(sample)
    middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    half = [(b - a) / 2 for a, b in zip(low, high, strict=True)]
    grid = GRID * math.sqrt(min(1.0, len(sample) / max(1, min(count, GRID_POINTS))))
    axis, sign = _front(sample, low, high, max(8, round(grid)))
    sine, cosine = math.sin(math.radians(ELEVATION_DEG)), math.cos(math.radians(ELEVATION_DEG))
    # The camera's axes: right is horizontal, across the side that it looks along.
    forward, down, right = [0.0, sine, 0.0], [0.0, cosine, 0.0], [0.0, 0.0, 0.0]
    forward[axis], down[axis], right[2 - axis] = cosine * sign, -sine * sign, 1.0
    tangent = math.tan(math.radians(FOV_DEG) / 2)
    distance = SMALLEST_DISTANCE
    for corner in range(8):
        point = [half[i] * (1 if corner >> i & 1 else -1) for i in range(3)]
        across = max(abs(_dot(point, down)), abs(_dot(point, right)) / ASPECT)
        distance = max(distance, across * MARGIN / tangent - _dot(point, forward))
    eye = [m - distance * f for m, f in zip(middle, forward, strict=True)]
    return Pose(_vector(eye), _vector(middle), FOV_DEG)


def _subject_box(sample: Sequence[Sample]) -> tuple[list[float], list[float]]:
    """Two corners of the box around what is worth looking at."""
    if not sample or sum(row[3] for row in sample) <= 0:
        return [-1.0] * 3, [1.0] * 3
    points = [_percentiles([(row[i], row[3]) for row in sample]) for i in range(3)]
    tail = TAIL * max(point[3] - point[2] for point in points)
    low = [max(point[0], point[2] - tail) for point in points]
    high = [min(point[1], point[3] + tail) for point in points]
    return low, high


def _percentiles(weighted: list[tuple[float, float]]) -> list[float]:
    """Values below which the fractions of `WHOLE` and `CORE` of the weight lie."""
    weighted.sort()
    total = sum(weight for _, weight in weighted)
    result = []
    for fraction in (*WHOLE, *CORE):
        reached, found = 0.0, weighted[-1][0]
        for value, weight in weighted:
            reached += weight
            if reached >= fraction * total:
                found = value
                break
        result.append(found)
    return result


def _front(
    sample: Sequence[Sample], low: Sequence[float], high: Sequence[float], grid: int
) -> tuple[int, int]:
    """Horizontal axis, and the sign along it, in which a camera at the front looks."""
    points = [
        row
        for row in sample
        if row[3] > SEEN_OPACITY and all(low[i] <= row[i] <= high[i] for i in range(3))
    ]
    size = max(max(b - a for a, b in zip(low, high, strict=True)), 1e-12)
    best, most = SIDES[0], -1
    for axis, sign in SIDES:
        side = 2 - axis
        nearest: dict[tuple[int, int], float] = {}
        cells = []
        for row in points:
            cell = (
                min(int((row[side] - low[side]) * grid / size), grid - 1),
                min(int((row[1] - low[1]) * grid / size), grid - 1),
            )
            depth = sign * row[axis]
            cells.append((cell, depth))
            nearest[cell] = min(nearest.get(cell, math.inf), depth)
        seen = sum(depth < nearest[cell] + SKIN * size for cell, depth in cells)
        if seen > most:
            best, most = (axis, sign), seen
    return best


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _vector(values: Sequence[float]) -> Vector:
    return values[0], values[1], values[2]

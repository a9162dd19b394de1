"""The oracle for picking: a walk over the splats of one pixel, and the same for expected depth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pybuild.gaussians import Gaussians
from pybuild.reference import ALPHA_MAX, ALPHA_MIN, Ellipsoids, project
from pyengine.view import View

__all__ = ["coverage_at", "pick"]

Floats = NDArray[np.float64]


def coverage_at(
    cloud: Gaussians | Ellipsoids, view: View, x: int, y: int
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """The splats that a pixel shows, nearest first.

    Returns
    -------
    index : (m,) int64
        Rows of the cloud.
    depth : (m,) float64
        Of their centres along the camera's axis, world units.
    alpha : (m,) float64
        At the pixel's centre; none under 1/255.
    """
    splats = project(cloud, view)
    away = np.array([x + 0.5, y + 0.5]) - splats.centre_px
    xx, xy, yy = splats.conic.T
    q = xx * away[:, 0] ** 2 + 2 * xy * away[:, 0] * away[:, 1] + yy * away[:, 1] ** 2
    alpha = np.minimum(ALPHA_MAX, splats.opacity * np.exp(-0.5 * q))
    seen = alpha >= ALPHA_MIN
    return splats.index[seen], splats.depth[seen], alpha[seen]


def pick(
    cloud: Gaussians | Ellipsoids, view: View, x: int, y: int
) -> tuple[int, float, tuple[float, ...]] | None:
    """The nearest splat with which the coverage of a pixel passes half.

    Returns
    -------
    (row, depth, position) or None
        Depth of its centre along the camera's axis, and the point of the pixel's ray there; None
        where the coverage stays under half.
    """
    index, depth, alpha = coverage_at(cloud, view, x, y)
    passed = np.flatnonzero(np.cumprod(1 - alpha) <= 0.5)
    if not len(passed):
        return None
    first = int(passed[0])
    z = float(depth[first])
    matrix = np.array(view.view).reshape(4, 4).T
    seen = np.array([(x + 0.5 - view.cx) / view.fx, (y + 0.5 - view.cy) / view.fy, 1.0]) * z
    position = matrix[:3, :3].T @ (seen - matrix[:3, 3])
    return int(index[first]), z, tuple(position.tolist())

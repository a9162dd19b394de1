"""What a network is told of the camera, in the space of its own Gaussians."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyengine.view import View

__all__ = [
    "CAMERA_ROLES",
    "FAR",
    "IDENTITY",
    "JACOBIAN_LIMIT",
    "NEAR",
    "Space",
    "camera_values",
]

NEAR, FAR = 0.2, 1000.0
"""World units: depth range of the role ``camera.projection``."""

JACOBIAN_LIMIT = 1.3
"""Times the tangent of half the view: where directions are clamped before the Jacobian."""
EDGE_PX = 2.0
"""Pixels by which a splat's dilation can reach over the edge."""

IDENTITY = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Space:
    """Where an instance stands: affine maps of 16 numbers, column-major."""

    to_world: tuple[float, ...]
    to_model: tuple[float, ...]


def camera_values(
    role: str,
    view: View,
    space: Space | None = None,
    transposed: bool = False,
    splat_scale: float = 1.0,
) -> list[float]:
    """The numbers of a role of `CAMERA_ROLES`, C order.

    Parameters
    ----------
    space : Space, optional
        The world's unless given.
    transposed : bool
        Matrices that multiply row vectors from the right.
    splat_scale : float
        What the frame multiplies every sigma by; ``camera.frustum`` reckons with it.
    """
    values = _MAKERS[role](view, space)
    if role == "camera.frustum":
        values[4:6] = [reach * splat_scale for reach in values[4:6]]
    return turned(values) if transposed and len(values) == 16 else values


def turned(matrix: Sequence[float]) -> list[float]:
    """Rows for columns of 4 x 4 numbers."""
    return [matrix[4 * column + row] for row in range(4) for column in range(4)]


def _view(view: View, space: Space | None) -> list[float]:
    m = view.view
    if space is not None and space.to_world != IDENTITY:
        w = space.to_world
        m = tuple(
            sum(m[4 * k + row] * w[4 * column + k] for k in range(4))
            for column in range(4)
            for row in range(4)
        )
    return turned(m)


def _projection(view: View, _space: Space | None) -> list[float]:
    """Camera axes (y down) to WebGPU's clip space (y up, depth 0 to 1)."""
    x, y = 2 * view.fx / view.width, -2 * view.fy / view.height
    right, up = 2 * view.cx / view.width - 1, 1 - 2 * view.cy / view.height
    depth = FAR / (FAR - NEAR)
    rows = ((x, 0.0, right, 0.0), (0.0, y, up, 0.0), (0.0, 0.0, depth, -NEAR * depth))
    return [value for row in (*rows, (0.0, 0.0, 1.0, 0.0)) for value in row]


def _position(view: View, space: Space | None) -> list[float]:
    p = (*view.position, 1.0)
    if space is None:
        return list(p[:3])
    m = space.to_model
    return [sum(m[4 * k + row] * p[k] for k in range(4)) for row in range(3)]


def _viewport(view: View, _space: Space | None) -> list[float]:
    return [view.width, view.height, view.fx, view.fy]


def _frustum(view: View, space: Space | None) -> list[float]:
    """Slopes of the left, right, upper and lower edge; reach of a radius along x, y; near; 0.

    A sphere at (x, y, z) with radius r can reach the canvas where ``left * z <= x + r * reach_x``
    and so on. The reach holds what the Jacobian's clamp lets a footprint be stretched by.
    """
    m = IDENTITY if space is None else space.to_world
    scale = max(math.hypot(*m[4 * column : 4 * column + 3]) for column in range(3))
    reach = [
        scale * math.hypot(1.0, JACOBIAN_LIMIT * size / (2 * focal))
        for size, focal in ((view.width, view.fx), (view.height, view.fy))
    ]
    return [
        -(view.cx + EDGE_PX) / view.fx,
        (view.width - view.cx + EDGE_PX) / view.fx,
        -(view.cy + EDGE_PX) / view.fy,
        (view.height - view.cy + EDGE_PX) / view.fy,
        *reach,
        NEAR,
        0.0,
    ]


_MAKERS: dict[str, Callable[[View, Space | None], list[float]]] = {
    "camera.view": _view,
    "camera.projection": _projection,
    "camera.position": _position,
    "viewport": _viewport,
    "camera.frustum": _frustum,
}
CAMERA_ROLES = tuple(_MAKERS)

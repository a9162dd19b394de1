"""The camera that a visitor moves: orbit, pan, zoom, look and fly, in world units.

Drags come as fractions of the canvas's height, so that they feel alike at every size. Standard
library only; the page's worker calls it through `pyengine.hosts.page`.
"""

from __future__ import annotations

import math
from dataclasses import replace

from pyengine.bundle import Pose
from pyengine.camera_shot import PITCH_LIMIT, Shot
from pyengine.view import View

__all__ = ["Camera"]

Vector = tuple[float, float, float]

RADIANS_A_HEIGHT = math.pi
"""A drag over the canvas's whole height turns by half a circle."""
FLY_DISTANCES_A_SECOND = 0.6
"""Flying covers this share of the distance to the target each second."""
MIN_DISTANCE_SHARE, MAX_DISTANCE_SHARE = 1e-3, 1e3


class Camera:
    """An orbit camera about a target, that can also fly.

    Parameters
    ----------
    pose : Pose
        Where it starts, and where `reset` returns.
    """

    def __init__(self, pose: Pose) -> None:
        self._start = self._state = Shot.of_pose(pose)
        self._fixed: View | None = None

    def view(self, width: int, height: int) -> View:
        """The view for a canvas of ``width`` x ``height`` pixels."""
        if self._fixed is not None:
            return self._fixed.scaled(width, height)
        return self._state.view(width, height)

    @property
    def shot(self) -> Shot:
        """Where it is; of a view that was set, the upright camera nearest to it."""
        return self._state

    @property
    def fixed(self) -> View | None:
        """The view that is shown exactly, until the visitor moves."""
        return self._fixed

    def place(self, shot: Shot) -> None:
        """Go to a shot at once."""
        self._state, self._fixed = shot, None

    def reset(self) -> None:
        """Back to the first view."""
        self._state, self._fixed = self._start, None

    def set_view(self, view: View) -> None:
        """Show exactly ``view``, roll and principal point included, until the visitor moves."""
        m = view.view
        eye, forward = view.position, (m[2], m[6], m[10])
        offset = _subtract(self._state.target, eye)
        distance = max(_dot(offset, forward), 0.05 * self._start.distance)
        fov = 2 * math.atan(view.height / (2 * view.fy))
        self._state = Shot.of(eye, _add(eye, forward, distance), fov)
        self._fixed = view

    def orbit(self, dx: float, dy: float) -> None:
        """Turn about the target by a drag in canvas heights; the scene follows the hand."""
        self._turn(dx, dy)

    def look(self, dx: float, dy: float) -> None:
        """Turn about the eye by a drag in canvas heights."""
        eye = self._state.eye
        self._turn(-dx, -dy)
        self._state = replace(
            self._state, target=_add(eye, self._state.axes[2], self._state.distance)
        )

    def pan(self, dx: float, dy: float) -> None:
        """Slide so that what lies at the target's distance follows the hand."""
        height_world = 2 * self._state.distance * math.tan(self._state.fov / 2)
        right, down, _ = self._state.axes
        target = _add(self._state.target, right, -dx * height_world)
        self._move(_add(target, down, -dy * height_world))

    def zoom(self, steps: float) -> None:
        """Come closer by a factor of exp(steps)."""
        low = self._start.distance * MIN_DISTANCE_SHARE
        high = self._start.distance * MAX_DISTANCE_SHARE
        distance = min(max(self._state.distance * math.exp(-steps), low), high)
        self._fixed = None
        self._state = replace(self._state, distance=distance)

    def fly(self, x: float, y: float, z: float, seconds: float) -> None:
        """Move eye and target along the camera's axes (right, down, forward), each -1 to 1."""
        step = self._state.distance * FLY_DISTANCES_A_SECOND * seconds
        target = self._state.target
        for axis, amount in zip(self._state.axes, (x, y, z), strict=True):
            target = _add(target, axis, amount * step)
        self._move(target)

    def _move(self, target: Vector) -> None:
        self._fixed = None
        self._state = replace(self._state, target=target)

    def _turn(self, dx: float, dy: float) -> None:
        state = self._state
        pitch = state.pitch + dy * RADIANS_A_HEIGHT
        self._fixed = None
        self._state = replace(
            state,
            yaw=math.remainder(state.yaw + dx * RADIANS_A_HEIGHT, 2 * math.pi),
            pitch=min(max(pitch, -PITCH_LIMIT), PITCH_LIMIT),
        )


def _add(a: Vector, b: Vector, scale: float) -> Vector:
    return a[0] + b[0] * scale, a[1] + b[1] * scale, a[2] + b[2] * scale


def _subtract(a: Vector, b: Vector) -> Vector:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]

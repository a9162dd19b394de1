"""The camera that a visitor moves: orbit, pan, zoom, look and fly, in world units.

Drags come as fractions of the canvas's height, so that they feel alike at every size. Standard
library only; the page's worker calls it through `pyengine.hosts.page`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pyengine.bundle import Pose
from pyengine.view import WORLD_UP, View

__all__ = ["Camera"]

Vector = tuple[float, float, float]

RADIANS_A_HEIGHT = math.pi
"""A drag over the canvas's whole height turns by half a circle."""
PITCH_LIMIT = math.radians(89.5)
FLY_DISTANCES_A_SECOND = 0.6
"""Flying covers this share of the distance to the target each second."""
MIN_DISTANCE_SHARE, MAX_DISTANCE_SHARE = 1e-3, 1e3


@dataclass(frozen=True, slots=True)
class _State:
    target: Vector
    distance: float
    yaw: float
    pitch: float
    fov: float


class Camera:
    """An orbit camera about a target, that can also fly.

    Parameters
    ----------
    pose : Pose
        Where it starts, and where `reset` returns.
    """

    def __init__(self, pose: Pose) -> None:
        self._start = _state_of(pose.eye, pose.target, math.radians(pose.fov_deg))
        self._state = self._start
        self._fixed: View | None = None

    def view(self, width: int, height: int) -> View:
        """The view for a canvas of ``width`` x ``height`` pixels."""
        if self._fixed is not None:
            return self._fixed.scaled(width, height)
        state = self._state
        # The field of view spans the shorter side, so that the subject fits a phone held upright.
        half = math.tan(state.fov / 2) * max(1.0, height / width)
        fov_deg = math.degrees(2 * math.atan(half))
        return View.look_at(self._eye(), state.target, WORLD_UP, fov_deg, width, height)

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
        self._state = _state_of(eye, _add(eye, forward, distance), fov)
        self._fixed = view

    def orbit(self, dx: float, dy: float) -> None:
        """Turn about the target by a drag in canvas heights; the scene follows the hand."""
        self._turn(dx, dy)

    def look(self, dx: float, dy: float) -> None:
        """Turn about the eye by a drag in canvas heights."""
        eye = self._eye()
        self._turn(-dx, -dy)
        self._state = replace(self._state, target=_add(eye, self._axes()[2], self._state.distance))

    def pan(self, dx: float, dy: float) -> None:
        """Slide so that what lies at the target's distance follows the hand."""
        height_world = 2 * self._state.distance * math.tan(self._state.fov / 2)
        right, down, _ = self._axes()
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
        for axis, amount in zip(self._axes(), (x, y, z), strict=True):
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

    def _axes(self) -> tuple[Vector, Vector, Vector]:
        """The camera's right, down and forward, in world axes."""
        cy, sy = math.cos(self._state.yaw), math.sin(self._state.yaw)
        cp, sp = math.cos(self._state.pitch), math.sin(self._state.pitch)
        return (cy, 0.0, -sy), (-sy * sp, cp, -cy * sp), (sy * cp, sp, cy * cp)

    def _eye(self) -> Vector:
        return _add(self._state.target, self._axes()[2], -self._state.distance)


def _state_of(eye: Vector, target: Vector, fov: float) -> _State:
    x, y, z = _subtract(target, eye)
    distance = math.sqrt(x * x + y * y + z * z) or 1.0
    pitch = math.asin(min(max(y / distance, -1.0), 1.0))
    pitch = min(max(pitch, -PITCH_LIMIT), PITCH_LIMIT)
    return _State(target, distance, math.atan2(x, z), pitch, fov)


def _add(a: Vector, b: Vector, scale: float) -> Vector:
    return a[0] + b[0] * scale, a[1] + b[1] * scale, a[2] + b[2] * scale


def _subtract(a: Vector, b: Vector) -> Vector:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]

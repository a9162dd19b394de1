"""One place of the camera: what it looks at, from where, how wide. Upright, without roll."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pyengine.bundle import Pose
from pyengine.view import WORLD_UP, View

__all__ = ["PITCH_LIMIT", "Shot"]

Vector = tuple[float, float, float]

PITCH_LIMIT = math.radians(89.5)


@dataclass(frozen=True, slots=True)
class Shot:
    """A camera that looks at a target.

    Attributes
    ----------
    target : (3,) float
        World units.
    distance : float
        From the eye to the target, world units; positive.
    yaw, pitch : float
        Where it looks, radians: (0, 0) is +z, yaw turns to +x, pitch to +y, which is down.
    fov : float
        Field of view over the shorter side of the canvas, radians.
    """

    target: Vector
    distance: float
    yaw: float
    pitch: float
    fov: float

    @classmethod
    def of(cls, eye: Sequence[float], target: Sequence[float], fov: float) -> Shot:
        """From two points and a field of view in radians; points that are one look along +z."""
        x, y, z = (b - a for a, b in zip(eye, target, strict=True))
        distance = math.hypot(x, y, z)
        if not distance:
            x, y, z, distance = 0.0, 0.0, 1.0, 1.0
        pitch = math.atan2(y, math.hypot(x, z))
        pitch = min(max(pitch, -PITCH_LIMIT), PITCH_LIMIT)
        a, b, c = target
        return cls((a, b, c), distance, math.atan2(x, z), pitch, fov)

    @classmethod
    def of_pose(cls, pose: Pose) -> Shot:
        """From a scene's first camera."""
        return cls.of(pose.eye, pose.target, math.radians(pose.fov_deg))

    @property
    def axes(self) -> tuple[Vector, Vector, Vector]:
        """The camera's right, down and forward, in world axes."""
        cy, sy = math.cos(self.yaw), math.sin(self.yaw)
        cp, sp = math.cos(self.pitch), math.sin(self.pitch)
        return (cy, 0.0, -sy), (-sy * sp, cp, -cy * sp), (sy * cp, sp, cy * cp)

    @property
    def eye(self) -> Vector:
        """Where the camera is, world units."""
        (x, y, z), (a, b, c) = self.target, self.axes[2]
        d = self.distance
        return (x - d * a, y - d * b, z - d * c)

    @property
    def fov_deg(self) -> float:
        """The field of view in degrees."""
        return math.degrees(self.fov)

    def view(self, width: int, height: int) -> View:
        """Its view for a canvas of ``width`` x ``height`` pixels."""
        # The field of view spans the shorter side, so that the subject fits a phone held upright.
        half = math.tan(self.fov / 2) * max(1.0, height / width)
        fov_deg = math.degrees(2 * math.atan(half))
        return View.look_at(self.eye, self.target, WORLD_UP, fov_deg, width, height)

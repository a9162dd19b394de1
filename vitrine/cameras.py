"""Cameras as scripts say them: eye, target and field of view; exact views; paths through some."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from pyengine import camera_path
from pyengine.camera_shot import Shot
from pyengine.view import View

__all__ = ["Camera", "CameraLike", "CameraPath", "Vector"]

Vector = Sequence[float] | NDArray[Any]
"""Three numbers; world units, PLY axes: x right, y down, z forward."""


@dataclass(frozen=True, slots=True)
class Camera:
    """An upright camera that looks at a point.

    Attributes
    ----------
    eye, target : (3,) float
        World units, PLY axes: x right, y down, z forward.
    fov : float
        Field of view over the shorter side of the image, degrees.
    """

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    fov: float

    @property
    def shot(self) -> Shot:
        """What the engine makes of it."""
        return Shot.of(self.eye, self.target, math.radians(self.fov))

    @classmethod
    def of_shot(cls, shot: Shot) -> Camera:
        """What the engine has."""
        return cls(shot.eye, shot.target, shot.fov_deg)


CameraLike = Camera | View | Mapping[str, Any]
"""A `Camera`; a `View`, which is exact; or a mapping with some of ``eye``, ``target`` and ``fov``,
the rest as the scene's camera has it, or with what a View has."""


@dataclass(frozen=True, slots=True)
class CameraPath:
    """A smooth path through cameras, at a constant speed; `vitrine.Scene.camera_path` makes one.

    Shots around a subject are joined by arcs about it, glances from one place by turns at it.

    Attributes
    ----------
    cameras : tuple of Camera
        Two at least.
    loop : bool
        Whether it goes on from the last one to the first.
    """

    cameras: tuple[Camera, ...]
    loop: bool = False

    def at(self, share: float) -> Camera:
        """The camera at a share of the path's length, 0 to 1; what is beyond is its end."""
        shots = [camera.shot for camera in self.cameras]
        return Camera.of_shot(camera_path.CameraPath(shots, self.loop).at(share))

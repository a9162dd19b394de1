"""What a user may say about a build: axes, camera, background. Recorded in the site."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pybuild.framing import default_pose
from pybuild.gaussians import Gaussians
from pyengine.bundle import Pose
from pyengine.errors import InputError, ViewError

__all__ = ["BuildOptions", "posed"]

Vector = tuple[float, float, float]
FOV_RANGE_DEG = (1, 170)


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """Everything but the scene file; None leaves a choice to Vitrine.

    Attributes
    ----------
    up : str, optional
        See `pybuild.formats.read`.
    eye, target : (3,) float, optional
        World units, PLY axes.
    fov_deg : float, optional
        Vertical field of view.
    background : (3,) float
        Display-referred, 0 to 1.
    title : str, optional
        Of the page; the scene file's name unless given.
    """

    up: str | None = None
    eye: Vector | None = None
    target: Vector | None = None
    fov_deg: float | None = None
    background: Vector = (0.0, 0.0, 0.0)
    title: str | None = None

    def pose(self, gaussians: Gaussians) -> Pose:
        """Where the camera starts."""
        return posed(default_pose(gaussians), self.eye, self.target, self.fov_deg)

    def to_dict(self) -> dict[str, object]:
        """For the site's record: plain JSON values."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, data: Mapping[str, object], where: str) -> BuildOptions:
        """Read the record back.

        Raises
        ------
        InputError
            A value is not of its type.
        """
        up, fov, title = (data.get(name) for name in ("up", "fov_deg", "title"))
        if not isinstance(up, str | None) or not isinstance(title, str | None):
            raise InputError(f"{where}: 'up' and 'title' must be strings; build the site again")
        if not isinstance(fov, int | float | None):
            raise InputError(f"{where}: 'fov_deg' must be a number; build the site again")
        eye, target = (_vector(data.get(name), name, where) for name in ("eye", "target"))
        background = _vector(data.get("background"), "background", where) or (0.0, 0.0, 0.0)
        return cls(up, eye, target, fov, background, title)


def posed(
    default: Pose,
    eye: Vector | None = None,
    target: Vector | None = None,
    fov_deg: float | None = None,
) -> Pose:
    """``default`` with the parts that are given; a target alone keeps the direction and distance.

    Raises
    ------
    ViewError
        Eye and target are one point, or the field of view is out of range.
    """
    if target is not None and eye is None:
        x, y, z = (e + t - d for e, t, d in zip(default.eye, target, default.target, strict=True))
        eye = (x, y, z)
    low, high = FOV_RANGE_DEG
    if fov_deg is not None and not low <= fov_deg <= high:
        raise ViewError(f"--fov must be {low} to {high} degrees, got {fov_deg:g}")
    pose = Pose(eye or default.eye, target or default.target, fov_deg or default.fov_deg)
    if math.dist(pose.eye, pose.target) == 0:
        raise ViewError(f"--eye and --target are the same point {pose.eye}; move one of them")
    return pose


def _vector(value: object, name: str, where: str) -> Vector | None:
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 3:
        numbers = [float(item) for item in value if isinstance(item, int | float)]
        if len(numbers) == 3 and all(math.isfinite(item) for item in numbers):
            return numbers[0], numbers[1], numbers[2]
    raise InputError(f"{where}: {name!r} must be three numbers; build the site again")

"""Real scenes and the cameras that look at them: what the pixel tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pybuild import formats
from pybuild.framing import default_pose
from pybuild.gaussians import Gaussians
from pyengine.view import WORLD_UP, View

ASSETS = {
    "guitar": "assets/compressed-ply/guitar.compressed.ply",
    "statue": "assets/sog/narcissus.sog",
}
"""Files in the folder of sample data."""

SCENES = ("sample", *ASSETS)
CAMERAS = ("inside", "close", "far")
SIZE_PX = 256

SINGLE_PRECISION_DB = 120.0
"""Images that differ by no more than rounding; stands in for an infinite ratio."""


def load_scene(name: str, shared: Path) -> Gaussians:
    """A cloud of `SCENES`; the sample is made, which takes seven seconds."""
    if name == "sample":
        from assets.make_sample import make_sample

        return make_sample()
    return formats.read(shared / ASSETS[name])


def camera(cloud: Gaussians, name: str, size_px: int = SIZE_PX) -> View:
    """A view of `CAMERAS`.

    far: at twice the distance of the view that a build would choose. close: at half of it, so that
    splats leave the image on every side. inside: amid the splats, looking at the far end of the
    cloud; some are behind, some cross the near plane and some cover the whole image.
    """
    pose = default_pose(cloud)
    target = np.array(pose.target)
    away = np.array(pose.eye) - target
    if name == "inside":
        eye, to = _along(cloud)
    else:
        eye, to = target + {"far": 2.0, "close": 0.5}[name] * away, target
    return View.look_at(eye.tolist(), to.tolist(), WORLD_UP, pose.fov_deg, size_px, size_px)


def _along(cloud: Gaussians) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The median splat, and the middle of the tenth that is farthest along the longest axis."""
    middle = np.median(cloud.positions, axis=0).astype(np.float64)
    low, high = np.percentile(cloud.positions, (1, 99), axis=0)
    axis = int(np.argmax(high - low))
    along = np.abs(cloud.positions[:, axis] - middle[axis])
    same_side = cloud.positions[:, axis] > middle[axis]
    if middle[axis] - low[axis] > high[axis] - middle[axis]:
        same_side = ~same_side
    farthest = same_side & (along > np.percentile(along[same_side], 90))
    return middle, cloud.positions[farthest].mean(axis=0).astype(np.float64)


def psnr_db(a: NDArray[np.number], b: NDArray[np.number]) -> float:
    """Peak signal-to-noise ratio of two images in 0..1 or, if both are uint8, 0..255."""
    peak = 255.0 if a.dtype == b.dtype == np.uint8 else 1.0
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)) / peak**2
    return min(-10 * np.log10(error), SINGLE_PRECISION_DB) if error else SINGLE_PRECISION_DB

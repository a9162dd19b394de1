"""The picture that a page shows before its first frame: WebP, made at build time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pybuild import reference
from pybuild.gaussians import Gaussians
from pybuild.render import render, write_image
from pyengine.bundle import Scene
from pyengine.errors import DeviceError
from pyengine.view import WORLD_UP, View

__all__ = ["start_view", "write_poster"]

SIZE = (960, 540)
ORACLE_SIZE = (240, 135)
ORACLE_SPLATS = 200_000
"""The oracle draws about 10,000 splats a second; a larger scene is thinned to this for it."""


def start_view(scene: Scene, width: int, height: int) -> View:
    """The camera that the page starts with."""
    pose = scene.pose
    return View.look_at(pose.eye, pose.target, WORLD_UP, pose.fov_deg, width, height)


def write_poster(
    path: Path, scene: Scene, load: Callable[[str], bytes], gaussians: Gaussians
) -> list[str]:
    """Draw the scene from its first camera; by the oracle, small, where there is no adapter.

    Returns
    -------
    list of str
        What the user should know.
    """
    try:
        image = render(scene, load, start_view(scene, *SIZE))
        notices = []
    except DeviceError as error:
        rows = np.arange(0, gaussians.count, max(1, -(-gaussians.count // ORACLE_SPLATS)))
        cloud = gaussians if len(rows) == gaussians.count else gaussians.take(rows)
        blended = reference.render(cloud, start_view(scene, *ORACLE_SIZE), scene.background)
        image = reference.to_uint8(blended)
        width, height = ORACLE_SIZE
        notices = [f"the poster is {width}x{height} px, drawn without a GPU: {error}"]
    write_image(path, image)
    return notices

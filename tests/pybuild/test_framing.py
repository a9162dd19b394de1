"""The first camera: the whole subject in the picture, floaters or not."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pybuild import formats
from pybuild.framing import ASPECT, default_pose, subject_box
from pybuild.gaussians import Gaussians
from pyengine.view import WORLD_UP, View


def share_in_picture(cloud: Gaussians) -> float:
    """Share of the opacity whose centre lies in a picture of the narrowest aspect."""
    pose = default_pose(cloud)
    height = 300
    view = View.look_at(
        pose.eye, pose.target, WORLD_UP, pose.fov_deg, round(height * ASPECT), height
    )
    to_view = np.array(view.view).reshape(4, 4).T
    x, y, z = (cloud.positions @ to_view[:3, :3].T + to_view[:3, 3]).T
    px, py = view.fx * x / z + view.cx, view.fy * y / z + view.cy
    inside = (z > 0) & (px >= 0) & (px <= view.width) & (py >= 0) & (py <= view.height)
    opacity = 1 / (1 + np.exp(-cloud.opacity_logits))
    return float((opacity * inside).sum() / opacity.sum())


def test_the_whole_subject_is_in_the_picture(cloud: Gaussians) -> None:
    """All but the tails of the percentiles."""
    assert share_in_picture(cloud) > 0.97


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3])
def test_the_distance_follows_the_size(cloud: Gaussians, scale: float) -> None:
    """But never so near that the near plane cuts the subject."""
    scaled = replace(cloud, positions=(cloud.positions * scale).astype(np.float32))
    pose = default_pose(scaled)
    assert math.dist(pose.eye, pose.target) > 0.99
    assert share_in_picture(scaled) > 0.97


def test_floaters_do_not_move_the_camera(cloud: Gaussians) -> None:
    """Three percent of faint splats a thousand units away."""
    faint = cloud.take(np.arange(20))
    far = replace(
        faint,
        positions=np.full((20, 3), 1000, np.float32),
        opacity_logits=np.full(20, -3, np.float32),
    )
    joined = Gaussians(
        *(
            np.concatenate([getattr(cloud, name), getattr(far, name)])
            for name in ("positions", "log_scales", "quaternions", "opacity_logits", "sh")
        )
    )
    before, after = default_pose(cloud), default_pose(joined)
    assert math.dist(before.eye, after.eye) < 0.2


def test_the_front_is_the_side_with_most_splats(cloud: Gaussians) -> None:
    """A cloud that is dense on its +x side is looked at from there."""
    positions = cloud.positions.copy()
    positions[:350, 0] = 2.0
    pose = default_pose(replace(cloud, positions=positions))
    assert pose.eye[0] > 2
    assert pose.eye[1] < pose.target[1], "from a little above"


@pytest.mark.parametrize("count", [0, 1, 2])
def test_tiny_clouds_have_a_camera(cloud: Gaussians, count: int) -> None:
    """Also an empty one."""
    pose = default_pose(cloud.take(np.arange(count)))
    assert all(map(math.isfinite, (*pose.eye, *pose.target)))
    assert math.dist(pose.eye, pose.target) > 0.99


@pytest.mark.parametrize(
    ("file", "side"),
    [("compressed-ply/guitar.compressed.ply", (0, 1)), ("sog/massa.sog", (2, 1))],
)
def test_captures_are_seen_from_the_front(shared: Path, file: str, side: tuple[int, int]) -> None:
    """The guitar's strings are on +x, the bust's face on +z (seen by eye once)."""
    cloud = formats.read(shared / "assets" / file)
    axis, sign = side
    pose = default_pose(cloud)
    low, high = subject_box(cloud)
    assert sign * (pose.eye[axis] - pose.target[axis]) > (high - low).max()
    assert share_in_picture(cloud) > 0.95

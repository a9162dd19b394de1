"""What a network is told of the camera; tests/pyengine/test_generator.py has the matrices."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pyengine.camera_inputs import EDGE_PX, IDENTITY, NEAR, Space, camera_values
from pyengine.generator_spec import inverse_of
from pyengine.view import WORLD_UP, View

VIEW = replace(
    View.look_at((0.3, -1.0, -5.0), (0.1, 0.0, 0.0), WORLD_UP, 50, 320, 200), cx=150.0, cy=90.0
)


def test_the_frustum_reaches_over_the_edges_of_the_canvas() -> None:
    """Slopes of points that land two pixels outside of it."""
    left, right, upper, lower, reach_x, reach_y, near, _ = camera_values("camera.frustum", VIEW)
    assert left * VIEW.fx + VIEW.cx == pytest.approx(-EDGE_PX)
    assert right * VIEW.fx + VIEW.cx == pytest.approx(VIEW.width + EDGE_PX)
    assert upper * VIEW.fy + VIEW.cy == pytest.approx(-EDGE_PX)
    assert lower * VIEW.fy + VIEW.cy == pytest.approx(VIEW.height + EDGE_PX)
    assert near == NEAR
    assert reach_x > 1
    assert reach_y > 1


def test_a_radius_grows_with_its_instance_and_with_the_frame() -> None:
    """By the longest axis of the matrix, and by the scale of all sigmas."""
    matrix = (2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 5.0, 6.0, 7.0, 1.0)
    space = Space(matrix, inverse_of((*matrix[:8], 0.0, 0.0, 4.0, 0.0, *matrix[12:])))
    plain = camera_values("camera.frustum", VIEW)
    moved = camera_values("camera.frustum", VIEW, space, splat_scale=0.5)
    assert moved[:4] == plain[:4]
    assert moved[4:6] == pytest.approx([value * 4 / 2 for value in plain[4:6]])


def test_a_space_that_is_the_worlds() -> None:
    """Gives the world's numbers exactly."""
    world = Space(IDENTITY, IDENTITY)
    for role in ("camera.view", "camera.position", "camera.projection", "viewport"):
        assert camera_values(role, VIEW, world) == camera_values(role, VIEW)
    assert math.hypot(*camera_values("camera.position", VIEW)) > 5

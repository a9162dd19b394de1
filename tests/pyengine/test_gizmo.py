"""Dragging a handle: the object's point under the pointer stays under it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from pyengine.errors import ViewError
from pyengine.gizmo import AXES, HANDLES, RADIUS_SHARE, drag
from pyengine.object_spec import UNMOVED, Placement
from pyengine.view import WORLD_UP, View

VIEW = View.look_at((2.0, -1.5, -4.0), (0.2, 0.1, 0.0), WORLD_UP, 50, 640, 360)
START = UNMOVED.changed(
    {"position": [0.3, -0.2, 0.4], "rotation": [0.1, 0.7, -0.2, 0.67], "scale": [1, 2, 0.5]}, ""
)


def place_of(point: Sequence[float], view: View = VIEW) -> tuple[float, float]:
    """Where a point of the world is on the canvas."""
    m = np.reshape(view.view, (4, 4)).T
    x, y, z = m[:3, :3] @ point + m[:3, 3]
    return (view.fx * x / z + view.cx) / view.width, (view.fy * y / z + view.cy) / view.height


def turn(placement: Placement) -> np.ndarray:
    """The rotation's matrix."""
    return np.reshape(placement.to_world, (4, 4)).T[:3, :3] / placement.scale


@pytest.mark.parametrize("letter", AXES)
@pytest.mark.parametrize("step", [0.7, -2.5])
def test_along_an_axis(letter: str, step: float) -> None:
    """A point of the arrow follows the pointer; other axes stay."""
    arrow = np.array(START.position) + 0.4 * np.array(AXES[letter])
    begun, now = place_of(arrow), place_of(arrow + step * np.array(AXES[letter]))
    (key,) = changes = drag(f"move.{letter}", START, VIEW, begun, now)
    assert key == "position"
    wanted = np.array(START.position) + step * np.array(AXES[letter])
    np.testing.assert_allclose(changes["position"], wanted, atol=1e-9)


def test_facing_the_camera() -> None:
    """The origin is under the pointer, at the depth that it had."""
    begun, now = place_of(START.position), (0.7, 0.2)
    moved = drag("move", START, VIEW, begun, now)["position"]
    np.testing.assert_allclose(place_of(moved), now, atol=1e-9)
    forward = np.array(VIEW.view[2:11:4])
    np.testing.assert_allclose(forward @ moved, forward @ START.position)


@pytest.mark.parametrize("letter", AXES)
@pytest.mark.parametrize("angle", [0.4, -1.9])
def test_about_an_axis(letter: str, angle: float) -> None:
    """A point of the ring follows the pointer; the turn stands before the object's own."""
    axis = np.array(AXES[letter])
    side = np.roll(axis, 1)
    turned = math.cos(angle) * side + math.sin(angle) * np.cross(axis, side)
    begun, now = (place_of(np.array(START.position) + 0.5 * arm) for arm in (side, turned))
    changes = drag(f"turn.{letter}", START, VIEW, begun, now)
    assert list(changes) == ["rotation"]
    made = START.changed(changes, "")
    arm = turn(START).T @ side
    np.testing.assert_allclose(turn(made) @ arm, turned, atol=1e-9)
    np.testing.assert_allclose(turn(made) @ (turn(START).T @ axis), axis, atol=1e-9)


def test_a_ring_seen_edge_on() -> None:
    """Its near side goes with the pointer: a ring's radius on the canvas is a radian."""
    view = View.look_at((0, 0, -5), (0, 0, 0), WORLD_UP, 50, 400, 300)
    right = RADIUS_SHARE * 300 / 400
    changes = drag("turn.y", UNMOVED, view, (0.5, 0.5), (0.5 + right, 0.5))
    made = UNMOVED.changed(changes, "")
    near = turn(made) @ (0, 0, -1)  # towards the camera
    np.testing.assert_allclose(near, (math.sin(1), 0, -math.cos(1)), atol=1e-9)
    assert drag("turn.y", UNMOVED, view, (0.5, 0.5), (0.5, 0.9))["rotation"] == [0, 0, 0, 1]


def test_scale() -> None:
    """By the distance from the object's origin; along all its axes alike."""
    x, y = place_of(START.position)
    begun, now = (x + 0.1, y), (x + 0.25, y)
    changes = drag("scale", START, VIEW, begun, now)
    np.testing.assert_allclose(changes["scale"], (2.5, 5, 1.25))
    smallest = drag("scale", START, VIEW, begun, (x, y))["scale"]
    assert smallest == [1e-6, 1e-6, 1e-6]
    UNMOVED.changed({"scale": smallest}, "")


def test_drags_that_say_nothing() -> None:
    """Along the line of sight; from the very origin; of what is behind the camera."""
    view = View.look_at((0, 0, -5), (0, 0, 0), WORLD_UP, 50, 400, 300)
    middle = (0.5, 0.5)
    assert drag("move.z", UNMOVED, view, middle, (0.5, 0.501)) == {}
    assert drag("scale", UNMOVED, view, middle, (0.9, 0.5)) == {}
    behind = Placement(position=(0, 0, -9))
    for handle in ("move", "scale", "turn.z"):
        assert drag(handle, behind, view, middle, (0.6, 0.5)) == {}


@pytest.mark.parametrize("handle", HANDLES)
def test_a_drag_to_where_it_began_changes_nothing(handle: str) -> None:
    """And whatever a drag gives, a placement takes."""
    place = (0.61, 0.37)
    made = START.changed(drag(handle, START, VIEW, place, place), "")
    np.testing.assert_allclose(made.to_world, START.to_world, atol=1e-12)
    for now in ((0, 0), (1, 1), (-3, 7), (0.5, 0.5), (1e6, -1e6)):
        START.changed(drag(handle, START, VIEW, place, now), "")


def test_no_handle() -> None:
    """Those that there are."""
    with pytest.raises(ViewError, match=r"wanted one of move, scale, move\.x"):
        drag("spin", START, VIEW, (0, 0), (1, 1))

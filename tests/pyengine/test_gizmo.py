"""Dragging a handle: the object's point under the pointer stays under it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from pyengine.errors import ViewError
from pyengine.gizmo import AXES, HANDLES, RADIUS_SHARE, drag, nudge
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


KEYS = {"right": (1, 0), "left": (-1, 0), "up": (0, 1), "down": (0, -1)}
ARROWS = {"right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1)}
"""How a key's arrow points on the canvas, y down."""


def nudged(handle: str, steps: Sequence[float], start: Placement = START) -> Placement:
    """The placement after keys."""
    return start.changed(nudge(handle, start, VIEW, steps), "")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("letter", AXES)
def test_a_key_moves_along_an_axis_the_way_it_points(letter: str, key: str) -> None:
    """Unless the axis goes across that way; by a round step, and back by the opposite key."""
    moved = nudged(f"move.{letter}", KEYS[key])
    away = np.subtract(moved.position, START.position)
    steps = np.array(AXES[letter]) @ away
    np.testing.assert_allclose(away, steps * np.array(AXES[letter]), atol=1e-12)
    assert f"{abs(steps):.6g}"[-1] in "125"
    seen = np.subtract(place_of(moved.position), place_of(START.position)) * (640, 360)
    share = seen @ ARROWS[key] / np.linalg.norm(seen)
    assert share > 0 or abs(share) <= 0.36
    back = nudged(f"move.{letter}", [-step for step in KEYS[key]], moved)
    np.testing.assert_allclose(back.position, START.position, atol=1e-12)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_moves_across_the_view(key: str) -> None:
    """At the depth that it had."""
    moved = nudged("move", KEYS[key])
    seen = np.subtract(place_of(moved.position), place_of(START.position)) * (640, 360)
    np.testing.assert_allclose(seen / np.linalg.norm(seen), ARROWS[key], atol=1e-9)
    forward = np.array(VIEW.view[2:11:4])
    np.testing.assert_allclose(forward @ moved.position, forward @ START.position)


@pytest.mark.parametrize("letter", AXES)
def test_a_key_turns_about_an_axis_by_five_degrees(letter: str) -> None:
    """The near side goes the way of the key; a fine step is a tenth."""
    turned = nudged(f"turn.{letter}", (1, 0))
    change = turn(turned) @ turn(START).T
    np.testing.assert_allclose(change @ AXES[letter], AXES[letter], atol=1e-9)
    assert math.degrees(math.acos((np.trace(change) - 1) / 2)) == pytest.approx(5)
    fine = turn(nudged(f"turn.{letter}", (0.1, 0))) @ turn(START).T
    assert math.degrees(math.acos((np.trace(fine) - 1) / 2)) == pytest.approx(0.5)
    if letter == "y":  # its ring lies flat before the camera
        to_eye = np.subtract(VIEW.position, START.position)
        near = np.array(START.position) + 0.3 * to_eye / np.linalg.norm(to_eye)
        gone = np.array(START.position) + change @ (near - START.position)
        assert place_of(gone)[0] > place_of(near)[0]


def test_a_key_scales() -> None:
    """Right and up larger, left and down smaller, within what an object may be."""
    larger = nudged("scale", (1, 1))
    np.testing.assert_allclose(larger.scale, np.multiply(START.scale, 1.05**2))
    np.testing.assert_allclose(nudged("scale", (0, -2), larger).scale, START.scale)
    tiny = START.changed({"scale": 1e-6}, "")
    assert nudged("scale", (-1e9, 0), tiny).scale == tiny.scale


def test_keys_do_nothing_behind_the_camera_or_without_a_handle() -> None:
    behind = START.changed({"position": [4, -3, -8]}, "")
    for handle in HANDLES:
        if handle != "scale":
            assert nudge(handle, behind, VIEW, (1, 0)) == {}
    with pytest.raises(ViewError, match="wanted one of move, scale"):
        nudge("shear", START, VIEW, (1, 0))

"""What moves the camera: the visitor, modes, flights, bookmarks, the path, the turntable."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from pyengine.bundle import Pose
from pyengine.camera_rig import FLIGHT_S, MAX_BOOKMARKS, Rig
from pyengine.camera_shot import Shot
from pyengine.errors import ViewError
from pyengine.view import View

POSE = Pose((0.0, 0.0, -4.0), (0.0, 0.0, 0.0), 50.0)
ROLLED = View(100, 80, 90.0, 90.0, 40.0, 44.0, (0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 5, 1))


def marked() -> Rig:
    """A rig with three bookmarks around the origin, back at its start."""
    rig = Rig(POSE)
    for _ in range(3):
        rig.add()
        rig.orbit(0.3, 0.05)
    rig.reset()
    return rig


def test_a_turntable_turns_upright_at_its_speed() -> None:
    rig = Rig(POSE)
    rig.orbit(0, 0.1)
    before = rig.shot
    rig.set_mode("turntable", 30.0)
    for _ in range(90):
        rig.advance(1 / 30)
    assert rig.mode == rig.moving == "turntable"
    assert math.remainder(rig.shot.yaw - before.yaw, math.tau) == pytest.approx(math.pi / 2)
    assert (rig.shot.pitch, rig.shot.distance) == (before.pitch, before.distance)
    for _ in range(270):
        rig.advance(1 / 30)
    assert rig.shot.eye == pytest.approx(before.eye)


TOUCHES: dict[str, Callable[[Rig], None]] = {
    "orbit": lambda rig: rig.orbit(0.1, 0),
    "look": lambda rig: rig.look(0.1, 0),
    "pan": lambda rig: rig.pan(0.1, 0),
    "zoom": lambda rig: rig.zoom(0.1),
    "fly": lambda rig: rig.fly(1, 0, 0, 0.1),
    "view": lambda rig: rig.set_view(ROLLED),
    "reset": lambda rig: rig.reset(),
}


@pytest.mark.parametrize("touch", TOUCHES)
@pytest.mark.parametrize("move", ["turntable", "flight", "path"])
def test_a_touch_ends_what_moves_by_itself(touch: str, move: str) -> None:
    rig = marked()
    if move == "turntable":
        rig.set_mode("turntable")
    elif move == "flight":
        rig.go_to(1)
    else:
        rig.play()
    rig.advance(0.1)
    assert rig.moving == move
    TOUCHES[touch](rig)
    assert rig.moving == ""
    still = rig.view(100, 80)
    rig.advance(1.0)
    assert rig.view(100, 80) == still


def test_while_flying_a_drag_turns_about_the_eye_and_the_wheel_goes_on() -> None:
    rig = Rig(POSE)
    rig.set_mode("fly")
    rig.orbit(0.2, 0.1)
    assert rig.shot.eye == pytest.approx(POSE.eye)
    assert rig.shot.target != pytest.approx(POSE.target)
    distance = rig.shot.distance
    rig.zoom(0.5)
    assert rig.shot.distance == distance
    assert math.dist(rig.shot.eye, POSE.eye) > 0.1
    rig.set_mode("orbit")
    target = rig.shot.target
    rig.orbit(0.2, 0)
    assert rig.shot.target == pytest.approx(target)


def test_a_flight_arrives_exactly_and_eases() -> None:
    rig = marked()
    start, end = rig.shot, rig.bookmarks[2].shot
    rig.go_to(2)
    rig.advance(0.05 * FLIGHT_S)
    first = math.dist(start.eye, rig.shot.eye)
    rig.advance(0.45 * FLIGHT_S)
    half = math.dist(start.eye, rig.shot.eye)
    assert 0 < first < 0.02 * half, "slow at first"
    rig.advance(0.6 * FLIGHT_S)
    assert rig.moving == ""
    assert rig.shot == end


def test_a_flight_ends_in_the_very_view_that_was_kept() -> None:
    rig = Rig(POSE)
    rig.set_view(ROLLED)
    rig.add("tilted")
    rig.reset()
    rig.go_to(0)
    rig.advance(FLIGHT_S)
    assert rig.fixed == ROLLED
    assert rig.view(100, 80) == ROLLED


def test_a_flight_of_no_time_is_a_jump() -> None:
    rig = marked()
    rig.go_to(1, 0)
    assert (rig.moving, rig.shot) == ("", rig.bookmarks[1].shot)


def test_bookmarks_are_named_renamed_and_deleted() -> None:
    rig = marked()
    assert [mark.name for mark in rig.bookmarks] == ["View 1", "View 2", "View 3"]
    rig.rename(1, "  The \n neck ")
    rig.rename(2, " ")
    rig.delete(0)
    assert [mark.name for mark in rig.bookmarks] == ["The neck", "View 3"]
    assert rig.add().name == "View 1"
    with pytest.raises(ViewError, match="bookmark 4: there are 3"):
        rig.go_to(3)
    for _ in range(MAX_BOOKMARKS - 3):
        rig.add()
    with pytest.raises(ViewError, match="delete one first"):
        rig.add()


def test_the_path_meets_the_bookmarks_in_its_time_and_ends() -> None:
    rig = marked()
    rig.play(4.0)
    path = rig.path()
    assert rig.shot.eye == pytest.approx(rig.bookmarks[0].shot.eye)
    rig.advance(4.0 * path.shares()[1])
    assert rig.shot.eye == pytest.approx(rig.bookmarks[1].shot.eye)
    rig.advance(10.0)
    assert rig.moving == ""
    assert rig.shot.eye == pytest.approx(rig.bookmarks[2].shot.eye)


def test_a_path_that_loops_goes_on() -> None:
    rig = marked()
    rig.play(4.0, loop=True)
    rig.advance(5.0)
    assert rig.moving == "path"
    assert rig.shot.eye == pytest.approx(rig.path().at(0.25).eye)
    rig.set_path(loop=False)
    rig.stop()
    assert rig.path_s == 4.0


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf, 1e9])
def test_a_duration_is_some_seconds(seconds: float) -> None:
    with pytest.raises(ViewError, match="duration"):
        marked().play(seconds)


def test_a_path_wants_two_bookmarks() -> None:
    rig = Rig(POSE)
    rig.add()
    with pytest.raises(ViewError, match="two bookmarks or more, got 1"):
        rig.play()
    assert rig.moving == ""


@pytest.mark.parametrize(
    ("mode", "speed"), [("spin", None), ("turntable", 0.0), ("turntable", math.nan)]
)
def test_modes_and_speeds_are_checked(mode: str, speed: float | None) -> None:
    rig = Rig(POSE)
    with pytest.raises(ViewError):
        rig.set_mode(mode, speed)
    assert rig.mode == "orbit"


def test_a_shot_of_one_point_looks_somewhere() -> None:
    assert Shot.of((1, 2, 3), (1, 2, 3), 0.9).axes[2] == pytest.approx((0, 0, 1))

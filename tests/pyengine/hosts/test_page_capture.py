"""Pictures and films of the page's view: what is drawn, and that all is as it was afterwards."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from pyengine.hosts.page import IDLE
from pyengine.structs import Frame
from tests.pyengine.generators import generator
from tests.pyengine.hosts.displays import Hosted
from tests.pyengine.hosts.test_page import STILL, shown, told

SIZE = (640, 400)


@pytest.fixture(autouse=True)
def _scene(display: Hosted) -> None:
    told(display, 300)
    display.frame(*STILL)


def value(display: Hosted, name: str) -> tuple[float, ...]:
    """Of the uniforms that are to be uploaded."""
    return Frame.unpack(display.uniforms(), name)


def begun(display: Hosted, **asked: Any) -> int:
    """Frames of a film."""
    frames: int = json.loads(display.capture.begin_film(json.dumps(asked)))["frames"]
    return frames


def filmed(display: Hosted, index: int) -> int:
    """Draw a frame of the film."""
    while display.capture.film_step(index, *SIZE) != IDLE:
        pass
    return display.capture.film_frame(*SIZE)


def eye(display: Hosted) -> tuple[float, ...]:
    return display.stage.camera.shot.eye


def test_a_picture_is_drawn_at_its_size_and_then_the_canvas_again(display: Hosted) -> None:
    before = bytes(display.uniforms())
    assert display.capture.picture(*SIZE, 0, 0, 0, *SIZE) >= 0
    assert value(display, "viewport_px") == SIZE
    assert value(display, "background")[3] == 1
    assert display.frame(*STILL) != IDLE, "its splats are those of the picture"
    assert bytes(display.uniforms()) == before
    assert display.frame(*STILL) == IDLE


def test_a_transparent_picture_has_no_background(display: Hosted) -> None:
    display.capture.picture(*SIZE, 1, 0, 0, *SIZE)
    assert value(display, "background")[3] == 0
    display.frame(*STILL)
    assert value(display, "background")[3] == 1


def test_a_tile_is_the_same_camera(display: Hosted) -> None:
    display.capture.picture(*SIZE, 0, 0, 0, *SIZE)
    center, tangent = value(display, "principal_px"), value(display, "tangent_limit")
    display.capture.picture(*SIZE, 0, 320, 200, 320, 200)
    assert value(display, "viewport_px") == (320, 200)
    assert value(display, "principal_px") == (center[0] - 320, center[1] - 200)
    assert value(display, "tangent_limit") == tangent, "of the whole image"


def test_a_film_of_the_turntable_is_one_turn_and_leaves_the_camera(display: Hosted) -> None:
    camera = display.stage.camera
    camera.set_mode("turntable", -36.0)
    display.frame(0.5, *STILL[1:])
    before, yaw = camera.shot, camera.shot.yaw
    assert begun(display, what="turntable", fps=2) == 20
    yaws = []
    for index in range(20):
        assert filmed(display, index) >= 0
        yaws.append(math.remainder(display.stage.camera.shot.yaw - yaw, math.tau))
    assert yaws[0] == 0
    assert yaws[1] == pytest.approx(-math.tau / 20)
    assert yaws[19] == pytest.approx(math.tau / 20)
    display.capture.end_film()
    assert camera.shot == before
    assert (camera.mode, camera.turn_deg_s) == ("turntable", -36.0)


def test_a_film_of_the_path_shows_both_ends(display: Hosted) -> None:
    camera = display.stage.camera
    for _ in range(2):
        camera.add()
        camera.orbit(0.2, 0.1)
    before, first, last = camera.shot, *(mark.shot for mark in camera.bookmarks)
    assert begun(display, what="path", fps=10, seconds=1) == 11
    filmed(display, 0)
    assert eye(display) == pytest.approx(first.eye)
    for index in range(1, 11):
        filmed(display, index)
    assert eye(display) == pytest.approx(last.eye)
    display.capture.end_film()
    assert (camera.shot, camera.moving, camera.duration_s) == (before, "", None)
    display.capture.end_film()  # nothing is left to end


def test_a_film_of_a_clip_begins_at_its_beginning_and_leaves_the_time(display: Hosted) -> None:
    made = generator(300, timed=True)
    assert "error" not in shown(display, made)
    stage = display.stage
    stage.engine.timeline.seek(0.3)
    display.frame(*STILL)
    length = stage.engine.timeline.duration_s or 2.0
    frames = begun(display, what="clip", fps=10, seconds=length)
    assert frames == round(10 * length) + (not stage.engine.timeline.loop)
    times = []
    for index in range(4):
        filmed(display, index)
        times.append(stage.engine.timeline.time_s)
    assert times == pytest.approx([0, 0.1, 0.2, 0.3])
    display.capture.end_film()
    assert stage.engine.timeline.time_s == 0.3
    assert not stage.engine.timeline.playing


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ({"what": "dream"}, "wanted one of turntable, path, clip"),
        ({"what": "path"}, "two bookmarks"),
        ({"what": "clip"}, "no clip"),
        ({"what": "turntable", "fps": 0}, "film fps"),
        ({"what": "turntable", "seconds": "long"}, "film seconds"),
        ({"what": "turntable", "fps": 240, "seconds": 3600}, "36000 frames at most"),
    ],
)
def test_what_cannot_be_filmed_is_told_and_nothing_changes(
    display: Hosted, asked: dict[str, Any], wrong: str
) -> None:
    camera = display.stage.camera
    before = camera.shot, camera.mode, camera.turn_deg_s, camera.duration_s
    assert wrong in json.loads(display.capture.begin_film(json.dumps(asked)))["error"]
    assert (camera.shot, camera.mode, camera.turn_deg_s, camera.duration_s) == before


@pytest.mark.parametrize("fps", [12, 30, 60])
def test_a_state_does_all_its_steps_in_a_film(display: Hosted, fps: int) -> None:
    """As many as its rate says; the page replays each, and the last with the frame."""
    made = generator(300, stateful=True)
    assert "error" not in shown(display, made)
    state = display.stage.engine.generator
    assert state is not None
    rate = round(1 / state.step_s)
    begun(display, what="clip", fps=fps, seconds=1)
    filmed(display, 0)
    first = state.steps
    for index in range(1, 1 + fps // 2):
        replayed = 0
        while (step := display.capture.film_step(index, *SIZE)) != IDLE:
            replayed += 1
            assert step >= 0
        assert replayed == max(0, rate // fps - 1)
        assert display.capture.film_frame(*SIZE) >= 0
    assert state.steps - first == pytest.approx(rate / 2, abs=1)
    display.capture.end_film()
    assert display.stage.engine.timeline.speed == 1.0

"""Picking and modes in the page's host: what words mean, where labels are, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pyengine.bundle import BufferFile
from pyengine.hosts.page import IDLE
from pyengine.passes.modes import MODES
from pyengine.passes.pick import NOTHING, PICK, PROBE
from pyengine.structs import Frame
from pyengine.view import View
from tests.pyengine.hosts.displays import Hosted
from tests.pyengine.hosts.test_page import ADAPTER, STILL
from tests.pyengine.plans import scene_of
from tests.pyengine.test_objects import scene

VIEW = View(200, 100, 120.0, 120.0, 90.0, 50.0, tuple(np.eye(4).ravel().tolist()))


@pytest.fixture(params=["one file", "objects"])
def opened(display: Hosted, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a page is told of a scene; its frame is drawn from the origin along z."""
    made = scene_of(300)
    if request.param == "objects":
        sizes = scene().expected_sizes()
        files = {name: BufferFile(f"{name}.bin", size) for name, size in sizes.items()}
        made = replace(scene(), buffers=files)
    answer: dict[str, Any] = json.loads(display.open_scene(made.to_json(), ADAPTER))
    assert display.set_view(VIEW.to_json()) == ""
    assert display.frame(*STILL) != IDLE
    return answer


def word_of(display: Hosted, depth: float, thing: int) -> int:
    """As the GPU writes it."""
    frame = display.stage.engine.drawn_frame
    (scale,), (near,) = Frame.unpack(frame, "key_scale"), Frame.unpack(frame, "key_near")
    return thing << 24 | int(np.log2(depth / near) * scale)


def test_what_a_word_says(display: Hosted, opened: dict[str, Any]) -> None:
    """The place on the ray of that pixel, and whose it is; nothing is null."""
    x, y, depth = 0.25, 0.75, 1.5
    display.picks.aim(x, y)
    told = json.loads(display.picks.found(word_of(display, depth, 1)))
    width, height = Frame.unpack(display.stage.engine.drawn_frame, "viewport_px")
    fx, fy = Frame.unpack(display.stage.engine.drawn_frame, "focal_px")
    cx, cy = Frame.unpack(display.stage.engine.drawn_frame, "principal_px")
    wanted = [
        (np.floor(x * width) + 0.5 - cx) / fx * depth,
        (np.floor(y * height) + 0.5 - cy) / fy * depth,
        depth,
    ]
    assert told["position"] == pytest.approx(wanted, rel=1e-3)
    assert told["distance"] == pytest.approx(np.linalg.norm(wanted), rel=1e-3)
    has_objects = "objects" in opened["info"]
    assert told.get("object") == ("chair" if has_objects else None)
    assert display.picks.found(NOTHING) == "null"
    assert "object" not in json.loads(display.picks.found(word_of(display, depth, 255)))


def test_where_labels_are_and_what_hides_them(display: Hosted, opened: dict[str, Any]) -> None:
    """There and back; beside the canvas and behind the camera is nowhere."""
    display.picks.aim(0.4, 0.6)
    position = json.loads(display.picks.found(word_of(display, 1.5, 0)))["position"]
    points = [position, [0, 0, -1], [100, 0, 1]]
    here, behind, beside = json.loads(display.picks.places(json.dumps(points)))
    assert here[:2] == pytest.approx([0.4, 0.6], abs=0.01)
    assert here[2] == pytest.approx(1.5, rel=1e-3)
    assert (behind, beside) == (None, None)
    display.picks.places(json.dumps([position, [0, 0, -1], position, position, position]))
    words = [*(word_of(display, depth, 0) for depth in (1.4, 1.49, 1.9)), NOTHING]
    assert json.loads(display.picks.hidden(json.dumps(words))) == [True, False, False, False]
    for text in ("[[1, 2]]", "{}", "[[1, 2, null]]"):
        assert "wanted a list of" in json.loads(display.picks.places(text))["error"]


def test_the_plan_for_clicks(display: Hosted, opened: dict[str, Any]) -> None:
    """Its buffers are those of the plan that draws, which has no part of it."""
    plan = json.loads(display.picks.open_pick(ADAPTER))["plan"]
    assert list(plan["schedules"]) == [PICK, PROBE], "in this order for web/picks.mjs"
    drawn = {buffer["name"]: buffer for buffer in opened["plan"]["buffers"]}
    shared = [buffer for buffer in plan["buffers"] if not buffer["name"].startswith("pick.")]
    assert all(drawn[buffer["name"]] == buffer for buffer in shared)
    assert len(shared) < len(drawn)
    assert "pick" not in json.dumps(opened["plan"])


def test_a_mode_takes_the_place_of_colours(display: Hosted, opened: dict[str, Any]) -> None:
    """And colours that of the mode, with the camera where it was and the buffers of before."""
    camera = display.stage.camera
    for mode in MODES:
        assert json.loads(display.modes.check_mode(mode)) == {"mode": mode}
        answer = json.loads(display.modes.open_mode(mode, ADAPTER))
        assert answer["plan"]["buffers"] == opened["plan"]["buffers"]
        display.filters.show_filter()
        assert display.stage.camera is camera
        assert display.frame(*STILL) != IDLE
    assert json.loads(display.modes.check_mode("colour")) == {"mode": ""}
    answer = json.loads(display.filters.open_filter("", -1, "[]", "[]", ADAPTER))
    assert answer["plan"] == opened["plan"]
    assert "wanted one of colour, depth" in json.loads(display.modes.check_mode("x"))["error"]

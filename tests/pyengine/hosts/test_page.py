"""The page's host without a page: what JavaScript calls, and what it gets."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from pyengine.engine import FRAME, scene_plan
from pyengine.errors import PlanError
from pyengine.hosts import page
from pyengine.hosts.page import IDLE, PageHost
from pyengine.plan import DEFAULT_LIMITS, Adapter
from pyengine.structs import STRUCTS, Frame
from pyengine.view import WORLD_UP, View
from tests.pyengine.plans import scene_of

ADAPTER = json.dumps({**asdict(Adapter({})), "limits": dict(DEFAULT_LIMITS)})
STILL = (0.016, 320, 200, *(0.0,) * 10)


@pytest.fixture
def opened() -> dict[str, Any]:
    """What a page is told of a small scene; the camera stands where a fresh page has it."""
    page._stage.clear()
    return told(300)


def told(count: int) -> dict[str, Any]:
    """Open a scene."""
    scene = replace(scene_of(count, 1), background=(0.1, 0.2, 0.3))
    answer: dict[str, Any] = json.loads(page.open_scene(scene.to_json(), ADAPTER))
    return answer


def test_what_a_page_is_told(opened: dict[str, Any]) -> None:
    """The plan as plain JSON, what to ask of the adapter, what to download, and offsets."""
    assert opened.keys() == {"plan", "limits", "features", "files", "uploads", "structs", "info"}
    assert list(opened["plan"]["schedules"]) == [FRAME]
    assert opened["files"].keys() == {"chunks", "geometry", "color", "sh"}
    assert opened["structs"] == {name: struct.offsets for name, struct in STRUCTS.items()}
    assert opened["info"]["count"] == 300
    assert opened["info"]["shDegree"] == 1
    sizes = {buffer["name"]: buffer["size_bytes"] for buffer in opened["plan"]["buffers"]}
    assert opened["info"]["gpuBytes"] == sum(sizes.values())


def test_a_frame_is_one_call(opened: dict[str, Any]) -> None:
    """Numbers in, the index of a schedule out; the uniforms lie where they lay."""
    uniforms = page.uniforms()
    assert len(uniforms) == Frame.size_bytes
    assert page.frame(*STILL) == list(opened["plan"]["schedules"]).index(FRAME)
    assert page.frame(*STILL) == IDLE
    assert page.uniforms() is uniforms
    assert Frame.unpack(uniforms, "viewport_px") == (320, 200)


@pytest.mark.parametrize("position", range(3, 13))
def test_every_input_moves_the_camera(opened: dict[str, Any], position: int) -> None:
    """Orbit, pan, look, zoom, fly, each in its place among the arguments."""
    page.frame(*STILL)
    moved = list(STILL)
    moved[position] = 0.1
    assert page.frame(*moved) != IDLE
    assert page.frame(*STILL) == IDLE, "an input is taken once"


def test_redraw_and_reset(opened: dict[str, Any]) -> None:
    """A new canvas shows nothing yet; the first view comes back exactly."""
    page.frame(*STILL)
    first = bytes(page.uniforms())
    page.redraw()
    assert page.frame(*STILL) != IDLE
    page.frame(*STILL[:3], 0.2, 0.1, *(0.0,) * 8)
    assert bytes(page.uniforms()) != first
    page.reset()
    assert page.frame(*STILL) != IDLE
    assert bytes(page.uniforms()) == first


def test_the_camera_outlives_a_device(opened: dict[str, Any]) -> None:
    """The same scene again: the device was lost, the visitor was not. Another scene starts anew."""
    page.frame(*STILL)
    first = bytes(page.uniforms())
    page.frame(*STILL[:3], 0.2, 0.1, *(0.0,) * 8)
    moved = bytes(page.uniforms())
    told(300)
    assert page.frame(*STILL) != IDLE, "the new canvas is empty"
    assert bytes(page.uniforms()) == moved
    told(301)
    page.frame(*STILL)
    at, end = Frame.offsets["view"], Frame.offsets["view"] + 64
    assert page.uniforms()[at:end] == first[at:end]


def test_a_view(opened: dict[str, Any]) -> None:
    """Shown exactly until the visitor moves; what is no view is told, and changes nothing."""
    view = View.look_at((1.0, -2.0, -3.0), (0.0, 0.0, 0.0), WORLD_UP, 40, 320, 200)
    assert page.set_view(view.to_json()) == ""
    page.frame(*STILL)
    assert Frame.unpack(page.uniforms(), "view") == pytest.approx(view.view, rel=1e-6, abs=1e-6)
    assert page.set_view('{"width": 1}').startswith("view: 'height', ")
    assert page.set_view("[") != ""
    assert page.frame(*STILL) == IDLE


def test_a_scene_that_is_none_is_told() -> None:
    """A message for the visitor, not an exception in a worker."""
    answer = json.loads(page.open_scene("{}", ADAPTER))
    assert answer == {
        "error": "scene.json: wanted a Vitrine bundle of version 1, got None; build it again"
    }


def test_a_scene_beyond_the_adapter_is_told() -> None:
    """With what it needs and what there is."""
    answer = json.loads(page.open_scene(scene_of(12_000_000).to_json(), ADAPTER))
    assert answer.keys() == {"error"}
    assert "needs a GPU buffer of 274 MiB ('splats'); this adapter offers 256" in answer["error"]


def test_only_uniforms_can_leave() -> None:
    """JavaScript uploads the struct's bytes after the call, and nothing else."""
    host = PageHost(scene_plan(scene_of(1), Adapter(DEFAULT_LIMITS)))
    with pytest.raises(PlanError, match=r"^the page uploads 'frame' and 'inputs' only, not 'sh'$"):
        host.write("sh", bytearray(4))

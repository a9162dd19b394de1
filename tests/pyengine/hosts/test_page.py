"""The page's host without a page: what JavaScript calls, and what it gets."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import asdict, replace
from typing import Any

import pytest

from pybuild.runner import shader_texts
from pyengine.errors import PlanError
from pyengine.hosts.page_stage import IDLE, PageHost
from pyengine.plan import DEFAULT_LIMITS, Adapter
from pyengine.scene_plan import FRAME, scene_plan
from pyengine.structs import STRUCTS, Frame
from pyengine.view import WORLD_UP, View
from tests.pyengine.generators import Made, generator
from tests.pyengine.hosts.displays import Hosted
from tests.pyengine.plans import scene_of

ADAPTER = json.dumps({**asdict(Adapter({})), "limits": dict(DEFAULT_LIMITS)})
STILL = (0.016, 320, 200, *(0.0,) * 10)


@pytest.fixture
def opened(display: Hosted) -> dict[str, Any]:
    """What a page is told of a small scene; the camera stands where a fresh page has it."""
    return told(display, 300)


def told(display: Hosted, count: int) -> dict[str, Any]:
    """Open a scene."""
    scene = replace(scene_of(count, 1), background=(0.1, 0.2, 0.3))
    answer: dict[str, Any] = json.loads(display.open_scene(scene.to_json(), ADAPTER))
    return answer


def test_what_a_page_is_told(opened: dict[str, Any]) -> None:
    """The plan as plain JSON, what to ask of the adapter, what to download, and offsets."""
    assert opened.keys() == {"plan", "files", "uploads", "structs", "info"}
    assert list(opened["plan"]["schedules"]) == [FRAME]
    assert opened["files"].keys() == {"chunks", "geometry", "color", "sh"}
    assert opened["structs"] == {name: struct.offsets for name, struct in STRUCTS.items()}
    assert opened["info"]["count"] == 300
    assert opened["info"]["shDegree"] == 1
    sizes = {buffer["name"]: buffer["size_bytes"] for buffer in opened["plan"]["buffers"]}
    assert opened["info"]["gpuBytes"] == sum(sizes.values())


def test_a_frame_is_one_call(display: Hosted, opened: dict[str, Any]) -> None:
    """Numbers in, the index of a schedule out; the uniforms lie where they lay."""
    uniforms = display.uniforms()
    assert len(uniforms) == Frame.size_bytes
    assert display.frame(*STILL) == list(opened["plan"]["schedules"]).index(FRAME)
    assert display.frame(*STILL) == IDLE
    assert display.uniforms() is uniforms
    assert Frame.unpack(uniforms, "viewport_px") == (320, 200)


@pytest.mark.parametrize("position", range(3, 13))
def test_every_input_moves_the_camera(
    display: Hosted, opened: dict[str, Any], position: int
) -> None:
    """Orbit, pan, look, zoom, fly, each in its place among the arguments."""
    display.frame(*STILL)
    moved = list(STILL)
    moved[position] = 0.1
    assert display.frame(*moved) != IDLE
    assert display.frame(*STILL) == IDLE, "an input is taken once"


def test_redraw_and_reset(display: Hosted, opened: dict[str, Any]) -> None:
    """A new canvas shows nothing yet; the first view comes back exactly."""
    display.frame(*STILL)
    first = bytes(display.uniforms())
    display.redraw()
    assert display.frame(*STILL) != IDLE
    display.frame(*STILL[:3], 0.2, 0.1, *(0.0,) * 8)
    assert bytes(display.uniforms()) != first
    display.reset()
    assert display.frame(*STILL) != IDLE
    assert bytes(display.uniforms()) == first


def test_the_camera_outlives_a_device(display: Hosted, opened: dict[str, Any]) -> None:
    """The same scene again: the device was lost, the visitor was not. Another scene starts anew."""
    display.frame(*STILL)
    first = bytes(display.uniforms())
    display.frame(*STILL[:3], 0.2, 0.1, *(0.0,) * 8)
    moved = bytes(display.uniforms())
    told(display, 300)
    assert display.frame(*STILL) != IDLE, "the new canvas is empty"
    assert bytes(display.uniforms()) == moved
    told(display, 301)
    display.frame(*STILL)
    at, end = Frame.offsets["view"], Frame.offsets["view"] + 64
    assert display.uniforms()[at:end] == first[at:end]


def test_a_view(display: Hosted, opened: dict[str, Any]) -> None:
    """Shown exactly until the visitor moves; what is no view is told, and changes nothing."""
    view = View.look_at((1.0, -2.0, -3.0), (0.0, 0.0, 0.0), WORLD_UP, 40, 320, 200)
    assert display.set_view(view.to_json()) == ""
    display.frame(*STILL)
    assert Frame.unpack(display.uniforms(), "view") == pytest.approx(view.view, rel=1e-6, abs=1e-6)
    assert display.set_view('{"width": 1}').startswith("view: 'height', ")
    assert display.set_view("[") != ""
    assert display.frame(*STILL) == IDLE


def test_a_scene_that_is_none_is_told(display: Hosted) -> None:
    """A message for the visitor, not an exception in a worker."""
    answer = json.loads(display.open_scene("{}", ADAPTER))
    assert answer == {
        "error": "scene.json: wanted a Vitrine bundle of version 1, got None; build it again",
        "code": "download",
    }


def test_a_scene_beyond_the_adapter_is_told(display: Hosted) -> None:
    """With what it needs and what there is."""
    answer = json.loads(display.open_scene(scene_of(12_000_000).to_json(), ADAPTER))
    assert answer["code"] == "limits"
    assert "needs a GPU buffer of 274 MiB ('splats'); this adapter offers 256" in answer["error"]


def test_only_uniforms_can_leave() -> None:
    """JavaScript uploads the struct's bytes after the call, and nothing else."""
    host = PageHost(scene_plan(scene_of(1), Adapter(DEFAULT_LIMITS)))
    with pytest.raises(PlanError, match=r"^the page uploads frame, inputs, .* only, not 'sh'$"):
        host.write("sh", bytearray(4))


class Data:
    """A Uint8Array as Pyodide shows it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.length = len(data)

    def subarray(self, start: int, end: int) -> Data:
        return Data(self.data[start:end])

    def to_bytes(self) -> bytes:
        return self.data


def shown(display: Hosted, made: Made) -> dict[str, Any]:
    """Open a generator's scene as the worker does."""
    return opened_again(display, made)


def opened_again(display: Hosted, made: Made) -> dict[str, Any]:
    """... on another device."""
    program = made.compiled.program
    texts = json.dumps(shader_texts(program, made.compiled.files))
    answer: dict[str, Any] = json.loads(
        display.open_scene(made.scene.to_json(), ADAPTER, program.to_json(), texts)
    )
    assert "error" not in answer, answer["error"]
    return answer


def test_what_a_page_is_told_of_a_generator(display: Hosted) -> None:
    """Where each input lies, what to download, and what to upload before a schedule."""
    made = generator(300, stateful=True)
    answer = shown(display, made)
    assert dict(zip(answer["plan"]["schedules"], answer["uploads"], strict=True)) == {
        "frame": ["frame"],
        "generate_0": ["frame", "inputs"],
        "generate_1": ["frame", "inputs"],
        "restart": ["frame", "inputs"],
        "step_0": ["inputs"],
        "step_1": ["inputs"],
        "clear": [],
    }
    told = answer["generator"]
    assert (told["clip"], told["rate"]) == (None, None)
    sizes = {buffer["name"]: buffer["size_bytes"] for buffer in answer["plan"]["buffers"]}
    assert sizes["inputs"] == len(display.inputs())
    feeds = {feed["name"]: feed for feed in told["feeds"]}
    assert "offset_bytes" not in feeds["memory"]
    assert feeds["drive"]["size_bytes"] == 16
    assert feeds["drive"]["offset_bytes"] % 256 == 0
    assert all(name.startswith("generator.") for name in answer["files"])


def test_files_of_a_program_are_named_from_the_bundle(display: Hosted) -> None:
    """By the buffer of the plan."""
    made = generator(300)
    program = made.compiled.program
    weights = replace(program.buffers[-1], name="weights", file="weights-0123.bin")
    program = replace(program, buffers=(*program.buffers, weights))
    again = replace(made, compiled=replace(made.compiled, program=program))
    assert shown(display, again)["files"] == {"generator.weights": "generator/weights-0123.bin"}


def test_a_generators_frames(display: Hosted) -> None:
    """Each is one call; a schedule that runs the network where an input changed."""
    made = generator(300, timed=True)
    schedules = list(shown(display, made)["plan"]["schedules"])
    frame, generate = schedules.index("frame"), schedules.index("generate")
    memory = display.inputs()
    assert display.frame(*STILL) == generate
    assert display.frame(*STILL) == IDLE
    assert display.frame(*STILL, 1) == generate, "JavaScript wrote into the inputs"
    assert display.frame(*STILL[:3], 0.1, *STILL[4:]) == frame
    assert display.set_input("packed", json.dumps([0.5] * 3000)) == ""
    assert display.frame(*STILL) == generate
    display.play(1)
    assert display.frame(*STILL) == generate
    assert struct.unpack_from("<4f", memory) == pytest.approx((0.016, 0.016, 1, 1))
    display.set_speed(-2.0)
    assert display.frame(*STILL) == generate
    display.play(0)
    assert display.frame(*STILL) == IDLE
    display.seek(7.5)
    display.seek(math.nan)
    display.set_speed(math.inf)
    assert display.frame(*STILL) == generate
    assert struct.unpack_from("<4f", memory) == (7.5, 0.5, 0, -2)
    display.set_loop(0)
    assert display.inputs() is memory
    opened_again(display, made)
    assert display.frame(*STILL) == generate, "the device is new"
    assert display.inputs() is memory
    assert struct.unpack_from("<f", memory) == (7.5,)


def test_faults_of_inputs_are_told(display: Hosted) -> None:
    """In words, for whoever set them."""
    shown(display, generator(300, stateful=True))
    assert display.set_input("drive", "[1, 2") == (
        "input 'drive': not JSON (Expecting ',' delimiter: line 1 column 6 (char 5)); is this an "
        "array of numbers?"
    )
    assert display.set_input("drive", "[1]") == "input 'drive': wanted 4 numbers, got 1"
    assert display.set_input("drive", "[1, 2, 3, 4]") == ""
    assert display.set_input("drive", "null") == ""
    assert display.set_track("drive", Data(b"")) == "input 'drive': has no track"
    display.frame(*STILL)
    display.reset_state()
    schedules = list(opened_again(display, generator(300, stateful=True))["plan"]["schedules"])
    assert schedules[display.frame(*STILL)] == "restart"


def test_a_static_scene_has_no_inputs(display: Hosted, opened: dict[str, Any]) -> None:
    """What a page may call all the same."""
    assert opened["uploads"] == [["frame"]]
    assert "generator" not in opened
    assert display.inputs() == b""
    display.frame(*STILL)
    display.play(1)
    display.reset_state()
    assert display.frame(*STILL, 1) == IDLE
    assert display.set_input("x", "1") == "input 'x': the scene has no generator"
    assert display.set_track("x", Data(b"")) == "input 'x': the scene has no generator"


@pytest.mark.parametrize(
    ("program", "shaders", "message"),
    [
        ("", "", "generator/program.json: not JSON"),
        ("{}", "", "wanted a Vitrine program of version 1"),
        (None, "{}", "shaders of the program are missing"),
    ],
)
def test_a_program_that_is_none_is_told(
    display: Hosted, program: str | None, shaders: str, message: str
) -> None:
    """As a scene that is none."""
    made = generator(300)
    text = made.compiled.program.to_json() if program is None else program
    answer = json.loads(display.open_scene(made.scene.to_json(), ADAPTER, text, shaders))
    assert message in answer["error"]
    assert answer["code"] == "download"

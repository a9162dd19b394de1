"""Filters in the page's host, without a page: what JavaScript asks, and what it gets."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import pytest

from pybuild.filters.bundle import MadeFilter, make_filters
from pybuild.runner import shader_texts
from pyengine.bundle import Scene
from pyengine.hosts.page import HELD, IDLE
from pyengine.plan import DEFAULT_LIMITS, Adapter
from pyengine.structs import FilterFrame
from tests.pyengine import filters
from tests.pyengine.hosts.displays import Hosted
from tests.pyengine.plans import scene_of

ADAPTER = json.dumps({**asdict(Adapter({})), "limits": dict(DEFAULT_LIMITS)})
SMALL = json.dumps(json.loads(ADAPTER) | {"limits": {**DEFAULT_LIMITS, "maxBufferSize": 4096}})
SIZES = "96x64/48x32"
CANVAS = (96, 64)
LOOK = (0.0,) * 10
SLOW_S = 0.2
"""Six times what `page_filter.TARGET_FPS` asks for."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, MadeFilter]:
    """A slider at two sizes, and one that remembers."""
    folder = tmp_path_factory.mktemp("filters")
    texts = [f"{filters.gain(folder)}@size={SIZES}", f"{filters.trail(folder)}@size=96x64"]
    return {item.spec.name: item for item in make_filters(texts)}


@pytest.fixture
def scene(display: Hosted, made: Mapping[str, MadeFilter]) -> Scene:
    """It is open, and none of its filters is on."""
    scene = replace(scene_of(300), filters=tuple(item.spec for item in made.values()))
    assert "error" not in json.loads(display.open_scene(scene.to_json(), ADAPTER))
    return scene


def opened(
    display: Hosted, made: MadeFilter, choice: dict[str, Any], **others: str
) -> dict[str, Any]:
    """Answer to a filter's programs, some of which may be told otherwise."""
    networks = [made.networks[folder] for folder in choice["programs"]]
    shaders = [json.loads(json.dumps(shader_texts(n.program, n.files))) for n in networks]
    told = {
        "programs": json.dumps([network.program.to_json() for network in networks]),
        "shaders": json.dumps(shaders),
        "adapter": ADAPTER,
    } | others
    answer: dict[str, Any] = json.loads(
        display.filters.open_filter(
            made.spec.name, choice["rung"], told["programs"], told["shaders"], told["adapter"]
        )
    )
    return answer


def put(
    display: Hosted, made: MadeFilter | None, canvas: tuple[int, int] = CANVAS, level: int = 0
) -> list[str]:
    """Show a filter, or none, as web/filters.mjs does; the names of the plan's schedules."""
    choice = json.loads(
        display.filters.choose_filter(made.spec.name if made else "", *canvas, level)
    )
    if made is None:
        answer = json.loads(display.filters.open_filter("", choice["rung"], "[]", "[]", ADAPTER))
    else:
        answer = opened(display, made, choice)
    assert "error" not in answer, answer["error"]
    display.filters.show_filter()
    return list(answer["plan"]["schedules"])


def frame(display: Hosted, seconds: float = 0.016, orbit: float = 0.0) -> int:
    """One frame, drawn anew where the camera moves."""
    return display.frame(seconds, *CANVAS, orbit, *LOOK[1:])


def gain(display: Hosted) -> float:
    """What the filter of that name is told of its slider."""
    places = {feed.name: part for feed, part in display.stage.engine.scene.filters[0].inputs()}
    value: float = struct.unpack_from(
        "<f", display.filters.filter_inputs(), places["gain"].offset_bytes
    )[0]
    return value


def status(display: Hosted) -> tuple[int, int, int]:
    """The schedule before, the level, and how often the picture is renewed."""
    before, level, every = struct.unpack_from("<3i", display.status())
    return before, level, every


@pytest.mark.parametrize(
    ("canvas", "level", "output"),
    [
        ((960, 640), 0, [96, 64]),
        ((960, 640), 1, [48, 32]),
        ((960, 640), 9, [48, 32]),
        ((960, 640), -1, [96, 64]),
        ((60, 40), 0, [48, 32]),
        ((0, 0), 0, [48, 32]),
    ],
)
def test_the_size_is_chosen(
    display: Hosted, scene: Scene, canvas: tuple[int, int], level: int, output: list[int]
) -> None:
    """By the canvas and by how far down its ladder; a canvas of nothing has a size too."""
    choice = json.loads(display.filters.choose_filter("gain", *canvas, level))
    assert choice["output"] == choice["render"] == output
    assert scene.filters[0].rungs[choice["rung"]].output == tuple(output)
    assert choice["levels"] == (2 if canvas[0] >= 96 else 1)
    assert choice["programs"] == list(scene.filters[0].rungs[choice["rung"]].programs)


def test_none_is_always_there(display: Hosted, scene: Scene) -> None:
    """One that is not is told, with those that are."""
    none = json.loads(display.filters.choose_filter("", *CANVAS))
    assert none == {"rung": -1, "programs": [], "levels": 0}
    message = "This scene has no filter 'fog'; there are: gain, trail."
    assert json.loads(display.filters.choose_filter("fog", *CANVAS)) == {"error": message}
    answer = json.loads(display.filters.open_filter("fog", 0, "[]", "[]", ADAPTER))
    assert answer == {"error": message}


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"programs": "["}, "programs: not JSON"),
        ({"programs": "{}"}, "filter 'gain': wanted lists of programs and shaders"),
        ({"shaders": "1"}, "filter 'gain': wanted lists of programs and shaders"),
        ({"programs": "[]"}, "filter 'gain': wanted 1 programs with their shaders, got 0 and 1"),
        ({"shaders": "[]"}, "filter 'gain': wanted 1 programs with their shaders, got 1 and 0"),
        ({"programs": "[1]"}, "filter 'gain': wanted the texts of programs"),
        ({"programs": '["{}"]'}, "/program.json: wanted a Vitrine program of version 1"),
        ({"shaders": "[{}]"}, "are missing"),
        ({"adapter": SMALL}, "this adapter offers 0"),
    ],
)
def test_what_does_not_fit_is_told(
    display: Hosted,
    scene: Scene,
    made: Mapping[str, MadeFilter],
    others: dict[str, str],
    message: str,
) -> None:
    """In words; what is shown stays."""
    choice = json.loads(display.filters.choose_filter("gain", *CANVAS))
    before = display.stage
    answer = opened(display, made["gain"], choice, **others)
    assert answer.keys() == {"error"}
    assert message in answer["error"]
    assert display.stage is before
    assert before.engine.filter is None


def test_what_a_page_is_told_of_a_filter(
    display: Hosted, scene: Scene, made: Mapping[str, MadeFilter]
) -> None:
    """As of a scene; a schedule's uploads have the filter's buffers, both where it runs."""
    choice = json.loads(display.filters.choose_filter("trail", *CANVAS))
    answer = opened(display, made["trail"], choice)
    assert dict(zip(answer["plan"]["schedules"], answer["uploads"], strict=True)) == {
        "frame": ["frame", "filter", "filter.inputs"],
        "filter": ["filter", "filter.inputs"],
        "present": ["filter"],
        "check": [],
        "fresh": [],
        "frame/1": ["frame", "filter", "filter.inputs"],
        "filter/1": ["filter", "filter.inputs"],
        "present/1": ["filter"],
        "check/1": [],
    }
    assert [item["name"] for item in answer["info"]["filters"]] == ["gain", "trail"]
    assert display.stage.engine.filter is None, "it is not shown yet"


def test_the_bytes_of_a_filter(
    display: Hosted, scene: Scene, made: Mapping[str, MadeFilter]
) -> None:
    """They lie where they lay while it is on; nothing is where none is."""
    assert display.filters.filter_bytes() == display.filters.filter_inputs() == b""
    put(display, made["gain"])
    told, inputs = display.filters.filter_bytes(), display.filters.filter_inputs()
    assert len(told) == FilterFrame.size_bytes
    frame(display)
    assert FilterFrame.unpack(told, "canvas_px") == CANVAS
    assert display.filters.filter_bytes() is told
    assert display.set_input("gain", "1.5") == ""
    assert display.filters.filter_inputs() is inputs
    assert gain(display) == 1.5
    put(display, None)
    assert display.filters.filter_bytes() == display.filters.filter_inputs() == b""


def test_frames_with_a_filter(
    display: Hosted, scene: Scene, made: Mapping[str, MadeFilter]
) -> None:
    """Camera and look of before; a slider and the look run no more than they need."""
    frame(display, orbit=0.5)
    seen = bytes(display.uniforms())
    schedules = put(display, made["gain"])
    assert schedules[frame(display)] == "frame"
    put(display, None)
    assert frame(display) != IDLE
    assert display.uniforms() == seen
    schedules = put(display, made["gain"])
    frame(display)
    assert frame(display) == IDLE
    display.set_input("gain", "1.5")
    assert schedules[frame(display)] == "filter"
    assert display.filters.set_filter("gain", 0.5, -1.0) == ""
    assert schedules[frame(display)] == "present"
    assert display.filters.set_filter("gain", -1.0, -1.0) == ""
    assert frame(display) == IDLE


def test_a_look_is_remembered_by_the_name(
    display: Hosted, scene: Scene, made: Mapping[str, MadeFilter]
) -> None:
    """Picked again, at another size or on another device, it shows as it did."""

    def look() -> tuple[float, ...]:
        told = display.filters.filter_bytes()
        frame(display)
        shown = [FilterFrame.unpack(told, name)[0] for name in ("strength", "split")]
        return (*shown, gain(display))

    put(display, made["gain"])
    display.filters.set_filter("gain", 0.5, 0.25)
    display.set_input("gain", "1.5")
    put(display, made["gain"], level=1)
    assert look() == (0.5, 0.25, 1.5)
    put(display, made["trail"])
    put(display, made["gain"])
    assert look() == (0.5, 0.25, 1.5)
    display.open_scene(scene.to_json(), ADAPTER)
    put(display, made["gain"])
    assert look() == (0.5, 0.25, 1.5)
    display.set_input("gain", "null")
    assert look() == (0.5, 0.25, 0.5)


def test_faults_of_a_look_are_told(
    display: Hosted, scene: Scene, made: Mapping[str, MadeFilter]
) -> None:
    """And change nothing."""
    assert display.filters.set_filter("gain", 0.5, 0.5) == "filter 'gain': it is not on"
    put(display, made["gain"])
    message = display.filters.set_filter("gain", 0.5, 1.5)
    assert message == "filter split: wanted a number from 0 to 1, got 1.5"
    message = display.filters.set_filter("gain", float("inf"), 0.5)
    assert message == "filter strength: wanted a number from 0 to 1, got inf"
    frame(display)
    told = display.filters.filter_bytes()
    assert [FilterFrame.unpack(told, name)[0] for name in ("strength", "split")] == [1.0, 0.0]


def test_the_image_that_is_checked(
    display: Hosted, scene: Scene, made: Mapping[str, MadeFilter]
) -> None:
    """The one that the last run made; a check is no frame."""
    assert display.filters.check_filter() == IDLE
    schedules = put(display, made["trail"])
    for wanted in ("check", "check/1", "check"):
        frame(display, orbit=0.1)
        assert schedules[display.filters.check_filter()] == wanted
        assert schedules[display.filters.check_filter()] == wanted
        assert frame(display) == IDLE


def test_a_state_begins_once(display: Hosted, scene: Scene, made: Mapping[str, MadeFilter]) -> None:
    """Where the filter is new; statistics and a canvas of another size draw anew, and no more."""
    schedules = put(display, made["trail"])
    assert schedules[frame(display)] == "frame"
    assert schedules[status(display)[0]] == "fresh"
    display.redraw()
    assert schedules[frame(display)] == "frame/1"
    assert status(display)[0] == IDLE
    assert schedules[display.frame(0.016, 120, 64, *LOOK)] == "frame"
    assert status(display)[0] == IDLE
    put(display, None)
    assert schedules == put(display, made["trail"])
    assert schedules[frame(display)] == "frame"
    assert schedules[status(display)[0]] == "fresh"


def frames(display: Hosted, seconds: float, wanted: tuple[int, int]) -> list[int]:
    """Move, so many seconds a frame, until level and every are these; what frames returned."""
    found = []
    for index in range(2000):
        found.append(frame(display, seconds, 0.01 * (-1) ** index))
        if status(display)[1:] == wanted:
            return found
    raise AssertionError(f"{status(display)} after 2000 frames")


def test_a_slow_page_goes_down_and_up_again(
    display: Hosted, scene: Scene, made: Mapping[str, MadeFilter]
) -> None:
    """What it knows stays while sizes change; at the smallest one frames are held back."""
    schedules = put(display, made["gain"])
    frames(display, SLOW_S, (1, 1))
    governor = display.stage.governor
    assert put(display, made["gain"], level=1) == schedules
    assert display.stage.governor is governor
    frames(display, SLOW_S, (1, 4))
    held = [frame(display, SLOW_S, 0.01) == HELD for _ in range(8)]
    assert sum(held) == 6
    put(display, made["gain"], level=1)
    assert schedules[frame(display)] == "frame", "a new size is shown at once"
    assert status(display)[1:] == (1, 4)
    frames(display, 1 / 60, (0, 1))
    put(display, made["gain"])
    frame(display)
    assert status(display)[1:] == (0, 1)


def test_another_filter_or_canvas_is_judged_anew(
    display: Hosted, scene: Scene, made: Mapping[str, MadeFilter]
) -> None:
    """And the rate of the one before is none of the next one's."""
    put(display, made["gain"])
    frames(display, SLOW_S, (1, 4))
    put(display, made["gain"], canvas=(60, 40))
    frame(display)
    assert status(display)[1:] == (0, 1)
    frames(display, SLOW_S, (0, 4))
    put(display, made["trail"])
    frame(display)
    assert status(display)[1:] == (0, 1)
    put(display, None)
    frame(display, SLOW_S, 0.1)
    assert status(display) == (IDLE, 0, 1)


def test_a_link_tells_the_filter_and_its_inputs(
    display: Hosted, scene: Scene, made: Mapping[str, MadeFilter]
) -> None:
    """Not the one with which the scene opens anyway; and none where that was taken off."""
    first, other = made.values()

    def link() -> str:
        return str(json.loads(display.views.ask('{"do": "share"}'))["value"]["text"])

    def rest(text: str) -> dict[str, Any]:
        answer = json.loads(display.views.ask(json.dumps({"do": "open", "text": text})))["value"]
        return {name: answer[name] for name in ("filter", "look", "inputs")}

    assert rest(link()) == {"filter": "", "look": {}, "inputs": {}}
    put(display, first)
    assert "filter" not in link()
    assert rest(link()) == {"filter": first.spec.name, "look": {}, "inputs": {}}
    display.set_input("gain", "[0.25]")
    display.filters.set_filter("gain", 0.5, 0.75)
    look = {"strength": 0.5, "split": 0.75}
    wanted = {"filter": first.spec.name, "look": look, "inputs": {"gain": [0.25]}}
    assert rest(link()) == wanted
    assert rest("v=1")["inputs"] == {"gain": None}, "given back"
    put(display, other)
    assert rest(link())["filter"] == other.spec.name


def test_a_picture_of_a_filtered_view(
    display: Hosted, scene: Scene, made: Mapping[str, MadeFilter]
) -> None:
    """The filter's image is stretched over the picture, and the canvas is drawn anew."""
    names = put(display, made["gain"])
    display.stage.engine.filter.every = 4  # type: ignore[union-attr]
    frame(display)
    index = display.capture.picture(500, 300, 0, 0, 0, 500, 300)
    assert names[index] == "frame"
    assert FilterFrame.unpack(display.filters.filter_bytes(), "canvas_px") == (500, 300)
    assert status(display)[2] == 4
    assert display.stage.engine.filter.every == 4  # type: ignore[union-attr]
    while frame(display) == HELD:
        pass
    assert FilterFrame.unpack(display.filters.filter_bytes(), "canvas_px") == CANVAS

"""Objects in the page's host: moved in the frame's own call, uploaded when they moved, saved."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import pytest

from pyengine.bundle import OBJECTS, BufferFile
from pyengine.hosts.page import IDLE
from pyengine.structs import SceneObject
from tests.pyengine.hosts.displays import Hosted
from tests.pyengine.hosts.test_page import ADAPTER, STILL, told
from tests.pyengine.test_objects import PLACED, scene


@pytest.fixture
def opened(display: Hosted) -> dict[str, Any]:
    """What a page is told of a table and a chair."""
    sizes = scene().expected_sizes()
    made = replace(scene(), buffers={n: BufferFile(f"{n}.bin", s) for n, s in sizes.items()})
    answer: dict[str, Any] = json.loads(display.open_scene(made.to_json(), ADAPTER))
    return answer


def status(display: Hosted) -> tuple[int, int]:
    """Whether the objects are to be uploaded, and how many changes failed."""
    *_, moved, faults = struct.unpack("<6i", display.status())
    return moved, faults


def ask(display: Hosted, what: str) -> Any:
    """The view's answer."""
    return json.loads(display.views.ask(json.dumps({"do": what})))["value"]


def asked(*rows: list[Any]) -> str:
    """What JavaScript hands over."""
    return json.dumps(rows)


def test_what_a_page_is_told_of_objects(display: Hosted, opened: dict[str, Any]) -> None:
    """As they stand at first."""
    chair = opened["info"]["objects"][1]
    assert (chair["name"], chair["position"]) == ("chair", list(PLACED.position))
    assert OBJECTS in {buffer["name"] for buffer in opened["plan"]["buffers"]}
    assert ask(display, "objects") == opened["info"]["objects"]


def test_a_frame_that_moves_an_object_is_one_call(display: Hosted, opened: dict[str, Any]) -> None:
    """The bytes lie where they lay, and are uploaded in that frame alone."""
    memory = display.object_bytes()
    assert display.frame(*STILL) != IDLE
    assert status(display) == (1, 0)
    for step in range(3):
        changes = {"position": [step + 1, 0, 0]}
        assert display.frame(*STILL, 0, asked([step, "chair", changes])) != IDLE
        assert status(display) == (1, 0)
        to_world = SceneObject.unpack(memory, "to_world", SceneObject.size_bytes)
        assert to_world[12:15] == (step + 1, 0, 0)
    assert display.frame(*STILL, 0, asked([9, "chair", {"position": [3, 0, 0]}])) == IDLE
    orbited = (*STILL[:3], 0.1, *STILL[4:])
    assert display.frame(*orbited) != IDLE
    assert status(display) == (0, 0)
    assert display.object_bytes() is memory


def test_changes_that_cannot_be_made(display: Hosted, opened: dict[str, Any]) -> None:
    """Each is told by its number; the others are made."""
    display.frame(*STILL)
    rows = asked(
        [4, "chair", {"scale": 0}],
        [5, "stool", {}],
        [6, "table", {"visible": False}],
        [7, "chair", {"postion": None}],
    )
    assert display.frame(*STILL, 0, rows) != IDLE
    assert status(display) == (1, 3)
    faults = json.loads(display.object_faults())
    assert [number for number, _ in faults] == [4, 5, 7]
    assert faults[0][1].startswith("object 'chair': 'scale' must be")
    assert ask(display, "objects")[0]["visible"] is False
    display.frame(*STILL)
    assert status(display) == (0, 0)


def test_saved_text(display: Hosted, opened: dict[str, Any]) -> None:
    """A scene.toml of the objects as they stand."""
    display.frame(*STILL, 0, asked([1, "chair", {"scale": 3}]))
    text = ask(display, "save")
    assert text.count("[[object]]") == 2
    assert "scale = 3\n" in text


def test_a_scene_of_one_file(display: Hosted) -> None:
    """Has no objects to move or save."""
    assert "objects" not in told(display, 300)["info"]
    assert ask(display, "objects") == []
    assert "the scene has no objects" in display.views.ask('{"do": "save"}')
    assert display.object_bytes() == b""
    display.frame(*STILL, 0, asked([2, "a", {}]))
    assert status(display) == (0, 1)
    assert "the scene has no objects" in display.object_faults()


def test_a_drag(display: Hosted, opened: dict[str, Any]) -> None:
    """From where it began, with the placement of then; what cannot be is an error of the view."""
    display.frame(*STILL)
    start = {key: ask(display, "objects")[1][key] for key in ("position", "rotation", "scale")}
    asks = {"do": "drag", "name": "chair", "handle": "move", "start": start, "from": [0.5, 0.5]}
    there = json.loads(display.views.ask(json.dumps(asks | {"to": [0.7, 0.4]})))["value"]
    assert there["position"] != start["position"]
    assert there == {key: ask(display, "objects")[1][key] for key in there}
    assert display.frame(*STILL) != IDLE
    back = json.loads(display.views.ask(json.dumps(asks | {"to": [0.5, 0.5]})))["value"]
    assert back["position"] == pytest.approx(start["position"])
    for wrong in ({"handle": "spin"}, {"name": "stool"}, {"to": [1]}, {"start": {"scale": 0}}):
        assert "error" in json.loads(display.views.ask(json.dumps(asks | {"to": [1, 1]} | wrong)))

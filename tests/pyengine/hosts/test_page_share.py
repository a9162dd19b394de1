"""Links in the page's host: what comes with the question, what goes back with the answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pyengine.bundle import BufferFile
from pyengine.share import MAX_HASH
from tests.pyengine.hosts.displays import Hosted
from tests.pyengine.hosts.test_page import ADAPTER, STILL, told
from tests.pyengine.test_objects import PLACED, scene

NOTE = {"position": [1, -2.5, 0], "text": "<b>The neck</b>"}


def do(display: Hosted, what: str, **more: Any) -> Any:
    """The value of an answer that is none to refuse."""
    answer = json.loads(display.views.ask(json.dumps({"do": what, **more})))
    assert "error" not in answer, answer
    return answer["value"]


def link(display: Hosted, **more: Any) -> str:
    """The text of the link, of which nothing was left out."""
    value = do(display, "share", **more)
    assert value["leftOut"] == 0
    return str(value["text"])


@pytest.fixture
def arranged(display: Hosted) -> Hosted:
    """A display with a table and a chair."""
    sizes = scene().expected_sizes()
    made = replace(scene(), buffers={n: BufferFile(f"{n}.bin", s) for n, s in sizes.items()})
    display.open_scene(made.to_json(), ADAPTER)
    display.frame(*STILL)
    return display


def test_the_mode_and_the_annotations_come_with_the_question(display: Hosted) -> None:
    """And go back with the answer; colours are not said."""
    told(display, 300)
    display.frame(*STILL)
    assert "show" not in link(display, show="colour")
    text = link(display, show="depth", notes=[NOTE])
    assert text.endswith("&show=depth&note=%3Cb%3EThe+neck%3C%2Fb%3E:1,-2.5,0")
    opened = do(display, "open", text=text)
    assert (opened["show"], opened["notes"], opened["problems"]) == ("depth", [NOTE], [])
    assert opened["objects"] == []
    opened = do(display, "open", text="v=1&show=dept&obj.chair=s2")
    assert (opened["show"], opened["notes"]) == ("colour", [])
    assert opened["problems"] == [
        "link: 'show' is passed over: mode: wanted one of colour, depth, normals, outlines, "
        "overdraw, got 'dept'",
        "link: objects are passed over: the scene has none",
    ]


def test_objects_stand_as_a_link_says(arranged: Hosted) -> None:
    """Those that it does not name as the scene has them, moved before or not."""
    assert "obj" not in link(arranged)
    objects = arranged.stage.engine.objects
    assert objects is not None
    objects.set("chair", {"scale": 2, "visible": False})
    text = link(arranged)
    assert text.endswith("&obj.chair=s2;v0")
    objects.set("table", {"opacity": 0.5})
    objects.set("chair", PLACED.to_dict())
    opened = do(arranged, "open", text=f"{text}&obj.lamp=s2")
    table, chair = opened["objects"]
    assert (table["opacity"], chair["scale"], chair["visible"]) == (1, [2, 2, 2], False)
    assert chair["position"] == list(PLACED.position)
    assert opened["problems"] == [
        "link: object 'lamp': there is none; there are: table, chair; passed over"
    ]
    assert objects.changed
    assert link(arranged) == text
    assert do(arranged, "open", text="v=1")["objects"] == do(arranged, "objects")
    assert objects.moved() == {}


def test_what_has_no_room_is_counted(arranged: Hosted) -> None:
    notes = [NOTE | {"text": "漢" * 200} for _ in range(50)]
    value = do(arranged, "share", notes=notes)
    assert len(value["text"]) <= MAX_HASH
    assert value["leftOut"] == 50 - value["text"].count("note=") > 0


def test_keys_take_a_handle_from_where_the_object_is(arranged: Hosted) -> None:
    """Where a drag is told from where it began."""
    before = PLACED.to_dict()
    nudge = {"name": "chair", "handle": "scale", "steps": [1, 0]}
    after = do(arranged, "drag", **nudge)
    assert after["scale"] == pytest.approx([1.05 * value for value in before["scale"]])
    after = do(arranged, "drag", **nudge)
    assert after["scale"] == pytest.approx([1.05**2 * value for value in before["scale"]])
    assert {**after, "scale": before["scale"]} == before
    for wrong, message in (
        ({"name": "lamp"}, "object 'lamp': there is none"),
        ({"handle": "shear"}, "handle: wanted one of move"),
        ({"steps": [1]}, "steps: wanted two numbers"),
    ):
        asked = {"do": "drag", **nudge, **wrong}
        assert message in json.loads(arranged.views.ask(json.dumps(asked)))["error"]

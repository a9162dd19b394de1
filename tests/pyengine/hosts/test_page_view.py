"""What the page asks of the view: the camera, the look, links."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyengine.camera_rig import MOVES
from pyengine.hosts.page import IDLE
from tests.pyengine.hosts.displays import Hosted
from tests.pyengine.hosts.test_page import STILL, told

STATUS_MOVING = 12
"""Bytes before what moves the camera, in the frame's status."""


@pytest.fixture(autouse=True)
def _scene(display: Hosted) -> None:
    told(display, 300)
    display.frame(*STILL)


def do(display: Hosted, what: str, **more: Any) -> Any:
    """The answer of a question that is none to refuse."""
    answer = json.loads(display.views.ask(json.dumps({"do": what, **more})))
    assert "error" not in answer, answer
    return answer


def refused(display: Hosted, what: str, **more: Any) -> str:
    """The message of one that is."""
    return str(json.loads(display.views.ask(json.dumps({"do": what, **more})))["error"])


def moving(display: Hosted) -> str:
    """What the last frame told."""
    return MOVES[int.from_bytes(display.status()[STATUS_MOVING : STATUS_MOVING + 4], "little")]


def test_a_state_tells_all(display: Hosted) -> None:
    state = do(display, "state")["state"]
    assert state.keys() == {"camera", "mode", "moving", "turn", "bookmarks", "path", "look"}
    assert (state["mode"], state["moving"], state["bookmarks"]) == ("orbit", "", [])
    assert state["look"]["background"] == [0.1, 0.2, 0.3]
    assert state["look"]["shDegree"] == 1


def test_a_turntable_goes_on_from_frame_to_frame_and_says_so(display: Hosted) -> None:
    do(display, "mode", mode="turntable", speed=90)
    assert display.frame(0.1, *STILL[1:]) != IDLE
    assert moving(display) == "turntable"
    before = do(display, "state")["state"]["camera"]["eye"]
    display.frame(0.1, *STILL[1:])
    assert do(display, "state")["state"]["camera"]["eye"] != before
    display.frame(0.1, 320, 200, 0.1, *(0.0,) * 9)  # a touch
    assert moving(display) == ""
    display.frame(*STILL)
    assert display.frame(*STILL) == IDLE


def test_the_camera_is_set_and_flown(display: Hosted) -> None:
    state = do(display, "camera", eye=[1, 2, -9], target=[0, 0, 0], fov=30)["state"]
    assert state["camera"]["eye"] == pytest.approx([1, 2, -9])
    assert state["camera"]["fov"] == pytest.approx(30)
    assert do(display, "camera", eye=[5, 2, -9], seconds=2)["state"]["moving"] == "flight"
    display.frame(2.5, *STILL[1:])
    state = do(display, "state")["state"]
    assert (state["moving"], state["camera"]["eye"]) == ("", pytest.approx([5, 2, -9]))
    assert state["camera"]["target"] == pytest.approx([0, 0, 0])


def test_a_first_camera_is_where_it_is_reset_to(display: Hosted) -> None:
    do(display, "camera", eye=[1, 2, -9], target=[0, 0, 0], fov=30, first=True)
    do(display, "camera", eye=[5, 2, -9])
    display.reset()
    camera = do(display, "state")["state"]["camera"]
    assert camera["eye"] == pytest.approx([1, 2, -9])
    assert camera["fov"] == pytest.approx(30)


def test_bookmarks_and_the_path(display: Hosted) -> None:
    assert do(display, "add")["value"] == "View 1"
    do(display, "camera", eye=[3, 0, -9])
    assert do(display, "add", name="Side")["state"]["bookmarks"] == ["View 1", "Side"]
    assert do(display, "rename", index=0, name="Front")["state"]["bookmarks"] == ["Front", "Side"]
    state = do(display, "path", seconds=4, loop=False, play=True)["state"]
    assert (state["moving"], state["path"]) == ("path", {"seconds": 4.0, "loop": False})
    assert do(display, "stop")["state"]["moving"] == ""
    assert do(display, "delete", index=0)["state"]["bookmarks"] == ["Side"]
    assert "two bookmarks" in refused(display, "path", play=True)


def test_a_look_is_set_and_given_back(display: Hosted) -> None:
    look = do(
        display, "look", background=[1, 0, 0], shDegree=0, splatScale=0.5, antialiasing="mip"
    )["state"]["look"]
    assert look["antialiasing"] == "mip"
    assert look["background"] == [1, 0, 0]
    assert (look["shDegree"], look["splatScale"]) == (0, 0.5)
    assert display.frame(*STILL) != IDLE, "it is drawn anew"
    rest = dict.fromkeys(("background", "shDegree", "splatScale", "antialiasing"))
    look = do(display, "look", **rest)["state"]["look"]
    assert (look["background"], look["shDegree"]) == ([0.1, 0.2, 0.3], 1)
    assert (look["splatScale"], look["antialiasing"]) == (1, "classic")
    assert do(display, "look", background="#ff0033")["state"]["look"]["background"] == [1, 0, 0.2]


@pytest.mark.parametrize(
    ("what", "more", "told_"),
    [
        ("jump", {}, "wanted one of state"),
        ("camera", {"eye": [1, 2]}, "eye: wanted three numbers"),
        ("camera", {"eye": [1, 2, None]}, "eye: wanted"),
        ("camera", {"eye": [1, 1, 1], "target": [1, 1, 1]}, "the same point"),
        ("camera", {"fov": 200}, "fov: wanted a number from 1 to 170, got 200"),
        ("mode", {"mode": "spin"}, "wanted one of orbit, fly, turntable"),
        ("mode", {"mode": "turntable", "speed": "fast"}, "speed: wanted a number"),
        ("go", {"index": 4}, "bookmark 5: there are 0"),
        ("go", {"index": "4"}, "wanted its number"),
        ("look", {"background": [2, 0, 0]}, "background: wanted a number from 0 to 1"),
        ("look", {"background": "red"}, "wanted rrggbb"),
        ("look", {"antialiasing": "some"}, "wanted classic or mip"),
        ("look", {"splatScale": True}, "splatScale: wanted a number"),
    ],
)
def test_what_cannot_be_done_is_told(
    display: Hosted, what: str, more: dict[str, Any], told_: str
) -> None:
    before = do(display, "state")
    assert told_ in refused(display, what, **more)
    assert do(display, "state") == before
    assert "not JSON" in json.loads(display.views.ask("{"))["error"]


def test_a_link_shows_the_same_again(display: Hosted) -> None:
    do(display, "camera", eye=[1.2345678, 2, -9])
    do(display, "add", name="Front")
    do(display, "look", background=[1, 0, 0], shDegree=0, splatScale=0.5, antialiasing="mip")
    do(display, "path", seconds=5)
    text = do(display, "share")["value"]["text"]
    display.frame(*STILL)
    wanted, state = bytes(display.uniforms()), do(display, "state")["state"]
    told(display, 300)
    answer = do(display, "open", text="#" + text)
    assert answer["value"]["problems"] == []
    assert answer["value"]["filter"] is None
    assert do(display, "share")["value"]["text"] == text
    display.frame(*STILL)
    assert bytes(display.uniforms()) == wanted
    assert json.dumps(answer["state"]["look"]) == json.dumps(state["look"])


def test_a_link_replaces_what_was_shown(display: Hosted) -> None:
    """What a link does not say is as the scene has it, not as the visitor left it."""
    text = do(display, "share")["value"]["text"]
    do(display, "look", background=[1, 0, 0], shDegree=0, splatScale=0.5)
    do(display, "add")
    do(display, "open", text=text)
    assert do(display, "share")["value"]["text"] == text


def test_nothing_begins_to_turn_for_those_who_prefer_rest(display: Hosted) -> None:
    do(display, "mode", mode="turntable", speed=30)
    text = do(display, "share")["value"]["text"]
    assert do(display, "open", text=text, rest=True)["state"]["moving"] == ""
    assert do(display, "open", text=text)["state"]["moving"] == "turntable"


def test_a_bad_link_leaves_all_as_it_is(display: Hosted) -> None:
    do(display, "add")
    before = do(display, "state")["state"]
    answer = do(display, "open", text="#v=9&sh=0")
    assert answer["value"]["problems"]
    assert answer["value"]["opened"] is False
    assert answer["state"] == before


def test_without_a_scene() -> None:
    assert "not loaded" in refused(Hosted(), "state")

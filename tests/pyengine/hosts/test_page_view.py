"""What the page asks of the view: the camera, the look, links."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyengine.camera_rig import MOVES
from pyengine.hosts import page
from pyengine.hosts.page import IDLE
from pyengine.hosts.page_view import ask
from tests.pyengine.hosts.test_page import STILL, told

STATUS_MOVING = 12
"""Bytes before what moves the camera, in the frame's status."""


@pytest.fixture(autouse=True)
def _scene() -> None:
    page._stage.clear()
    told(300)
    page.frame(*STILL)


def do(what: str, **more: Any) -> Any:
    """The answer of a question that is none to refuse."""
    answer = json.loads(ask(json.dumps({"do": what, **more})))
    assert "error" not in answer, answer
    return answer


def refused(what: str, **more: Any) -> str:
    """The message of one that is."""
    return str(json.loads(ask(json.dumps({"do": what, **more})))["error"])


def moving() -> str:
    """What the last frame told."""
    return MOVES[int.from_bytes(page.status()[STATUS_MOVING : STATUS_MOVING + 4], "little")]


def test_a_state_tells_all() -> None:
    state = do("state")["state"]
    assert state.keys() == {"camera", "mode", "moving", "turn", "bookmarks", "path", "look"}
    assert (state["mode"], state["moving"], state["bookmarks"]) == ("orbit", "", [])
    assert state["look"]["background"] == [0.1, 0.2, 0.3]
    assert state["look"]["shDegree"] == 1


def test_a_turntable_goes_on_from_frame_to_frame_and_says_so() -> None:
    do("mode", mode="turntable", speed=90)
    assert page.frame(0.1, *STILL[1:]) != IDLE
    assert moving() == "turntable"
    before = do("state")["state"]["camera"]["eye"]
    page.frame(0.1, *STILL[1:])
    assert do("state")["state"]["camera"]["eye"] != before
    page.frame(0.1, 320, 200, 0.1, *(0.0,) * 9)  # a touch
    assert moving() == ""
    page.frame(*STILL)
    assert page.frame(*STILL) == IDLE


def test_the_camera_is_set_and_flown() -> None:
    state = do("camera", eye=[1, 2, -9], target=[0, 0, 0], fov=30)["state"]
    assert state["camera"]["eye"] == pytest.approx([1, 2, -9])
    assert state["camera"]["fov"] == pytest.approx(30)
    assert do("camera", eye=[5, 2, -9], seconds=2)["state"]["moving"] == "flight"
    page.frame(2.5, *STILL[1:])
    state = do("state")["state"]
    assert (state["moving"], state["camera"]["eye"]) == ("", pytest.approx([5, 2, -9]))
    assert state["camera"]["target"] == pytest.approx([0, 0, 0])


def test_a_first_camera_is_where_it_is_reset_to() -> None:
    do("camera", eye=[1, 2, -9], target=[0, 0, 0], fov=30, first=True)
    do("camera", eye=[5, 2, -9])
    page.reset()
    camera = do("state")["state"]["camera"]
    assert camera["eye"] == pytest.approx([1, 2, -9])
    assert camera["fov"] == pytest.approx(30)


def test_bookmarks_and_the_path() -> None:
    assert do("add")["value"] == "View 1"
    do("camera", eye=[3, 0, -9])
    assert do("add", name="Side")["state"]["bookmarks"] == ["View 1", "Side"]
    assert do("rename", index=0, name="Front")["state"]["bookmarks"] == ["Front", "Side"]
    state = do("path", seconds=4, loop=False, play=True)["state"]
    assert (state["moving"], state["path"]) == ("path", {"seconds": 4.0, "loop": False})
    assert do("stop")["state"]["moving"] == ""
    assert do("delete", index=0)["state"]["bookmarks"] == ["Side"]
    assert "two bookmarks" in refused("path", play=True)


def test_a_look_is_set_and_given_back() -> None:
    look = do("look", background=[1, 0, 0], shDegree=0, splatScale=0.5, antialiasing="mip")[
        "state"
    ]["look"]
    assert look["antialiasing"] == "mip"
    assert look["background"] == [1, 0, 0]
    assert (look["shDegree"], look["splatScale"]) == (0, 0.5)
    assert page.frame(*STILL) != IDLE, "it is drawn anew"
    rest = dict.fromkeys(("background", "shDegree", "splatScale", "antialiasing"))
    look = do("look", **rest)["state"]["look"]
    assert (look["background"], look["shDegree"]) == ([0.1, 0.2, 0.3], 1)
    assert (look["splatScale"], look["antialiasing"]) == (1, "classic")
    assert do("look", background="#ff0033")["state"]["look"]["background"] == [1, 0, 0.2]


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
def test_what_cannot_be_done_is_told(what: str, more: dict[str, Any], told_: str) -> None:
    before = do("state")
    assert told_ in refused(what, **more)
    assert do("state") == before
    assert "not JSON" in json.loads(ask("{"))["error"]


def test_a_link_shows_the_same_again() -> None:
    do("camera", eye=[1.2345678, 2, -9])
    do("add", name="Front")
    do("look", background=[1, 0, 0], shDegree=0, splatScale=0.5, antialiasing="mip")
    do("path", seconds=5)
    text = do("share")["value"]
    page.frame(*STILL)
    wanted, state = bytes(page.uniforms()), do("state")["state"]
    page._stage.clear()
    told(300)
    answer = do("open", text="#" + text)
    assert answer["value"]["problems"] == []
    assert answer["value"]["filter"] is None
    assert do("share")["value"] == text
    page.frame(*STILL)
    assert bytes(page.uniforms()) == wanted
    assert json.dumps(answer["state"]["look"]) == json.dumps(state["look"])


def test_a_link_replaces_what_was_shown() -> None:
    """What a link does not say is as the scene has it, not as the visitor left it."""
    text = do("share")["value"]
    do("look", background=[1, 0, 0], shDegree=0, splatScale=0.5)
    do("add")
    do("open", text=text)
    assert do("share")["value"] == text


def test_nothing_begins_to_turn_for_those_who_prefer_rest() -> None:
    do("mode", mode="turntable", speed=30)
    text = do("share")["value"]
    assert do("open", text=text, rest=True)["state"]["moving"] == ""
    assert do("open", text=text)["state"]["moving"] == "turntable"


def test_a_bad_link_leaves_all_as_it_is() -> None:
    do("add")
    before = do("state")["state"]
    answer = do("open", text="#v=9&sh=0")
    assert answer["value"]["problems"]
    assert answer["value"]["opened"] is False
    assert answer["state"] == before


def test_without_a_scene() -> None:
    page._stage.clear()
    assert "not loaded" in refused("state")
